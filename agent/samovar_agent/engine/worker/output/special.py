"""Markers that a family's parser must see, though the vocabulary may hold them as special tokens without a text."""

from __future__ import annotations

from samovar_agent.engine.worker.output.family import Family

_THINK = frozenset({"<think>", "</think>"})
_HERMES = _THINK | {"<tool_call>", "</tool_call>"}
_MISTRAL = frozenset({"[THINK]", "[/THINK]", "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"})
_DEEPSEEK = _THINK | {
    "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁sep｜>",
}  # fmt: skip
_MARKERS = {
    Family.HERMES: _HERMES,
    Family.QWEN_CODER: _HERMES,
    Family.LLAMA: _HERMES | {"<|python_tag|>"},
    Family.MISTRAL: _MISTRAL,
    Family.MISTRAL_ARGS: _MISTRAL,
    Family.GEMMA: _HERMES,
    Family.GEMMA4: frozenset({"<|tool_call>", "<tool_call|>", '<|"|>', "<|channel>", "<channel|>"}),
    Family.FUNCTION_GEMMA: _THINK | {"<start_function_call>", "<end_function_call>", "<escape>"},
    Family.DEEPSEEK: _DEEPSEEK,
    Family.DEEPSEEK_V31: _DEEPSEEK,
    Family.GLM: _HERMES | {"<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"},
    Family.HARMONY: frozenset(
        {"<|start|>", "<|end|>", "<|call|>", "<|return|>", "<|channel|>", "<|message|>", "<|constrain|>"}
    ),
    Family.JSON: _HERMES,
}


def special_markers(family: Family) -> frozenset[str]:
    """The family's markers; all other special tokens say nothing to its parser."""
    return _MARKERS[family]
