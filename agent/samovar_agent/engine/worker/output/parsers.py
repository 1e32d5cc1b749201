"""The parser of each family."""

from __future__ import annotations

from collections.abc import Sequence

from samovar_agent.engine.worker.output.deepseek import DeepSeek
from samovar_agent.engine.worker.output.deltas import OutputParser
from samovar_agent.engine.worker.output.family import Family
from samovar_agent.engine.worker.output.gemma import Gemma
from samovar_agent.engine.worker.output.gemma_native import FunctionGemma, Gemma4
from samovar_agent.engine.worker.output.glm import Glm
from samovar_agent.engine.worker.output.harmony import Harmony
from samovar_agent.engine.worker.output.hermes import Hermes
from samovar_agent.engine.worker.output.llama import Llama
from samovar_agent.engine.worker.output.machine import Machine
from samovar_agent.engine.worker.output.mistral import Mistral
from samovar_agent.engine.worker.output.plain_json import PlainJson
from samovar_agent.engine.worker.output.qwen_coder import QwenCoder
from samovar_protocol.values import Tool

_PARSERS: dict[Family, type[Machine]] = {
    Family.HERMES: Hermes,
    Family.QWEN_CODER: QwenCoder,
    Family.LLAMA: Llama,
    Family.MISTRAL: Mistral,
    Family.MISTRAL_ARGS: Mistral,
    Family.GEMMA: Gemma,
    Family.GEMMA4: Gemma4,
    Family.FUNCTION_GEMMA: FunctionGemma,
    Family.DEEPSEEK: DeepSeek,
    Family.DEEPSEEK_V31: DeepSeek,
    Family.GLM: Glm,
    Family.HARMONY: Harmony,
    Family.JSON: PlainJson,
}


def parser_for(
    family: Family, *, tools: Sequence[Tool], reasoning: bool, prompt_tail: str, partial_calls: bool = False
) -> OutputParser:
    """A parser for one reply.

        parser = parser_for(detect(template), tools=tools, reasoning=True, prompt_tail=prompt[-200:])
        deltas = parser.feed(text)

    - tools: empty leaves calls in the content, as they are. - reasoning: whether it is told apart from the content;
    False leaves it there, with its tags. - prompt_tail: the end of the rendered prompt, since templates may begin the
    reply. - partial_calls: give arguments while they are written (default: a call is given once it is whole); a reply
    that is cut off then ends inside them, where otherwise the unfinished call comes as content.
    """
    return _PARSERS[family](tools, reasoning=reasoning, prompt_tail=prompt_tail, partial_calls=partial_calls)
