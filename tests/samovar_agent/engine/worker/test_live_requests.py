"""What people send, well or badly, to a worker's loop with a real model: everything ends, and nobody else notices."""

import json
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from samovar_agent.engine.interface import Finished, Generation
from samovar_agent.engine.reply import ReplyBuilder
from samovar_agent.engine.wire import Answer, Failed, Generate, Piece
from samovar_agent.engine.worker.model import Model
from samovar_agent.engine.worker.output import Family
from samovar_agent.engine.worker.template import ChatTemplate
from samovar_agent.engine.worker.tokens import markers_of, seams_of, special_tokens
from samovar_protocol import FailureCode
from samovar_protocol.values import (
    AnyDelta,
    ChatOptions,
    Choice,
    Grammar,
    JsonSchema,
    Message,
    NamedTool,
    Sampling,
    Stats,
    Tool,
)
from tests.samovar_agent.engine.worker import live_loop
from tests.samovar_agent.engine.worker.grammar.validator import valid
from tests.samovar_agent.engine.worker.live_loop import EAGER, LiveLoop
from tests.samovar_agent.engine.worker.output.test_family import TEMPLATES
from tests.tiny_models.build import Kind

pytestmark = pytest.mark.model

TinyModel = Callable[[Kind], Path]
WILD: dict[str, Any] = {"temperature": 1.5, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
STORY = "Tell me a story about a river."
LINES: dict[str, Any] = {
    "$ref": "#/$defs/line",
    "$defs": {"line": {"type": "array", "items": {"$ref": "#/$defs/line"}}},
}


class Talking(LiveLoop):
    """Keeps what it says, and takes conversations too."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.deltas: dict[int, list[AnyDelta]] = {}
        super().__init__(path, **options)

    def chat(
        self,
        text: str,
        *,
        options: ChatOptions = ChatOptions(),  # noqa: B008
        **sampling: Any,
    ) -> int:
        """A request of one message; greedy unless `sampling` says otherwise."""
        self._next += 1
        chosen = Sampling(**{"temperature": 0, "max_tokens": 30, **sampling})
        messages = [Message(role="user", content=text)]
        self.inbox.put(Generate(self._next, Generation(messages=messages, sampling=chosen, options=options)))
        return self._next

    def reply(self, id_: int) -> Choice:
        """The whole first choice."""
        finished = self.finished(id_)
        builder = ReplyBuilder(1)
        for delta in self.deltas.get(id_, ()):
            if delta.choice == 0:
                builder.add(delta)
        first = Finished(finish_reasons=finished.finish_reasons[:1], stats=Stats())
        reply = builder.build("m", first, 0.0)
        return Choice(
            text=reply.text,
            finish_reason=reply.finish_reason,
            reasoning=reply.reasoning,
            tool_calls=reply.tool_calls,
            logprobs=reply.logprobs,
        )

    def refusal(self, id_: int) -> Failed:
        ended = self.ended(id_)
        assert isinstance(ended, Failed), ended
        return ended

    def _take(self, answer: Answer) -> None:
        if isinstance(answer, Piece):
            self.deltas.setdefault(answer.id, []).append(answer.delta)
        super()._take(answer)


@pytest.fixture(scope="module")
def loop(small_model: Path) -> Generator[Talking]:
    with Talking(small_model, curve=EAGER) as loop:
        yield loop


def data_of(reply: Choice) -> bytes:
    return b"".join(one.data for one in reply.logprobs)


@pytest.mark.parametrize("seed", range(3))
def test_grammar_and_stop_and_logprobs_together(loop: Talking, seed: int) -> None:
    """Words of letters up to the first "e": the same as without the stop text, and so are the probabilities."""
    options = ChatOptions(
        reply_format=Grammar(gbnf='root ::= ([a-z]{3,6} " ")+'), logprobs=True, top_logprobs=3, speculation=False
    )
    whole = loop.reply(loop.chat("Count.", options=options, seed=seed, **WILD))
    cut = loop.reply(loop.chat("Count.", options=options, seed=seed, stop=["e", "zzzz"], **WILD))
    expected, stopped, _ = whole.text.partition("e")
    assert stopped, "or nothing is tested"
    assert set(whole.text) <= set("abcdefghijklmnopqrstuvwxyz ")
    assert (cut.text, cut.finish_reason) == (expected, "stop")
    assert cut.logprobs == whole.logprobs[: len(cut.logprobs)]
    assert all(len(one.top) == 3 for one in cut.logprobs)
    assert data_of(cut).startswith(expected.encode())
    assert b"e" not in b"".join(one.data for one in cut.logprobs[:-1])


@pytest.mark.parametrize(
    "stop", [[" "], ["\n\n", "ver"], ["river ", "rive"], ["."], [f"{'x' * 999}{n}" for n in range(9)]]
)
def test_stop_texts_cut_the_very_reply_that_comes_without_them(loop: Talking, stop: list[str]) -> None:
    whole = loop.reply(loop.chat(STORY)).text
    ends = [(whole.find(one) + len(one), whole.find(one)) for one in stop if one in whole]
    id_ = loop.chat(STORY, stop=stop)
    reply = loop.reply(id_)
    assert reply.text == (whole[: min(ends)[1]] if ends else whole)
    assert reply.finish_reason == ("stop" if ends else "length")


def test_stop_tokens_end_a_reply_and_do_not_show(loop: Talking) -> None:
    whole = loop.reply(loop.chat(STORY, options=ChatOptions(logprobs=True)))
    token = whole.logprobs[7]
    (id_,) = loop.model.tokenize(token.text, special=False)
    first = next(index for index, one in enumerate(whole.logprobs) if one.data == token.data)
    cut = loop.reply(loop.chat(STORY, stop_tokens=[id_]))
    assert cut.text.encode() == b"".join(one.data for one in whole.logprobs[:first])
    assert cut.finish_reason == "stop"


def test_characters_of_several_tokens_come_whole_with_all_their_logprobs(loop: Talking) -> None:
    text = "a😀é🫖👩‍👧 日本z"
    options = ChatOptions(reply_format=Grammar(gbnf=f'root ::= "{text}"'), logprobs=True)
    id_ = loop.chat("Say it.", options=options)
    reply = loop.reply(id_)
    assert (reply.text, data_of(reply).decode(), reply.finish_reason) == (text, text, "stop")
    assert len(reply.logprobs) > len(text), "or no character was split"
    assert not any("\ufffd" in delta.text for delta in loop.deltas[id_] if hasattr(delta, "text"))


@pytest.mark.parametrize("options", [ChatOptions(), ChatOptions(tools=[Tool(name="ping")])])
def test_bytes_that_are_no_text_become_replacement_characters(loop: Talking, options: ChatOptions) -> None:
    pieces = {loop.model.piece(token): token for token in range(loop.model.vocabulary_size)}
    reply = loop.reply(loop.chat("x", options=options, logit_bias={pieces[b"\xe9"]: 100.0}, max_tokens=5))
    assert (reply.text, reply.finish_reason) == ("\ufffd" * 5, "length")


def test_the_same_seed_writes_the_same_with_everything_on(loop: Talking) -> None:
    options = ChatOptions(n=3, reply_format=Grammar(gbnf='root ::= [a-zA-Z .,]+ "!"'))
    sampling: dict[str, Any] = {
        **WILD,
        "temperature": 0.9,
        "min_p": 0.02,
        "typical_p": 0.95,
        "top_p": 0.95,
        "top_k": 50,
    }
    sampling |= {"repeat_penalty": 1.1, "presence_penalty": 0.2, "frequency_penalty": 0.2, "dry_multiplier": 0.8}
    texts = []
    for seed in (11, 11, 12):
        id_ = loop.chat(STORY, options=options, seed=seed, **sampling)
        loop.finished(id_)
        texts.append([loop.text(id_, choice) for choice in range(3)])
        loop.finished(loop.chat(f"Something else, {len(texts)}."))
    assert texts[0] == texts[1] != texts[2]
    assert len(set(texts[0])) == 3, "each choice draws for itself"


@pytest.mark.parametrize(
    ("prompt", "code"),
    [("", FailureCode.BAD_REQUEST), ([], FailureCode.BAD_REQUEST), ([49_152], FailureCode.BAD_REQUEST)],
)
def test_a_prompt_of_nothing_or_of_unknown_tokens_is_refused(loop: Talking, prompt: str | list[int], code: str) -> None:
    assert loop.refusal(loop.submit(prompt)).failure.code == code


@pytest.mark.parametrize("prompt", [" ", "\0", "\n", [0]])
def test_the_smallest_prompts_are_gone_on_from(loop: Talking, prompt: str | list[int]) -> None:
    stats = loop.finished(loop.submit(prompt, max_tokens=3, ignore_eos=True)).stats
    assert (stats.prompt_tokens, stats.completion_tokens) == (1, 3)


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


CALL = Tool(name="f", parameters=nested(400))


@pytest.mark.parametrize(
    ("options", "sampling"),
    [
        (ChatOptions(template_arguments={"x": nested(900)}), {}),
        (ChatOptions(template_arguments={"messages": []}), {}),
        (ChatOptions(tools=[CALL], tool_choice="required"), {}),
        (ChatOptions(tool_choice=NamedTool(name="nobody")), {}),
        (ChatOptions(reply_format=JsonSchema(json_schema={"enum": []})), {}),
        (ChatOptions(reply_format=JsonSchema(json_schema={"type": "integer", "minimum": 5, "maximum": 3})), {}),
        (ChatOptions(reply_format=JsonSchema(json_schema={"allOf": [{"type": "null"}, {"type": "string"}]})), {}),
        (ChatOptions(reply_format=JsonSchema(json_schema={"required": ["a"], "properties": {"a": {"$ref": "#"}}})), {}),
        (ChatOptions(reply_format=JsonSchema(json_schema={"enum": [f"{n}" * 9 for n in range(50_000)]})), {}),
        (ChatOptions(reply_format=JsonSchema(json_schema=nested(900))), {}),
        (ChatOptions(reply_format=Grammar(gbnf='root ::= root "a" | "b"')), {}),
        (ChatOptions(reply_format=Grammar(gbnf='root ::= ("a"*)*')), {}),
        (ChatOptions(reply_format=Grammar(gbnf='root ::= "a"{0,99999999}')), {}),
        (ChatOptions(reply_format=Grammar(gbnf="root ::= " + "(" * 5000 + '"a"' + ")" * 5000)), {}),
        (ChatOptions(), {"logit_bias": {49_152: 1.0}}),
        (ChatOptions(), {"logit_bias": {-1: 1.0}}),
        (ChatOptions(), {"stop_tokens": [-1]}),
        (ChatOptions(n=16), {"stop_tokens": [10**9]}),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_cannot_be_is_refused_at_once_beside_a_reply_that_goes_on(
    loop: Talking, options: ChatOptions, sampling: dict[str, Any]
) -> None:
    beside = loop.submit("One, two, three,", max_tokens=12, ignore_eos=True)
    refused = loop.refusal(loop.chat(STORY, options=options, **sampling))
    assert refused.failure.code == FailureCode.BAD_REQUEST, refused
    assert refused.failure.hint
    assert len(refused.failure.message) < 500
    assert loop.finished(beside).stats.completion_tokens == 12


@pytest.mark.parametrize(
    ("schema", "sampling"),
    [
        (LINES, {"logit_bias": {}}),
        ({"type": "object", "properties": {f"p{n}": {"type": "integer"} for n in range(1500)}}, {}),
        ({"enum": [f"value {n}" for n in range(5000)]}, {}),
        ({"anyOf": [{"type": "object", "properties": {"k": {"const": n}}, "required": ["k"]} for n in range(300)]}, {}),
    ],
    ids=["recursive", "many properties", "many values", "many alternatives"],
)
def test_schemas_that_recurse_or_are_huge(loop: Talking, schema: dict[str, Any], sampling: dict[str, Any]) -> None:
    options = ChatOptions(reply_format=JsonSchema(json_schema=schema))
    ends = {"stop": ["]]"]} if schema is LINES else {}
    reply = loop.reply(loop.chat("Answer.", options=options, seed=3, max_tokens=60, **WILD | ends | sampling))
    if reply.finish_reason == "stop" and not ends:
        assert valid(json.loads(reply.text), schema)
    else:
        assert reply.text.lstrip().startswith(("[", "{"))


PLACE = Tool(
    name="find_place",
    description="Finds a place.",
    parameters={
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 12},
            "kind": {"enum": ["town", "river"]},
            "near": {"type": "integer", "minimum": 0, "maximum": 99},
        },
        "required": ["name", "kind", "near"],
    },
)
CLOCK = Tool(name="clock")
PLAIN = (
    "{% for tool in tools or () %}{{ tool.function.name }} {% endfor %}{% for m in messages %}<|im_start|>"
    "{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)


@pytest.fixture(scope="module", params=list(Family), ids=lambda family: family.value)
def of_family(request: pytest.FixtureRequest, small_model: Path) -> Generator[Talking]:
    """The small model, made to believe that it is of a family that it is not."""
    family: Family = request.param

    def template(model: Model) -> ChatTemplate:
        specials, source = (
            special_tokens(model),
            f"{{% if false %}}{{% raw %}}{TEMPLATES[family]}{{% endraw %}}{{% endif %}}{PLAIN}",
        )
        return ChatTemplate(source, markers=markers_of(specials, source), seams=seams_of(specials))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live_loop, "chat_template", template)
        with Talking(small_model) as loop:
            yield loop


def calls_of(reply: Choice) -> list[tuple[str, dict[str, Any]]]:
    return [(call.name, json.loads(call.arguments)) for call in reply.tool_calls]


def called(loop: Talking, options: ChatOptions) -> tuple[str, dict[str, Any]]:
    """The one call of a reply that thinks no longer than it may."""
    for seed in range(6):
        id_ = loop.chat("Where is Oslo?", options=options, seed=seed, max_tokens=250, **WILD | {"temperature": 1.0})
        reply = loop.reply(id_)
        if reply.finish_reason == "tool_calls":
            [call] = calls_of(reply)
            return call
        assert reply.reasoning, reply
        assert not reply.text and not reply.tool_calls
    raise AssertionError("it only thinks")


def test_calls_that_must_be_made_are_valid_whatever_is_drawn(of_family: Talking) -> None:
    options = ChatOptions(
        tools=[CLOCK, PLACE], tool_choice=NamedTool(name="find_place"), parallel_tool_calls=False, speculation=False
    )
    name, arguments = called(of_family, options)
    assert name == "find_place"
    assert valid(arguments, PLACE.parameters), arguments
    name, arguments = called(of_family, msgspec.structs.replace(options, tool_choice="required"))
    assert valid(arguments, {"clock": {"type": "object", "maxProperties": 0}, "find_place": PLACE.parameters}[name])


def test_no_call_is_made_where_none_may_be(of_family: Talking) -> None:
    options = ChatOptions(tools=[CLOCK, PLACE], tool_choice="none")
    assert not of_family.reply(of_family.chat("Where is Oslo?", options=options, max_tokens=20)).tool_calls


def test_a_call_that_is_cut_off_is_never_half_a_call(of_family: Talking) -> None:
    options = ChatOptions(tools=[PLACE], tool_choice="required")
    for most in (1, 12, 27):
        reply = of_family.reply(of_family.chat("Where is Oslo?", options=options, max_tokens=most))
        assert reply.finish_reason in ("length", "tool_calls")
        assert all(valid(arguments, PLACE.parameters) for _, arguments in calls_of(reply))


def test_a_context_of_one_token(tiny_model: TinyModel) -> None:
    with Talking(tiny_model("llama"), context_length=1) as loop:
        ended = loop.finished(loop.submit([300], ignore_eos=True))
        assert (ended.finish_reasons, ended.stats.completion_tokens) == (["length"], 1)
        over = loop.refusal(loop.submit([300, 301]))
        assert over.failure.code == FailureCode.CONTEXT_OVERFLOW
        assert over.failure.details["prompt_tokens"] == 2 and over.failure.details["context_length"] == 1
        assert loop.finished(loop.submit([301], max_tokens=1)).stats.completion_tokens == 1


@pytest.mark.parametrize("kind", ["llama", "gemma3", "mamba"])
def test_a_memory_that_gets_full_in_the_middle_ends_nobody_early(tiny_model: TinyModel, kind: Kind) -> None:
    """Each fits alone, both together do not."""
    with Talking(tiny_model(kind), context_length=512) as loop:
        ids = [loop.submit([300 + n] * 40, max_tokens=400, ignore_eos=True, client=str(n)) for n in range(3)]
        for id_ in ids:
            ended = loop.finished(id_)
            assert (ended.finish_reasons, ended.stats.completion_tokens) == (["length"], 400)
        alone = loop.submit([300] * 40, ignore_eos=True)
        assert loop.finished(alone).stats.completion_tokens == 512 - 40 + 1, "up to the end of the context"


def test_a_template_that_loops_for_ever_stops_nobody_who_writes(
    small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    monkeypatch.setattr(live_loop, "chat_template", lambda model: ChatTemplate(loops))
    with Talking(small_model) as loop:
        beside = loop.submit("One, two, three,", max_tokens=100, ignore_eos=True)
        loop.started(beside)
        begun = time.monotonic()
        looping = loop.chat("Hello")
        refused = loop.refusal(looping)
        assert time.monotonic() - begun < 20
        assert refused.failure.code == FailureCode.MODEL_UNSUPPORTED
        assert "seconds" in refused.failure.message
        assert loop.finished(beside).stats.completion_tokens == 100
        assert loop.finished(loop.submit("Four", max_tokens=2)).stats.completion_tokens == 2


def test_many_choices_and_all_alternatives(loop: Talking) -> None:
    options = ChatOptions(n=16, logprobs=True, top_logprobs=20, reply_format=Grammar(gbnf='root ::= "{" [a-z]{800}'))
    id_ = loop.chat("Answer.", options=options, max_tokens=4, **WILD)
    assert loop.finished(id_).finish_reasons == ["length"] * 16
    assert {delta.choice for delta in loop.deltas[id_]} == set(range(16))
    assert all(loop.text(id_, choice).startswith("{") for choice in range(16))
    assert all(len(one.top) == 20 for one in loop.reply(id_).logprobs)
