"""What the grammars let through is what counts: random texts of each are read by the family's own parser."""

import json
from decimal import Decimal
from typing import Any

import pytest

from samovar_agent.engine.worker.output import Family, tool_call_frame
from samovar_agent.engine.worker.output.reasoning import reasoning_frame
from samovar_agent.engine.worker.tool_grammar import ConstraintCache, Reasoning, Wanted, constraint
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import AnyJson, Grammar, JsonSchema, ReplyFormat, Tool
from tests.samovar_agent.engine.worker.grammar.validator import valid
from tests.samovar_agent.engine.worker.grammar.vocabulary import Vocabulary
from tests.samovar_agent.engine.worker.output.replies import Reply, read

FIND = Tool(
    name="find_flights",
    parameters={
        "type": "object",
        "properties": {
            "to": {"type": "string", "minLength": 1, "maxLength": 12},
            "class": {"type": "string", "enum": ["economy", "first class"]},
            "day": {"type": "string", "format": "date"},
            "stops": {"type": "integer", "minimum": 0, "maximum": 3},
            "price": {"type": ["number", "null"]},
            "direct": {"type": "boolean"},
            "seats": {"type": "array", "items": {"type": "string", "pattern": "^[A-F][0-9]$"}, "maxItems": 2},
            "who": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
                "required": ["name"],
            },
        },
        "required": ["to", "stops"],
    },
)
PING = Tool(name="ping")
TOOLS = [FIND, PING]
SCHEMAS = {"find_flights": FIND.parameters, "ping": {"type": "object", "properties": {}, "additionalProperties": False}}


def check_calls(reply: Reply, text: str, names: set[str] | None = None) -> None:
    assert reply.calls, text
    for name, arguments in reply.calls:
        assert name in (names or SCHEMAS), text
        decoded = json.loads(arguments, parse_float=Decimal)
        assert isinstance(decoded, dict)
        assert valid(decoded, SCHEMAS[name]), (name, arguments, text)


def read_tools(family: Family, text: str, tail: str = "") -> Reply:
    return read(family, [text], tools=tuple(TOOLS), tail=tail)


def thoughts(family: Family, reasoning: Reasoning) -> tuple[str, str]:
    """The end of the prompt, and reasoning as the reply begins with it."""
    frame = reasoning_frame(family)
    tail = "<|start|>assistant" if family is Family.HARMONY else ""
    begin = "" if reasoning == "open" else frame.begin
    tail += frame.begin if reasoning == "open" else ""
    return tail, f"{begin}\nSo: 1 < 2, `</x`.{frame.end}{frame.after}" if reasoning != "none" else ""


@pytest.mark.parametrize("family", list(Family))
def test_calls_are_read_and_valid_with_and_without_reasoning(vocabulary: Vocabulary, family: Family) -> None:
    made = constraint(Wanted(family=family, tools=TOOLS, must_call=True))
    assert not made.triggers
    for seed in range(2):
        text = vocabulary.walk(made.gbnf, seed)
        reply = read_tools(family, text, thoughts(family, "none")[0])
        check_calls(reply, text)
        assert not reply.content.strip(), text
    for reasoning in ("possible", "open"):
        tail, thought = thoughts(family, reasoning)
        behind = constraint(Wanted(family=family, reasoning=reasoning, tools=TOOLS, must_call=True))
        assert vocabulary.accepts(behind.gbnf, f"{thought}\n{text}")
        assert vocabulary.accepts(behind.gbnf, text) == (reasoning == "possible")
        whole = read_tools(family, f"{thought}\n{text}", tail)
        assert whole.calls == reply.calls
        assert whole.reasoning == "So: 1 < 2, `</x`."


@pytest.mark.parametrize("family", list(Family))
def test_one_call_where_only_one_is_wanted(vocabulary: Vocabulary, family: Family) -> None:
    made = constraint(Wanted(family=family, tools=TOOLS, must_call=True, parallel=False))
    assert len(read_tools(family, vocabulary.walk(made.gbnf, 1)).calls) == 1


@pytest.mark.parametrize("family", list(Family))
def test_a_free_answer_is_held_to_the_grammar_from_where_a_call_begins(vocabulary: Vocabulary, family: Family) -> None:
    made = constraint(Wanted(family=family, reasoning="possible", tools=TOOLS))
    triggers = (*made.triggers, *made.start_triggers)
    assert triggers
    text = vocabulary.walk(made.gbnf, 2)
    assert text.startswith(triggers)
    check_calls(read_tools(family, text), text)
    frame = tool_call_frame(family)
    assert (made.reasoning is None) == reasoning_frame(family).ended_by_calls
    assert all("ping" in start or "find_flights" in start for start in made.start_triggers) or not frame.start_triggers


