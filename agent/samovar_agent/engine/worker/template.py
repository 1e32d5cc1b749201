"""The model's own chat template, run as what it is: a program from a stranger.

prompt = ChatTemplate(source, bos="<s>", eos="</s>").render(messages)
"""

from __future__ import annotations

import datetime
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import jinja2
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Message

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant{{ '\n' }}"
)
"""For models without a template: the most common one."""
CHATML_STOP = "<|im_end|>"

MAX_SECONDS = 2.0
"""A template takes a millisecond; one that loops for ever is ended after this."""
MAX_PROMPT_CHARACTERS = 64 * 1024 * 1024
_MAX_PRODUCT = 10_000_000
_FILE = "<chat template>"
_TIMED = (_FILE, str(Path(jinja2.__file__).parent))
"""Files whose code is timed: some of Jinja's own functions loop as often as a template says. Not everything, since a
finalizer that happens to run meanwhile would swallow the exception that is to end the template."""


class _TemplateError(Exception):
    """The template itself refuses the conversation."""


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox; also guards the two operators that can eat all memory in one step."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" and isinstance(left, int) and isinstance(right, int) and abs(right) > 64:
            raise OverflowError("the number is too large")
        for one, other in ((left, right), (right, left)):
            if (
                operator == "*"
                and isinstance(one, int)
                and hasattr(other, "__len__")
                and one * len(other) > _MAX_PRODUCT
            ):
                raise OverflowError("the text is too long")
        return super().call_binop(context, operator, left, right)

    def unsafe_undefined(self, obj: Any, attribute: str) -> NoReturn:
        raise SecurityError(f"'{attribute}' is not allowed here")  # Jinja's own would render as an empty text


class ChatTemplate:
    """A compiled template.

    - source: the model's own; None takes ChatML. - bos, eos: the texts of these tokens. - stop: texts that end a reply
    because the model may not know the template's own end marker.
    Raises `model_unsupported` where the source is not a template.
    """

    def __init__(self, source: str | None, *, bos: str = "", eos: str = "") -> None:
        self.stop: tuple[str, ...] = () if source else (CHATML_STOP,)
        environment = _Environment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
        environment.filters["tojson"] = _to_json
        environment.globals.update(
            bos_token=bos, eos_token=eos, raise_exception=_raise_exception, strftime_now=_strftime_now
        )
        try:
            code = environment.compile(source or CHATML, filename=_FILE)
        except (jinja2.TemplateError, RecursionError, SyntaxError) as error:
            raise _failure(f"The model's chat template is not valid: {error}.") from error
        self._template = jinja2.Template.from_code(environment, code, environment.globals)

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt; raises `bad_request` where the template refuses it, `model_unsupported` where it fails."""
        conversation = [{"role": message.role, "content": message.content} for message in messages]
        deadline = time.monotonic() + MAX_SECONDS
        parts: list[str] = []
        length = 0

        def watch(frame: FrameType, event: str, argument: Any) -> Any:
            if time.monotonic() > deadline:
                raise TimeoutError(f"it took over {MAX_SECONDS:g} seconds")
            return watch

        def enter(frame: FrameType, event: str, argument: Any) -> Any:
            return watch(frame, event, argument) if frame.f_code.co_filename.startswith(_TIMED) else None

        # A loop can only be interrupted from inside, and tracing is the one way in that needs neither a second
        # process nor signals; 100 messages take 3 ms with it.
        before = sys.gettrace()
        try:
            sys.settrace(enter)
            try:
                for part in self._template.generate(messages=conversation, add_generation_prompt=True):
                    parts.append(part)
                    length += len(part)
                    if length > MAX_PROMPT_CHARACTERS:
                        raise OverflowError("the prompt is too long")
            finally:
                sys.settrace(before)
        except _TemplateError as error:
            raise SamovarError(
                FailureCode.BAD_REQUEST,
                f"The model's chat template refuses these messages: {error}.",
                hint="Change the order or the roles of the messages.",
            ) from error
        except Exception as error:  # whatever a stranger's program can raise
            raise _failure(f"The model's chat template failed: {error}.") from error
        return "".join(parts)


def _failure(message: str) -> SamovarError:
    return SamovarError(FailureCode.MODEL_UNSUPPORTED, message, hint="Get another version of this model.")


def _raise_exception(message: str) -> NoReturn:
    raise _TemplateError(str(message).rstrip("."))


def _strftime_now(format_: str) -> str:
    return datetime.datetime.now().strftime(format_)


def _to_json(value: Any, ensure_ascii: bool = False, **options: Any) -> str:
    """Jinja's own filter escapes for HTML, which would change the prompt."""
    return json.dumps(value, ensure_ascii=ensure_ascii, **options)
