"""The final answer to each request: `<Request>Reply`."""

from __future__ import annotations

import sys
from array import array
from typing import Literal

import msgspec

from samovar_protocol.documents import (
    Citation,
    CollectionInfo,
    ConversationInfo,
    ConversationMessage,
    DocumentInfo,
    DocumentPassage,
    Outcome,
    SearchMethod,
    SourceInfo,
)
from samovar_protocol.values import (
    CatalogEntry,
    Check,
    Choice,
    DownloadInfo,
    FinishReason,
    HttpInfo,
    InstanceInfo,
    JournalEntry,
    MemoryEstimate,
    ModelInfo,
    NetworkInfo,
    RankedDocument,
    Setting,
    Stats,
    TokenInfo,
    TokenLogprob,
    ToolCall,
    VerifiedModel,
)


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all replies."""


class HelloReply(Reply, frozen=True, kw_only=True):
    """Who answers: protocol (major, minor), release, process."""

    protocol: tuple[int, int]
    version: str
    pid: int


class PingReply(Reply, frozen=True, kw_only=True):
    """Nothing but the answer."""


class StatusReply(Reply, frozen=True, kw_only=True):
    """The agent's state. - sequence: number of the last event already contained in it."""

    version: str
    pid: int
    started_at: float
    home: str
    memory_bytes: int
    http: HttpInfo
    network: NetworkInfo
    models: int
    instances: list[InstanceInfo]
    sequence: int


class DownReply(Reply, frozen=True, kw_only=True):
    """The agent has begun to stop; its process ends within seconds."""

    pid: int


class DoctorReply(Reply, frozen=True, kw_only=True):
    """Findings, the agent's part."""

    checks: list[Check]


class LsReply(Reply, frozen=True, kw_only=True):
    """Models, sorted by key."""

    models: list[ModelInfo]


class PsReply(Reply, frozen=True, kw_only=True):
    """Instances, oldest first."""

    instances: list[InstanceInfo]


class LoadReply(Reply, frozen=True, kw_only=True):
    """The instance; None after `estimate_only`. - already_loaded: it was there before."""

    estimate: MemoryEstimate
    instance: InstanceInfo | None = None
    already_loaded: bool = False


class UnloadReply(Reply, frozen=True, kw_only=True):
    """Identifiers that are gone from memory now."""

    identifiers: list[str]


class GetReply(Reply, frozen=True, kw_only=True):
    """The model, ready, or None where only its download was begun. - already_present: nothing was downloaded.

    - download: its job; None where there was none.
    """

    model: ModelInfo | None = None
    already_present: bool = False
    download: DownloadInfo | None = None


class DownloadLsReply(Reply, frozen=True, kw_only=True):
    """Newest first."""

    downloads: list[DownloadInfo]


class DownloadReply(Reply, frozen=True, kw_only=True):
    """The download as it is now."""

    download: DownloadInfo


class SearchReply(Reply, frozen=True, kw_only=True):
    """What was found. - as_of: when the hub said so; None where only the built-in catalog was looked through.

    - note: why these are not the hub's answer of this moment; empty where they are.
    """

    results: list[CatalogEntry]
    as_of: float | None = None
    note: str = ""


class OptionsReply(Reply, frozen=True, kw_only=True):
    """The model with all its files. - as_of, note: as in `SearchReply`."""

    entry: CatalogEntry
    as_of: float | None = None
    note: str = ""


class CatalogReply(Reply, frozen=True, kw_only=True):
    """The chosen models. - refreshed_at: when the hub was last asked; None never."""

    models: list[CatalogEntry]
    refreshed_at: float | None = None


class VerifyReply(Reply, frozen=True, kw_only=True):
    """One finding a model."""

    models: list[VerifiedModel]


class NetworkJournalReply(Reply, frozen=True, kw_only=True):
    """Newest first."""

    entries: list[JournalEntry]


class ImportReply(Reply, frozen=True, kw_only=True):
    """The model under its new key."""

    model: ModelInfo


class RmReply(Reply, frozen=True, kw_only=True):
    """What was removed and how much room that made; 0 for a link."""

    key: str
    freed_bytes: int


class ChatReply(Reply, frozen=True, kw_only=True):
    """The whole reply.

    - stop_text: which of `Sampling.stop` ended it, where one did. - alternatives: the further choices, where more than
    one was asked for.
    """

    model: str
    text: str
    finish_reason: FinishReason
    stop_text: str | None = None
    stats: Stats
    reasoning: str = ""
    tool_calls: list[ToolCall] = []
    logprobs: list[TokenLogprob] = []
    alternatives: list[Choice] = []


class EmbedReply(Reply, frozen=True, kw_only=True):
    """One vector a text. - vectors: `dimensions` 32-bit floats, little-endian, a row each; see `rows`."""

    model: str
    dimensions: int
    vectors: bytes
    prompt_tokens: int
    seconds: float

    def rows(self) -> list[list[float]]:
        """The vectors as lists."""
        values = numbers(self.vectors)
        return [values[start : start + self.dimensions] for start in range(0, len(values), self.dimensions)]


