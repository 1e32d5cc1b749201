"""What a reply must look like, as one grammar: calls of tools, a format that the client wants, reasoning before either.

Where the model may answer freely and may call, the grammar is lazy: it begins to hold where a call does. Everything
else is one grammar from the first token on, with the reasoning as a part of it, since a model need not write the
marker that a lazy one would wait for.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any, Literal

import msgspec

from samovar_agent.engine.worker.argument_rules import ArgumentRules
from samovar_agent.engine.worker.constraint import Constraint
from samovar_agent.engine.worker.grammar import check_grammar, json_grammar
from samovar_agent.engine.worker.grammar.automaton import Without, add_rules
from samovar_agent.engine.worker.grammar.limits import Steps
from samovar_agent.engine.worker.grammar.rename import prefixed
from samovar_agent.engine.worker.grammar.rules import Alternative, Piece, Ref, Rules, literal
from samovar_agent.engine.worker.grammar.schema import SchemaRules
from samovar_agent.engine.worker.output import Family, Frame, tool_call_frame
from samovar_agent.engine.worker.output.reasoning import reasoning_frame
from samovar_protocol.values import AnyJson, Grammar, JsonSchema, ReplyFormat, Tool

_MAX_CACHED_CHARACTERS = 8 * 1024 * 1024
_OBJECT: dict[str, Any] = {"type": "object"}
_NOTHING: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
_OWN = "reply-"
"""Before the names of the rules of a grammar that comes as text; no other name has a hyphen."""

Reasoning = Literal["none", "possible", "open"]
"""Whether the reply may begin with reasoning, or the prompt has begun it already."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """All that the grammar of a reply depends on.

    - tools: what may be called; without `must_call` the model may answer as well. - parallel: several calls a reply.
    """

    family: Family
    reasoning: Reasoning = "none"
    tools: list[Tool] = []
    must_call: bool = False
    parallel: bool = True
    reply_format: ReplyFormat | None = None


class ConstraintCache:
    """The newest grammars, since a conversation asks for the same one at every turn. May be used by several threads."""

    def __init__(self) -> None:
        self._made: OrderedDict[bytes, Constraint] = OrderedDict()
        self._characters = 0
        self._lock = threading.Lock()

    def get(self, wanted: Wanted) -> Constraint | None:
        """The constraint for a reply; None where anything may be written. Raises `bad_request` as `constraint` does."""
        if not wanted.tools and wanted.reply_format is None:
            return None
        key = msgspec.json.encode(wanted)
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
        made = constraint(wanted)
        with self._lock:
            if key not in self._made:
                self._made[key] = made
                self._characters += len(key) + len(made.gbnf)
            while self._characters > _MAX_CACHED_CHARACTERS:
                oldest, dropped = self._made.popitem(last=False)
                self._characters -= len(oldest) + len(dropped.gbnf)
        return made


def constraint(wanted: Wanted) -> Constraint:
    """The grammar for a reply that calls tools or has a format.

        constraint(Wanted(family=Family.HERMES, tools=[tool], must_call=True))

    Raises `bad_request` with the tool and the place in its schema, or the line of the grammar, that cannot be.
    """
    frame = tool_call_frame(wanted.family)
    rules = Rules()
    if wanted.tools and not wanted.must_call and wanted.reply_format is None:
        return _lazy(wanted, frame, _finished(rules, [_calls(wanted, frame, rules)]))
    answers: list[Alternative] = []
    text = ""
    if wanted.tools:
        answers.append(_calls(wanted, frame, rules))
    if wanted.reply_format is not None and not wanted.must_call:
        if isinstance(wanted.reply_format, Grammar):
            check_grammar(wanted.reply_format.gbnf)
            if not answers and wanted.reasoning == "none" and wanted.family is not Family.HARMONY:
                return Constraint(wanted.reply_format.gbnf)
        form, text = _format(wanted.reply_format, rules)
        begin = reasoning_frame(wanted.family).answer
        answers.append([literal(begin), form] if begin else [form])
    answer = Ref(rules.add(answers))
    return Constraint(_finished(rules, _behind_reasoning(wanted, rules, answer)) + text)


def _finished(rules: Rules, alternatives: list[Alternative]) -> str:
    text = rules.gbnf(rules.add(alternatives))
    assert text is not None  # every schema in it has been seen to end
    return text


def _lazy(wanted: Wanted, frame: Frame, gbnf: str) -> Constraint:
    """Calls, enforced from where one begins."""
    # An answer in JSON may begin like a call, so only the name of a tool makes it one.
    starts = [f"{trigger}{tool.name}{frame.between[:1]}" for trigger in frame.start_triggers for tool in wanted.tools]
    reasoning = reasoning_frame(wanted.family)
    apart = wanted.reasoning != "none" and not reasoning.ended_by_calls
    return Constraint(
        gbnf,
        triggers=frame.triggers,
        start_triggers=tuple(starts),
        reasoning=(reasoning.begin, reasoning.end) if apart else None,
        reasoning_open=apart and wanted.reasoning == "open",
    )


def _behind_reasoning(wanted: Wanted, rules: Rules, answer: Ref) -> list[Alternative]:
    if wanted.reasoning == "none":
        return [[answer]]
    frame = reasoning_frame(wanted.family)
    thought = add_rules(rules, [Without(frame.end)], quoted=False, steps=Steps(), path="#")
    rest: list[Piece] = [Ref(thought), literal(frame.end + frame.after), "[ \\n]{0,3}", answer]
    return [rest] if wanted.reasoning == "open" else [[literal(frame.begin), *rest], [answer]]


def _format(wanted: ReplyFormat, rules: Rules) -> tuple[Piece, str]:
    """What stands for the answer, and the rules that come as text."""
    match wanted:
        case JsonSchema(json_schema=schema):
            return Ref(SchemaRules(schema, rules).value()), ""
        case AnyJson():
            return f"{_OWN}root", prefixed(json_grammar(), _OWN)
        case Grammar(gbnf=gbnf):
            return f"{_OWN}root", prefixed(gbnf, _OWN)


def _calls(wanted: Wanted, frame: Frame, rules: Rules) -> Alternative:
    call = Ref(
        rules.add([[literal(frame.before), Ref(rules.add([_call(tool, frame, rules) for tool in wanted.tools]))]])
    )
    pieces: list[Piece] = []
    if any(frame.openings):
        pieces.append(Ref(rules.add([[literal(opening)] if opening else [] for opening in frame.openings])))
    pieces.append(call)
    if wanted.parallel and frame.separator is not None:
        pieces.append(Ref(rules.add([[literal(frame.separator), call]]), 0, None))
    if frame.closing:
        pieces.append(literal(frame.closing))
    return pieces


def _call(tool: Tool, frame: Frame, rules: Rules) -> Alternative:
    path = f"#/tools/{tool.name}/parameters"
    schema = tool.parameters or _NOTHING
    arguments: Alternative
    if frame.parameters is None:
        arguments = [Ref(SchemaRules(schema, rules, path=path).value(None, _OBJECT))]
    else:
        arguments = ArgumentRules(schema, frame.parameters, rules, path).arguments()
    pieces: list[Piece] = [literal(tool.name + frame.between), *arguments]
    if frame.after:
        pieces.append(literal(frame.after))
    return pieces
