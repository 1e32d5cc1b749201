"""The model's own chat template, run as what it is: a program from a stranger.

prompt = ChatTemplate(source, bos="<s>", eos="</s>").render(messages).text
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jinja2

from samovar_agent.engine.worker.conversation import (
    CALL_STYLES,
    CallStyle,
    Turn,
    as_declaration,
    as_turn,
    with_calls_as_text,
    with_reasoning_apart,
    with_system_first_only,
    with_tools_described,
    without_system,
)
from samovar_agent.engine.worker.markers import Breaker, Markers
from samovar_agent.engine.worker.output import Family, detect, tool_call_frame
from samovar_agent.engine.worker.output.reasoning import reasoning_frame
from samovar_agent.engine.worker.sandbox import Environment, TemplateError, raise_exception, to_json
from samovar_agent.engine.worker.time_limit import call_within
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Message, Tool, ToolCall

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant{{ '\n' }}"
)
"""For models without a template: the most common one."""
CHATML_STOP = "<|im_end|>"

MAX_SECONDS = 2.0
"""A template takes a millisecond; one that loops for ever is ended after this."""
MAX_PROMPT_CHARACTERS = 64 * 1024 * 1024
_OWN = frozenset({"messages", "tools", "add_generation_prompt"})
_NEEDLE, _OTHER = "needle7266", "stack7266"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt.

    - parts: the same text in pieces, each to be tokenised on its own; see `markers`. - begun: what of a reply stands at
    its end.
    """

    text: str
    parts: tuple[str, ...]
    begun: str = ""