def numbers(vectors: bytes) -> list[float]:
    """The numbers of one or several vectors as they are sent: 32-bit floats, little-endian."""
    found = array("f")
    found.frombytes(vectors)
    if sys.byteorder == "big":
        found.byteswap()
    return found.tolist()


class RerankReply(Reply, frozen=True, kw_only=True):
    """The documents, best first."""

    model: str
    results: list[RankedDocument]
    prompt_tokens: int
    seconds: float


class CancelReply(Reply, frozen=True, kw_only=True):
    """- found: false where the request had ended already."""

    found: bool


class ConfigLsReply(Reply, frozen=True, kw_only=True):
    """All settings, sorted by key."""

    settings: list[Setting]


class ConfigReply(Reply, frozen=True, kw_only=True):
    """The setting as it is now. - restart_needed: it takes effect at the agent's next start."""

    setting: Setting
    restart_needed: bool = False


class TokenCreateReply(Reply, frozen=True, kw_only=True):
    """The token. - secret: shown this once, stored only as a hash."""

    token: TokenInfo
    secret: str


class TokenLsReply(Reply, frozen=True, kw_only=True):
    """All tokens, newest first, revoked ones too."""

    tokens: list[TokenInfo]


class TokenRevokeReply(Reply, frozen=True, kw_only=True):
    """The token as it is now."""

    token: TokenInfo


class DocsCollectionsReply(Reply, frozen=True, kw_only=True):
    """Sorted by name."""

    collections: list[CollectionInfo]


class DocsCollectionReply(Reply, frozen=True, kw_only=True):
    """The collection as it is now."""

    collection: CollectionInfo


class DocsAddReply(Reply, frozen=True, kw_only=True):
    """What came of it.

    - added: documents that are new or changed. - unchanged: those that were known. - skipped: files in folders of
    a kind that nobody reads. - documents: those of files and texts that were named themselves.
    - failed: documents that could not be read, with their problems; at most 100 of them, and only with `wait`.
    - problems: of folders and files that could not be looked at, by path.
    """

    collection: CollectionInfo
    added: int
    unchanged: int = 0
    skipped: int = 0
    documents: list[DocumentInfo] = []
    failed: list[DocumentInfo] = []
    problems: dict[str, str] = {}


class DocsLsReply(Reply, frozen=True, kw_only=True):
    """- sources: of the collection, or all. - more: there are documents after the last of these."""

    sources: list[SourceInfo]
    documents: list[DocumentInfo]
    more: bool = False


class DocsRmReply(Reply, frozen=True, kw_only=True):
    """How many documents were removed."""

    removed: int


class DocsWatchReply(Reply, frozen=True, kw_only=True):
    """The source as it is now."""

    source: SourceInfo


class DocsRetryReply(Reply, frozen=True, kw_only=True):
    """How many documents are queued again."""

    queued: int


class DocsTextReply(Reply, frozen=True, kw_only=True):
    """- text: of the document from `start` to `end`. - length: of all of it, in characters."""

    document: DocumentInfo
    text: str
    start: int
    end: int
    length: int


class DocsSearchReply(Reply, frozen=True, kw_only=True):
    """What was found, the best first.

    - method: what was searched by. - note: why by words alone, or what else is missing; empty where nothing is.
    - reranked: the model that ordered them. - seconds: of it all; embed_seconds: of that the query's vector.
    """

    passages: list[DocumentPassage]
    method: SearchMethod
    note: str = ""
    reranked: str | None = None
    seconds: float = 0.0
    embed_seconds: float = 0.0


class DocsAskReply(Reply, frozen=True, kw_only=True):
    """The answer and what it is worth.

    - given: what the model read: whole documents, passages that a search found, or nothing, and then it was not asked.
    - sources: by number, from 1: what it read. - unknown: numbers that it cites and that no source has.
    - misquotes: what it quotes and no source says. - note: as in `DocsSearchReply`. - conversation: where it is kept.
    - withheld: what the model wrote, where it cited nothing and surely is not from the sources; `text` says so instead.
    """

    model: str | None
    text: str
    outcome: Outcome
    given: Literal["whole", "passages", "nothing"]
    sources: list[DocumentPassage]
    citations: list[Citation]
    finish_reason: FinishReason = "stop"
    stats: Stats = Stats()
    reasoning: str = ""
    unknown: list[int] = []
    misquotes: list[str] = []
    note: str = ""
    conversation: int | None = None
    withheld: str = ""


class DocsExportReply(Reply, frozen=True, kw_only=True):
    """The file and what it holds."""

    path: str
    size_bytes: int
    documents: int


class ConversationsReply(Reply, frozen=True, kw_only=True):
    """The last changed first."""

    conversations: list[ConversationInfo]


class ConversationReply(Reply, frozen=True, kw_only=True):
    """The conversation. - messages: the oldest first; only `conversation_show` has them."""

    conversation: ConversationInfo
    messages: list[ConversationMessage] = []


class ConversationDeleteReply(Reply, frozen=True, kw_only=True):
    """- found: false where there was none."""

    found: bool