@pytest.mark.parametrize("family", [Family.HERMES, Family.MISTRAL, Family.HARMONY, Family.JSON])
@pytest.mark.parametrize("reasoning", ["none", "possible", "open"])
@pytest.mark.parametrize(
    ("wanted", "check"),
    [
        (AnyJson(), lambda text: isinstance(json.loads(text), dict)),
        (JsonSchema(json_schema={"type": "integer", "minimum": 5, "maximum": 7}), lambda text: text in "5 6 7"),
        (Grammar(gbnf='root ::= word "!"\nword ::= "root" [a-z{}]{3}  # root\n'), lambda text: text[:4] == "root"),
    ],
)
def test_formats_hold_for_the_answer_and_not_for_the_reasoning(
    vocabulary: Vocabulary, family: Family, reasoning: Reasoning, wanted: ReplyFormat, check: Any
) -> None:
    text = vocabulary.walk(constraint(Wanted(family=family, reply_format=wanted)).gbnf, 1)
    answer = reasoning_frame(family).answer
    assert text.startswith(answer)
    assert check(text.removeprefix(answer)), text
    thought = thoughts(family, reasoning)[1]
    made = constraint(Wanted(family=family, reasoning=reasoning, reply_format=wanted))
    assert vocabulary.accepts(made.gbnf, f"{thought}{text}")
    assert not vocabulary.accepts(made.gbnf, f"{thought}no")


def test_with_tools_and_a_format_the_answer_is_one_or_the_other(vocabulary: Vocabulary) -> None:
    schema = JsonSchema(json_schema={"type": "array", "items": {"type": "integer"}})
    made = constraint(Wanted(family=Family.HERMES, tools=[PING], reply_format=schema))
    call = '<tool_call>\n{"name": "ping", "arguments": {}}\n</tool_call>'
    assert vocabulary.accepts(made.gbnf, call)
    assert vocabulary.accepts(made.gbnf, "[1, 2]")
    assert not vocabulary.accepts(made.gbnf, "Hello")
    must = constraint(Wanted(family=Family.HERMES, tools=[PING], must_call=True, reply_format=schema))
    assert not vocabulary.accepts(must.gbnf, "[1, 2]")


def test_reasoning_ends_at_its_first_end(vocabulary: Vocabulary) -> None:
    made = constraint(Wanted(family=Family.HERMES, reasoning="possible", reply_format=Grammar(gbnf='root ::= "yes"')))
    for good in ("yes", "<think>\nso < 3 </thin</think>\n\nyes", "<think></think>yes"):
        assert vocabulary.accepts(made.gbnf, good), good
    for bad in ("<think>yes", "<think></think></think>yes", "so</think>yes", "<think></think>no"):
        assert not vocabulary.accepts(made.gbnf, bad), bad


@pytest.mark.parametrize(
    ("tool", "place"),
    [
        (Tool(name="f", parameters={"properties": {"x": {"not": {}}}}), "#/tools/f/parameters/properties/x"),
        (Tool(name="f", parameters={"type": "string"}), "#/tools/f/parameters"),
        (Tool(name="f", parameters={"$ref": "other.json"}), "#/tools/f/parameters/$ref"),
        (Tool(name="f", parameters={"type": "object", "required": 7}), "#/tools/f/parameters/required"),
    ],
)
def test_a_tool_whose_schema_cannot_be_is_named(tool: Tool, place: str) -> None:
    with pytest.raises(SamovarError) as caught:
        constraint(Wanted(family=Family.HERMES, tools=[PING, tool]))
    assert caught.value.code == FailureCode.BAD_REQUEST
    assert place in caught.value.failure.message


@pytest.mark.parametrize("family", [Family.QWEN_CODER, Family.GLM, Family.GEMMA4])
def test_the_same_where_arguments_are_no_json(family: Family) -> None:
    tool = Tool(name="f", parameters={"properties": {"x": {"type": "string", "pattern": "("}}})
    with pytest.raises(SamovarError) as caught:
        constraint(Wanted(family=family, tools=[tool]))
    assert caught.value.code == FailureCode.BAD_REQUEST
    assert "#/tools/f/parameters/properties/x" in caught.value.failure.message


def test_a_grammar_that_cannot_be_is_refused_with_its_line() -> None:
    with pytest.raises(SamovarError, match="line 2"):
        constraint(Wanted(family=Family.HERMES, reasoning="open", reply_format=Grammar(gbnf='root ::= "a"\n)')))


def test_the_same_wish_is_answered_from_memory_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ConstraintCache()
    wanted = Wanted(family=Family.HERMES, tools=TOOLS)
    first = cache.get(wanted)
    assert first is not None
    assert cache.get(Wanted(family=Family.HERMES, tools=list(TOOLS))) is first
    assert cache.get(Wanted(family=Family.HERMES)) is None
    monkeypatch.setattr("samovar_agent.engine.worker.tool_grammar._MAX_CACHED_CHARACTERS", 1000)
    cache.get(Wanted(family=Family.LLAMA, tools=TOOLS))
    assert cache.get(wanted) is not first
