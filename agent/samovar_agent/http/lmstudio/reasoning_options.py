"""Which settings of reasoning a model has, told from its chat template, which is only read here and not run.

reasoning_options("{%- if enable_thinking is defined and enable_thinking is false %}<think></think>{% endif %}")
# ReasoningOptions(allowed_options=["off", "on"], default="on")
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

import msgspec

from samovar_agent.models.gguf import GgufHeader
from samovar_protocol.values import ModelInfo

Reasoning = Literal["off", "low", "medium", "high", "on"]

_CODE = re.compile(r"\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
_TEXT = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"", re.DOTALL)
_NAME = r"(?<![\w.])(?:enable_)?thinking(?!\w)"  # families call it one or the other
_SWITCH = re.compile(_NAME)
_SET = re.compile(rf"\bset\s+{_NAME}\s*=\s*(true|false)\b", re.IGNORECASE)
_DEFAULT = re.compile(rf"{_NAME}\s*\|\s*default\(\s*(true|false)\b", re.IGNORECASE)
_UNLESS_OFF = re.compile(
    rf"{_NAME}\s*(?:==|is)\s*(?:sameas\s*\(?\s*)?false\b"
    rf"|{_NAME}\s+is\s+defined\s+and\s+not\s+{_NAME}"
    rf"|{_NAME}\s+is\s+not\s+defined\s+or\s+{_NAME}",
    re.IGNORECASE,
)
_EFFORT = re.compile(r"(?<![\w.])reasoning_effort(?!\w)")
_EFFORT_DEFAULT = re.compile(
    r"(?:\bset\s+reasoning_effort\s*=\s*|\breasoning_effort\s*\|\s*default\(\s*)['\"](low|medium|high)['\"]"
)
_DEGREES: dict[str, Reasoning] = {"low": "low", "medium": "medium", "high": "high"}


class ReasoningOptions(msgspec.Struct, frozen=True, kw_only=True):
    """- default: what the template does where nobody says anything; None where it does not show that."""

    allowed_options: list[Reasoning]
    default: Reasoning | None


def options_of(model: ModelInfo, header: GgufHeader | None) -> ReasoningOptions | None:
    """The settings of a model; None where it does not reason, or nothing is known of how."""
    if "thinking" not in model.capabilities or header is None or header.chat_template is None:
        return None
    return reasoning_options(header.chat_template)


@lru_cache(maxsize=256)
def reasoning_options(template: str) -> ReasoningOptions | None:
    """The settings that a reasoning model's template knows; None where there are none that are known here."""
    code = " ".join(_CODE.findall(template))
    if _EFFORT.search(code):
        told = _EFFORT_DEFAULT.search(code)
        return ReasoningOptions(allowed_options=["low", "medium", "high"], default=_DEGREES[told[1]] if told else None)
    code = _TEXT.sub("''", code)
    if _SWITCH.search(code):
        return ReasoningOptions(allowed_options=["off", "on"], default="on" if _on_by_default(code) else "off")
    if "<think>" in template[template.rfind("add_generation_prompt") :]:
        return ReasoningOptions(allowed_options=["on"], default="on")
    return None


def _on_by_default(code: str) -> bool:
    """What the switch is where nobody sets it. A variable that there is not counts as false in a template."""
    if told := _SET.search(code) or _DEFAULT.search(code):
        return told[1].lower() == "true"
    return _UNLESS_OFF.search(code) is not None