class ChatTemplate:
    """A compiled template.

    - source: the model's own; None takes ChatML. - bos, eos: the texts of these tokens. - markers: the texts of the
    model's special tokens, which messages must not be able to write. - seams: those before which a prompt may be cut.
    - stop: texts that end a reply because the model may not know the template's own end marker. - detected: the family
    that the template is of.
    Raises `model_unsupported` where the source is not a template.
    """

    def __init__(
        self,
        source: str | None,
        *,
        bos: str = "",
        eos: str = "",
        markers: Markers | None = None,
        seams: Markers | None = None,
    ) -> None:
        self.stop: tuple[str, ...] = () if source else (CHATML_STOP,)
        self._source = source or CHATML
        self._markers, self._seams = markers or Markers(), seams
        self.detected = detect(source)
        self._environment = environment = Environment()
        environment.filters["tojson"] = to_json
        environment.globals.update(
            bos_token=bos, eos_token=eos, raise_exception=raise_exception, strftime_now=_strftime_now
        )
        self._reserved = _OWN | set(environment.globals)
        try:
            self._template = environment.from_string(self._source)
        except (jinja2.TemplateError, RecursionError, SyntaxError) as error:
            raise _failure(f"The model's chat template is not valid: {error}.") from error

    def render(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        thinking: bool | None = None,
        arguments: Mapping[str, Any] | None = None,
        continue_final_message: bool = False,
    ) -> Rendered:
        """The prompt that a reply to `messages` goes on from.

        - tools: what may be called. - thinking: whether to reason first, where the template has that switch; None for
        its default. - arguments: further variables of the template. - continue_final_message: the last one is what
        there is of the reply already.
        Raises `bad_request` where the template refuses the messages or an argument has a reserved name, and
        `model_unsupported` where the template fails.
        """
        breaker = Breaker(self._markers, self._seams)
        begun = ""
        if continue_final_message:
            *messages, final = messages
            begun, thinking = _begun(final), False
        try:
            variables = breaker.value(self._switches(thinking, arguments or {}))
            conversation = self._adapted(messages, tools)
            style = (self._call_style if any(one.tool_calls for one in conversation) else None) or CALL_STYLES[0]
            variables["messages"] = [self._typed(breaker.value(as_turn(one, style))) for one in conversation]
            offered = tools if tools and self.supports_tools else ()
            variables["tools"] = [breaker.value(as_declaration(tool)) for tool in offered] or None
            text = self._run(variables)
            if begun:
                text += self._answer_opening(text) + breaker.text(begun)
        except SamovarError:
            raise
        except TemplateError as error:
            raise SamovarError(
                FailureCode.BAD_REQUEST,
                f"The model's chat template refuses these messages: {error}.",
                hint="Change the order or the roles of the messages.",
            ) from error
        except Exception as error:  # whatever a stranger's program can raise
            raise _failure(f"The model's chat template failed: {error}.") from error
        parts = breaker.parts(text)
        return Rendered("".join(parts), tuple(parts), begun)

    @property
    def thinks(self) -> bool:
        """Whether replies may begin with reasoning, told apart by markers."""
        frame = reasoning_frame(self.detected)
        return self.detected is Family.HARMONY or frame.begin in self._source or frame.end in self._source

    @cached_property
    def family(self) -> Family:
        """The form of the model's replies: of its calls, that it was taught or is told in the prompt."""
        taught = self.detected in (Family.GEMMA, Family.LLAMA) or self.supports_tools
        return self.detected if taught else Family.JSON

    @cached_property
    def supports_tools(self) -> bool:
        """Whether the template itself tells the model what it may call."""
        tool = as_declaration(Tool(name=_NEEDLE, description="Finds.", parameters={"type": "object", "properties": {}}))
        return _NEEDLE in self._try([{"role": "user", "content": "Go."}], tools=[tool])

    @cached_property
    def _takes_lists(self) -> bool:
        """Whether the content of a message must be a list of parts."""
        if _NEEDLE in self._try([{"role": "user", "content": _NEEDLE}]):
            return False
        return _NEEDLE in self._try([{"role": "user", "content": [{"type": "text", "text": _NEEDLE}]}])

    @cached_property
    def _supports_system(self) -> bool:
        system = self._typed({"role": "system", "content": _NEEDLE})
        user = self._typed({"role": "user", "content": _OTHER})
        return _NEEDLE in self._try([system, user]) or _OTHER not in self._try([user])

    @cached_property
    def _supports_later_system(self) -> bool:
        turns = [("user", "Go."), ("assistant", "Gone."), ("user", _OTHER), ("system", _NEEDLE)]
        text = self._try([self._typed({"role": role, "content": content}) for role, content in turns])
        return _NEEDLE in text and _OTHER in text

    @cached_property
    def _call_style(self) -> CallStyle | None:
        """How earlier calls must be given; None where the template does not show them."""
        call = Message(
            role="assistant",
            content="",
            tool_calls=[ToolCall(id="abcdefghi", name=_NEEDLE, arguments=f'{{"in": "{_OTHER}"}}')],
        )
        result = Message(role="tool", content="Found.", tool_call_id="abcdefghi", name=_NEEDLE)
        for style in CALL_STYLES:
            turns = [self._typed(as_turn(one, style)) for one in (Message(role="user", content="Go."), call, result)]
            text = self._try(turns)
            if _NEEDLE in text and _OTHER in text:
                return style
        return None

    def _try(self, turns: Sequence[Turn], *, tools: Sequence[Any] | None = None) -> str:
        """What comes of it, or nothing where the template refuses or fails."""
        try:
            return self._run({"messages": list(turns), "tools": tools, "documents": None})
        except TimeoutError:
            raise
        except Exception:  # whatever a stranger's program can raise
            return ""

    def _answer_opening(self, prompt: str) -> str:
        """What stands between a prompt's end and an answer without reasoning."""
        if not self.thinks:
            return ""
        frame = reasoning_frame(self.detected)
        return f"{frame.end}\n\n" if prompt.rstrip().endswith(frame.begin) else frame.answer

    def _adapted(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Sequence[Message]:
        """The messages, less what the template cannot show."""
        frame = tool_call_frame(self.family) if tools or any(one.tool_calls for one in messages) else None
        if self.thinks and self.detected is not Family.HARMONY:
            think = reasoning_frame(self.detected)
            messages = with_reasoning_apart(messages, (think.begin, think.end))
        if frame and any(one.tool_calls for one in messages) and self._call_style is None:
            messages = with_calls_as_text(messages, frame)
        if frame and tools and not self.supports_tools:
            messages = with_tools_described(messages, tools, frame)
        if any(one.role == "system" for one in messages) and not self._supports_system:
            return without_system(messages)
        if any(one.role == "system" for one in messages[1:]) and not self._supports_later_system:
            return with_system_first_only(messages)
        return messages

    def _typed(self, turn: Turn) -> Turn:
        if self._takes_lists and isinstance(turn["content"], str):
            return {**turn, "content": [{"type": "text", "text": turn["content"]}]}
        return turn

    def _switches(self, thinking: bool | None, arguments: Mapping[str, Any]) -> dict[str, Any]:
        for name in arguments:
            if name in self._reserved or not name.isidentifier():
                raise SamovarError(
                    FailureCode.BAD_REQUEST,
                    f"The template argument '{name[:100]}' cannot be set.",
                    hint="Choose a variable that the model's chat template knows.",
                )
        variables = {"documents": None, **arguments}
        if thinking is not None:
            variables |= {"enable_thinking": thinking, "thinking": thinking}  # families call it one or the other
        return variables

    def _run(self, variables: Mapping[str, Any]) -> str:
        def write() -> str:
            parts: list[str] = []
            length = 0
            for part in self._template.generate(variables, add_generation_prompt=True):
                parts.append(part)
                length += len(part)
                if length > MAX_PROMPT_CHARACTERS:
                    raise OverflowError("the prompt is too long")
            return "".join(parts)

        return call_within(MAX_SECONDS, write)


def _begun(final: Message) -> str:
    if final.role != "assistant" or final.tool_calls:
        raise SamovarError(
            FailureCode.BAD_REQUEST,
            "A reply goes on from a last message that is the assistant's and calls nothing.",
            hint="End the conversation with what there is of the reply.",
        )
    return final.content


def _failure(message: str) -> SamovarError:
    return SamovarError(FailureCode.MODEL_UNSUPPORTED, message, hint="Get another version of this model.")


def _strftime_now(format_: str) -> str:
    return datetime.datetime.now().strftime(format_)
