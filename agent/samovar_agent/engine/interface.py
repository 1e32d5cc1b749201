"""What every runtime can do, and the values that go in and out.

`process.WorkerEngine` is one: llama.cpp in a process of its own. A runtime that starts an upstream server, or forwards
to another machine, implements the same `Engine`; `instance.Instance` then needs no change.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Protocol

import msgspec

from samovar_protocol import SamovarError
from samovar_protocol.values import AnyDelta, ChatOptions, FinishReason, Message, Priority, Progress, Sampling, Stats


class SnapshotOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where prefixes are kept over restarts. - key_file: authenticates them. - budget_bytes: of the whole folder."""

    folder: str
    key_file: str
    budget_bytes: int


class LoadOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to load a model.

    - path: the GGUF file. - context_length: tokens that one request may have, and that are in memory at most.
    - threads: of computation. - snapshots: None keeps nothing on disk.
    """

    path: str
    context_length: int
    threads: int
    snapshots: SnapshotOptions | None = None


class Loaded(msgspec.Struct, frozen=True, kw_only=True, tag="loaded"):
    """The model is ready. - runtime: what runs it, with its version."""

    context_length: int
    runtime: str


class SourceFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file, or a part of one, that a model should know when it fills in the middle of another."""

    name: str
    text: str


class Infill(msgspec.Struct, frozen=True, kw_only=True):
    """How an editor wants the middle of a file filled in, beside what is before and after it.

    - files: to be known, the most important last. - begun: what of the middle is there already. - shorten: leave out
    files, and what is far from the middle, where all of it has no room; otherwise that is a `context_overflow`.
    - indent: the reply ends before the first further line, empty ones aside, that is indented less than this.
    - seconds: after so long from the first token, the reply ends once it has had a line break.
    - joined: choose with llama.cpp's sampler for filling in, which counts tokens with the same beginning together and
    ends where the end is likely enough.
    """

    files: list[SourceFile] = []
    begun: str = ""
    shorten: bool = False
    indent: int = 0
    seconds: float | None = None
    joined: bool = False


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """A reply to compute.

    - messages: the conversation. - prompt: text or tokens to go on from as they are, instead of a conversation.
    - suffix: what comes after the reply; only with a prompt, and for models that can fill in the middle.
    - infill: more about that; only with a suffix. - client: whose request it is; clients take turns.
    - prompt_logprobs: with `logprobs` among the options, tell those of the prompt's tokens too, before the reply: in
    pieces of `Text` that have neither text nor tokens. The first token, which nothing comes before, has NaN; one that
    the model's tokenizer puts before a text is not told. Nothing that was computed before is used for such a prompt.
    """

    messages: list[Message] = []
    prompt: str | list[int] | None = None
    suffix: str | None = None
    infill: Infill = Infill()
    sampling: Sampling
    options: ChatOptions = ChatOptions()
    client: str = ""
    prompt_logprobs: bool = False


class Embedding(msgspec.Struct, frozen=True, kw_only=True):
    """Vectors to compute. - inputs: texts, or their tokens. - dimensions: None keeps all."""

    inputs: list[str | list[int]]
    dimensions: int | None = None
    priority: Priority = "interactive"
    client: str = ""


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """Documents to compare with a query."""

    query: str
    documents: list[str]
    priority: Priority = "interactive"
    client: str = ""


class Tokenization(msgspec.Struct, frozen=True, kw_only=True, tag="tokenization"):
    """Texts whose tokens are wanted.

    - markers: the model's own markers in them count as such; without, they are text from people like any other.
    - begin: with the token that every prompt of this model begins with, where it has one. - listed: the tokens
    themselves, too, beside how many there are.
    """

    texts: list[str]
    markers: bool = False
    begin: bool = False
    listed: bool = False


class Detokenization(msgspec.Struct, frozen=True, kw_only=True, tag="detokenization"):
    """Tokens whose text is wanted, with the markers among them."""

    tokens: list[int]


class Rendering(msgspec.Struct, frozen=True, kw_only=True, tag="rendering"):
    """A generation whose prompt is wanted, and no reply."""

    generation: Generation


Question = Tokenization | Detokenization | Rendering
"""What is answered beside whatever is being computed."""


class Started(msgspec.Struct, frozen=True, kw_only=True, tag="started"):
    """The request left the queue. - prompt_tokens, cached_tokens: as in `Stats`; 0 where the runtime cannot say yet."""

    prompt_tokens: int = 0
    cached_tokens: int = 0


class Finished(msgspec.Struct, frozen=True, kw_only=True, tag="finished"):
    """The reply is complete.

    - finish_reasons: one a choice. - stop_texts: likewise, see `Choice.stop_text`; empty where the runtime cannot say.
    - stats: as the runtime measured them, without loading.
    """

    finish_reasons: list[FinishReason]
    stop_texts: list[str | None] = []
    stats: Stats


class Embedded(msgspec.Struct, frozen=True, kw_only=True, tag="embedded"):
    """- vectors: `dimensions` 32-bit floats, little-endian, a row for each input."""

    vectors: bytes
    dimensions: int
    prompt_tokens: int
    seconds: float


class Ranked(msgspec.Struct, frozen=True, kw_only=True, tag="ranked"):
    """- scores: one a document, in their order; larger is closer."""

    scores: list[float]
    prompt_tokens: int
    seconds: float


class Tokenized(msgspec.Struct, frozen=True, kw_only=True, tag="tokenized"):
    """- counts: tokens of each text, in their order. - tokens: those themselves, where they were asked for."""

    counts: list[int]
    tokens: list[list[int]] = []


class Detokenized(msgspec.Struct, frozen=True, kw_only=True, tag="detokenized"):
    """- text: bytes that are no UTF-8 are U+FFFD in it. - pieces: the bytes of each token."""

    text: str
    pieces: list[bytes]


class RenderedPrompt(msgspec.Struct, frozen=True, kw_only=True, tag="rendered"):
    """- text: what the model is given, as text; empty where the request had tokens. - tokens: as tokens."""

    text: str
    tokens: list[int]


Finding = Tokenized | Detokenized | RenderedPrompt
"""What answers a `Question`, that of the same place in its list."""


Output = Started | Progress | AnyDelta | Finished
"""What a generation yields: `Started` once, how far a long prompt is read, pieces as they come, `Finished` last."""


class Engine(Protocol):
    """A runtime with one model. Every failure is a `SamovarError`."""

    @property
    def pid(self) -> int | None:
        """The process that holds the model, where there is one on this machine."""

    async def start(self) -> None:
        """Bring the runtime itself up; raises `load_failed`."""

    async def load(self, options: LoadOptions, on_progress: Callable[[float], None]) -> Loaded:
        """Load the model, reporting 0 to 1; raises `load_failed` or `model_unsupported`."""

    def generate(self, generation: Generation) -> AsyncGenerator[Output, None]:
        """Compute a reply. Closing the generator stops the work within one decode step."""

    async def embed(self, embedding: Embedding) -> Embedded:
        """Compute vectors; cancelling stops the work. Raises `model_unsupported` where the model has none."""

    async def rank(self, ranking: Ranking) -> Ranked:
        """Compute scores; cancelling stops the work. Raises `model_unsupported` where the model has none."""

    async def ask(self, question: Question) -> Finding:
        """Tokens of texts, texts of tokens, or a prompt, beside whatever is being computed."""

    async def ended(self) -> SamovarError:
        """Wait for the runtime's end; says what happened."""

    async def close(self, reason: SamovarError) -> None:
        """End all work with `reason`, free everything and leave nothing running; bounded in time, whatever hangs."""
