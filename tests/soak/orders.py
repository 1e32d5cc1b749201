"""What the clients of a soak ask for, at random: long and short, plain and formatted, patient and not."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from samovar.requests import Chat, ChatOptions, Grammar, JsonSchema, Message, NamedTool, Sampling, Tool
from samovar_protocol import FailureCode

CONTEXT = 2048
"""Tokens that fit in memory: too few for all clients at once, so that they wait for and evict each other."""

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 12}, "people": {"type": "integer", "minimum": 0}},
    "required": ["city", "people"],
    "additionalProperties": False,
}
GRAMMAR = 'root ::= ("yes" | "no") (" and " ("yes" | "no"))? "."'
TOOLS = [
    Tool(name="weather", description="Of a city.", parameters=SCHEMA),
    Tool(name="clock", parameters={"type": "object", "properties": {}}),
]
_WORDS = (
    "tea",
    "kettle",
    "steam",
    "silver",
    "garden",
    "Ölkanne",
    "薬罐",
    "river",
    "north",
    "quiet",
    "seven",
    "lamp",
    "🫖",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One request and what the client does about it.

    - leave_after: go away after so many pieces; None stays. - cancel: tell the agent to stop instead of going away.
    - stream: read it piece by piece. - may_fail: failures that are right here. - must_fail: a reply would be wrong.
    """

    kind: str
    chat: Chat
    leave_after: int | None = None
    cancel: bool = False
    stream: bool = True
    may_fail: frozenset[str] = frozenset()
    must_fail: bool = False


@dataclass(slots=True)
class Orders:
    """The orders of one client. - http: only what HTTP can say. - history: of the conversation that it goes on with."""

    rng: random.Random
    http: bool
    history: list[Message] = field(default_factory=list)

    def next(self) -> Order:
        """The next order."""
        makers, weights = zip(*self._kinds(), strict=True)
        maker: Callable[[], Order] = self.rng.choices(makers, weights)[0]
        return replace(maker(), stream=self.rng.random() < 0.8)

    def remember(self, order: Order, text: str) -> None:
        """Go on with this reply later."""
        if order.kind == "conversation":
            self.history = [*order.chat.messages, Message(role="assistant", content=text)]

    def _kinds(self) -> list[tuple[Callable[[], Order], int]]:
        kinds: list[tuple[Callable[[], Order], int]] = [
            (self._plain, 30),
            (self._conversation, 15),
            (self._long, 4),
            (self._leaving, 15),
            (self._choices, 6),
            (self._schema, 6),
            (self._grammar, 4),
            (self._tool, 4),
            (self._probable, 5),
            (self._overflow, 3),
            (self._nonsense, 3),
        ]
        return kinds if self.http else [*kinds, (self._hurried, 4), (self._cancelled, 6)]

    def _plain(self) -> Order:
        return Order(kind="plain", chat=self._chat(self._text(1, 200)))

    def _conversation(self) -> Order:
        if len(self.history) > self.rng.randrange(3, 9):
            self.history = []
        # Three beginnings for all clients: what one of them has computed, the others share.
        opening = "You are terse. " + " ".join(random.Random(self.rng.randrange(3)).choices(_WORDS, k=150))
        messages = self.history or [Message(role="system", content=opening)]
        messages = [*messages, Message(role="user", content=self._text(1, 30))]
        return Order(kind="conversation", chat=Chat(messages=messages, sampling=self._sampling(32)))

    def _long(self) -> Order:
        return Order(kind="long", chat=self._chat(self._text(300, 450)))

    def _leaving(self) -> Order:
        chat = self._chat(self._text(1, 200), tokens=400, ignore_eos=True)
        return Order(kind="leaving", chat=chat, leave_after=self.rng.choice((0, 0, 1, 2, 5, 20)))

    def _cancelled(self) -> Order:
        return replace(self._leaving(), kind="cancelled", cancel=True, may_fail=frozenset({FailureCode.CANCELLED}))

    def _hurried(self) -> Order:
        seconds = self.rng.choice((0.001, 0.02, 0.1, 0.5, 2.0))
        chat = self._chat(self._text(1, 200), ChatOptions(deadline_seconds=seconds), tokens=200)
        return Order(kind="hurried", chat=chat, may_fail=frozenset({FailureCode.DEADLINE_EXCEEDED}))

    def _choices(self) -> Order:
        return Order(kind="choices", chat=self._chat(self._text(1, 60), ChatOptions(n=self.rng.randrange(2, 5))))

    def _schema(self) -> Order:
        chat = self._chat("Tell me about a city.", ChatOptions(reply_format=JsonSchema(json_schema=SCHEMA)), tokens=60)
        return Order(kind="schema", chat=chat)

    def _grammar(self) -> Order:
        chat = self._chat(self._text(1, 20), ChatOptions(reply_format=Grammar(gbnf=GRAMMAR)))
        return Order(kind="grammar", chat=chat)

    def _tool(self) -> Order:
        choices: tuple[Literal["required"], NamedTool] = ("required", NamedTool(name="clock"))
        choice = self.rng.choice(choices)
        options = ChatOptions(tools=TOOLS, tool_choice=choice)
        return Order(kind="tool", chat=self._chat("What is the weather in Oslo?", options, tokens=80))

    def _probable(self) -> Order:
        chat = self._chat(self._text(1, 60), ChatOptions(logprobs=True, top_logprobs=self.rng.randrange(4)))
        return Order(kind="probable", chat=chat)

    def _overflow(self) -> Order:
        may_fail = frozenset({FailureCode.CONTEXT_OVERFLOW})
        return Order(kind="overflow", chat=self._chat("word " * CONTEXT), may_fail=may_fail, must_fail=True)

    def _nonsense(self) -> Order:
        form = self.rng.choice((Grammar(gbnf="root ::= missing"), JsonSchema(json_schema={"type": "colour"})))
        chat = self._chat(self._text(1, 20), ChatOptions(reply_format=form))
        return Order(kind="nonsense", chat=chat, may_fail=frozenset({FailureCode.BAD_REQUEST}), must_fail=True)

    def _chat(
        self, text: str, options: ChatOptions | None = None, *, tokens: int = 48, ignore_eos: bool = False
    ) -> Chat:
        return Chat(
            messages=[Message(role="user", content=text)],
            sampling=self._sampling(tokens, ignore_eos=ignore_eos),
            options=options or ChatOptions(),
        )

    def _sampling(self, tokens: int, *, ignore_eos: bool = False) -> Sampling:
        rng = self.rng
        return Sampling(
            temperature=rng.choice((0.0, 0.7, 1.5)),
            repeat_penalty=rng.choice((1.0, 1.0, 1.2)),
            dry_multiplier=rng.choice((0.0, 0.0, 0.8)),
            seed=rng.choice((None, rng.randrange(1000))),
            stop=rng.choice(([], [], ["."], ["the", "\n\n"])),
            max_tokens=rng.randrange(1, tokens + 1),
            ignore_eos=ignore_eos,
        )

    def _text(self, least: int, most: int) -> str:
        return " ".join(self.rng.choices(_WORDS, k=self.rng.randrange(least, most + 1)))
