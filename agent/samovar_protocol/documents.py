"""The values of documents and conversations. Sizes are bytes, durations seconds, times Unix seconds.

Ids are numbers that are never used twice. Places in a text are characters from its beginning.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from samovar_protocol.values import Id, Message, Name, Value

DocumentState = Literal["queued", "indexing", "ready", "failed"]
"""Waiting to be read, being read, searched, or not readable: `problem` says why. What was read of an older version of a
file is searched meanwhile."""
SourceKind = Literal["file", "folder", "text"]
SourceState = Literal["present", "missing", "paused"]
"""missing: the file or folder is not there now; what was read of it stays until somebody removes it."""


class CollectionInfo(Value, frozen=True, kw_only=True):
    """A set of documents that are searched together.

    - model: key of the embedding model by whose vectors it is searched; None for words alone.
    - next_model: that it changes to once all of its vectors are computed; the old ones serve meanwhile.
    - documents: all of them, of which so many are queued (or being read) and failed.
    - chunks: passages that are searched, of which so many have a vector of `next_model`, or else `model`.
    - problem, hint: why nothing goes on now, as where the disk is full, or what it lacks; the other text is searched.
    """

    id: int
    name: str
    created_at: float
    model: str | None = None
    next_model: str | None = None
    documents: int = 0
    queued: int = 0
    failed: int = 0
    chunks: int = 0
    embedded: int = 0
    problem: str | None = None
    hint: str = ""

    @property
    def busy(self) -> bool:
        """Whether something is still to be read or embedded."""
        model = self.next_model or self.model
        return self.queued > 0 or (model is not None and self.embedded < self.chunks)


class SourceInfo(Value, frozen=True, kw_only=True):
    """Where documents come from.

    - path: absolute; None for a text that was pasted. - excludes: patterns, as in a `.gitignore`, of what is left out.
    - watch: whether it is kept in step with the folder. - documents: that come from it.
    """

    id: int
    collection: str
    kind: SourceKind
    path: str | None = None
    excludes: list[str] = msgspec.field(default_factory=list)
    watch: bool = False
    state: SourceState = "present"
    documents: int = 0


class DocumentInfo(Value, frozen=True, kw_only=True):
    """A document.

    - path: absolute; None for a text that was pasted. - name: for people. - title: what it calls itself.
    - changed_at: when the file was last changed; indexed_at: when it was last read. - pages: None without pages.
    - problem: why it failed, or what is missing of it; reason: the same for programs, see `extracted.Reason`.
    """

    id: int
    collection: str
    source: int
    name: str
    title: str
    state: DocumentState
    size_bytes: int
    changed_at: float
    path: str | None = None
    media_type: str = ""
    pages: int | None = None
    indexed_at: float | None = None
    sha256: str | None = None
    problem: str | None = None
    hint: str = ""
    reason: str | None = None


class DocumentPassage(Value, frozen=True, kw_only=True):
    """A passage of a document that a search found.

    - text: what stands there from `start` to `end`. - page, headings: where its best part is, outermost heading first.
    - score: 0 to 1, or the reranking model's own; only good for comparing within one search.
    """

    document: int
    collection: str
    name: str
    title: str
    text: str
    start: int
    end: int
    score: float
    path: str | None = None
    media_type: str = ""
    page: int | None = None
    headings: list[str] = msgspec.field(default_factory=list)


class Citation(Value, frozen=True, kw_only=True):
    """Where a statement of a reply stands.

    - number: as the reply cites it, [1]; at, until: where that marker is in the reply.
    - document: its id; it may be gone since. - start, end: characters of the document. - quote: what stands there;
    None where no sentence of the source says what the reply says, and then it is the whole source.
    - verbatim: the reply quotes these words itself. - inferred: the reply has no number there, but says what the source
    says; `at` and `until` are then the end of that sentence.
    """

    number: int
    at: int
    until: int
    document: int
    name: str
    start: int
    end: int
    path: str | None = None
    page: int | None = None
    headings: list[str] = msgspec.field(default_factory=list)
    quote: str | None = None
    verbatim: bool = False
    inferred: bool = False


class Attachment(Value, frozen=True, kw_only=True):
    """What was given along with a message. - document: its id; it may be gone since. - sha256: of the file."""

    name: str
    document: int | None = None
    sha256: str | None = None


class DocumentFilter(Value, frozen=True, kw_only=True):
    """Documents for which all of this is true; what is left out does not matter.

    - path_prefix: absolute; a file, or a folder and all that lies in it. - media_types: one of these, e.g. "text/csv".
    - since, until: when the file was last changed. - documents: one of these ids.
    """

    path_prefix: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None
    media_types: Annotated[tuple[Name, ...], Meta(max_length=100)] = ()
    since: float | None = None
    until: float | None = None
    documents: Annotated[tuple[Id, ...], Meta(max_length=10_000)] = ()


SearchMethod = Literal["words and vectors", "words"]
Outcome = Literal["answered", "not_found", "uncited"]
"""With at least one citation; says that the documents do not tell; says something, and nobody knows from where."""


class ConversationInfo(Value, frozen=True, kw_only=True):
    """A conversation, for every client the same.

    - model: who answered last. - collections: names of those that are asked. - changed_at: of the newest message
    or title.
    """

    id: int
    title: str
    created_at: float
    changed_at: float
    model: str | None = None
    collections: list[str] = msgspec.field(default_factory=list)


class ConversationMessage(Value, frozen=True, kw_only=True):
    """One turn of a conversation. - model: that answered; None for other roles."""

    id: int
    message: Message
    created_at: float
    attachments: list[Attachment] = msgspec.field(default_factory=list)
    citations: list[Citation] = msgspec.field(default_factory=list)
    model: str | None = None
