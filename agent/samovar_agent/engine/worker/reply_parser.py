"""From a reply's tokens to what clients get: text, reasoning and calls, each piece as soon as it is certain."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from samovar_agent.engine.worker.output import Content, Delta, OutputParser, Reasoning
from samovar_agent.engine.worker.output import ToolCallArguments as Arguments
from samovar_agent.engine.worker.output import ToolCallBegan as Began
from samovar_agent.engine.worker.text import StopFilter, TextStream
from samovar_protocol.values import (
    AnyDelta,
    FinishReason,
    Text,
    Thinking,
    TokenLogprob,
    ToolCallArguments,
    ToolCallBegan,
)


class Pieces(Protocol):
    """The part of `Model` that knows tokens' bytes."""

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """A token's bytes; those of a special one only where they are asked for."""


class ReplyParser(Protocol):
    """Reads one reply, token by token."""

    @property
    def stopped(self) -> bool:
        """Whether a stop text is complete; nothing more will be shown then."""

    @property
    def stop_text(self) -> str | None:
        """The stop text that is complete."""

    def feed(self, token: int, logprob: TokenLogprob | None) -> list[AnyDelta]:
        """What may be shown now. - logprob: of this token, where clients asked for it."""

    def finish(self) -> list[AnyDelta]:
        """What was held back, now that nothing follows."""

    def finish_reason(self, ended: FinishReason) -> FinishReason:
        """Why it ended, as clients are told. - ended: "stop" or "length"."""


class _Logprobs:
    """Those of the tokens whose text is not shown yet."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, TokenLogprob]] = deque()

    def add(self, before: int, logprob: TokenLogprob) -> None:
        """The next token's, with the number of characters before it."""
        self._waiting.append((before, logprob))

    def take(self, shown: int) -> list[TokenLogprob]:
        """Those of the tokens that begin in the first `shown` characters."""
        taken: list[TokenLogprob] = []
        while self._waiting and self._waiting[0][0] < shown:
            taken.append(self._waiting.popleft()[1])
        return taken

    def clear(self) -> None:
        """Forget them."""
        self._waiting.clear()


class PlainReply:
    """A reply that is nothing but text.

        reply = PlainReply(model, stops=["END"])
        deltas = [*reply.feed(token, None), *reply.finish()]

    - choice: its number among the replies to one prompt. - stops: texts that end it and are left out of it.
    """

    def __init__(self, model: Pieces, *, choice: int = 0, stops: Sequence[str] = ()) -> None:
        self._piece, self._choice = model.piece, choice
        self._text = TextStream(stops)
        self._untold = 0
        self._logprobs = _Logprobs()

    @property
    def stopped(self) -> bool:
        """Whether a stop text is complete."""
        return self._text.stopped

    @property
    def stop_text(self) -> str | None:
        """The stop text that is complete."""
        return self._text.found

    def feed(self, token: int, logprob: TokenLogprob | None) -> list[AnyDelta]:
        """What may be shown now."""
        if logprob:
            self._logprobs.add(self._text.decoded, logprob)
        text = self._text.feed(self._piece(token))
        self._untold += 1
        return self._tell(text) if text else []

    def finish(self) -> list[AnyDelta]:
        """What was held back."""
        text = self._text.finish()
        return self._tell(text) if text else []

    def finish_reason(self, ended: FinishReason) -> FinishReason:
        """Nothing else happens in it."""
        return ended

    def _tell(self, text: str) -> list[AnyDelta]:
        tokens, self._untold = self._untold, 0
        logprobs = self._logprobs.take(self._text.decoded - self._text.withheld)
        return [Text(choice=self._choice, text=text, tokens=tokens, logprobs=logprobs)]


class StructuredReply:
    """A reply with reasoning, calls or both in it.

    - parser: of the model's family. - markers: of that family; special tokens with other texts are left out.
    - stops: end the reply where the answer has one of them; reasoning and calls may hold what they like.
    - raw_stops: end it wherever they are written.
    """

    def __init__(
        self,
        model: Pieces,
        parser: OutputParser,
        markers: frozenset[str],
        *,
        choice: int = 0,
        stops: Sequence[str] = (),
        raw_stops: Sequence[str] = (),
    ) -> None:
        self._piece, self._parser, self._markers, self._choice = model.piece, parser, markers, choice
        self._text = TextStream(raw_stops)
        self._stops = StopFilter(stops)
        self._specials: set[str] = set()  # markers that came as special tokens, which no user may see
        self._untold = 0
        self._logprobs = _Logprobs()
        self._calls = 0

    @property
    def stopped(self) -> bool:
        """Whether a stop text is complete."""
        return self._text.stopped or self._stops.stopped

    @property
    def stop_text(self) -> str | None:
        """The stop text that is complete; where both kinds are, the one that ended the answer."""
        return self._stops.found or self._text.found

    def feed(self, token: int, logprob: TokenLogprob | None) -> list[AnyDelta]:
        """What may be shown now."""
        self._untold += 1
        data = self._piece(token)
        marker = ""
        if not data:
            data = self._piece(token, special=True)
            marker = data.decode("utf-8", "replace").strip()
            if marker not in self._markers:
                return []
            self._specials.add(marker)
        if logprob and not marker and logprob.text.strip() not in self._markers:
            self._logprobs.add(self._text.decoded, logprob)
        text = self._text.feed(data)
        return self._told(self._parser.feed(text)) if text else []

    def finish(self) -> list[AnyDelta]:
        """What was held back; nothing where a stop text ended the reply."""
        if self._stops.stopped:
            return []
        text = self._text.finish()
        deltas = self._told([*(self._parser.feed(text) if text else ()), *self._parser.finish()])
        rest = self._stops.finish()
        return [*deltas, self._shown(Text, rest)] if rest else deltas

    def finish_reason(self, ended: FinishReason) -> FinishReason:
        """A reply that ended by itself and made calls wants their results."""
        return "tool_calls" if ended == "stop" and self._calls else ended

    def _told(self, deltas: Sequence[Delta]) -> list[AnyDelta]:
        told: list[AnyDelta] = []
        for delta in deltas:
            if self._stops.stopped:
                break
            match delta:
                case Content(text):
                    if shown := self._stops.feed(self._without_markers(text)):
                        told.append(self._shown(Text, shown))
                case Reasoning(text):
                    if shown := self._without_markers(text):
                        told.append(self._shown(Thinking, shown))
                case Began(index, id_, name):
                    if rest := self._stops.finish():  # no stop text goes on behind a call
                        told.append(self._shown(Text, rest))
                    self._calls += 1
                    self._logprobs.clear()  # the calls' own; clients get those of text only
                    told.append(ToolCallBegan(choice=self._choice, index=index, id=id_, name=name))
                case Arguments(index, json):
                    told.append(ToolCallArguments(choice=self._choice, index=index, json=json))
        return told

    def _without_markers(self, text: str) -> str:
        for marker in self._specials:
            text = text.replace(marker, "")
        return text

    def _shown(self, kind: Callable[..., AnyDelta], text: str) -> AnyDelta:
        tokens, self._untold = self._untold, 0
        withheld = self._text.withheld + self._parser.withheld + self._stops.withheld
        logprobs = self._logprobs.take(self._text.decoded - withheld)
        return kind(choice=self._choice, text=text, tokens=tokens, logprobs=logprobs)
