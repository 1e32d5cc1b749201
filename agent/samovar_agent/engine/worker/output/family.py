"""Which form of output a model was taught, told by its chat template."""

from __future__ import annotations

from enum import StrEnum


class Family(StrEnum):
    """A form of output. Where two share a parser, they differ in what a grammar must ask for."""

    HERMES = "hermes"
    QWEN_CODER = "qwen-coder"
    LLAMA = "llama"
    MISTRAL = "mistral"
    MISTRAL_ARGS = "mistral-args"
    GEMMA = "gemma"
    GEMMA4 = "gemma4"
    FUNCTION_GEMMA = "function-gemma"
    DEEPSEEK = "deepseek"
    DEEPSEEK_V31 = "deepseek-v3.1"
    GLM = "glm"
    HARMONY = "harmony"
    JSON = "json"


_MARKS: tuple[tuple[Family, tuple[str, ...]], ...] = (
    (Family.HARMONY, ("<|channel|>", "<|message|>")),
    (Family.GEMMA4, ("<|tool_call>",)),
    (Family.FUNCTION_GEMMA, ("<start_function_call>",)),
    (Family.GLM, ("<tool_call>", "<arg_key>")),
    (Family.QWEN_CODER, ("<tool_call>", "<function=")),
    (Family.DEEPSEEK, ("<｜tool▁call▁begin｜>", "```json")),
    (Family.DEEPSEEK_V31, ("<｜tool▁call▁begin｜>",)),
    (Family.MISTRAL_ARGS, ("[TOOL_CALLS]", "[ARGS]")),
    (Family.MISTRAL, ("[TOOL_CALLS]",)),
    (Family.HERMES, ("<tool_call>",)),
    (Family.LLAMA, ("<|start_header_id|>",)),
    (Family.LLAMA, ("<|python_tag|>",)),
    (Family.GEMMA, ("<start_of_turn>",)),
    (Family.DEEPSEEK, ("<｜Assistant｜>",)),
    (Family.MISTRAL, ("[INST]",)),
)
"""The first whose marks are all there; the narrower come before the wider."""


def detect(template_source: str | None) -> Family:
    """The family of a model with this chat template; `Family.JSON` for unknown ones."""
    source = template_source or ""
    return next((family for family, marks in _MARKS if all(mark in source for mark in marks)), Family.JSON)
