"""How a family writes what it thinks, for grammars and for telling whether a prompt has begun it."""

from __future__ import annotations

import msgspec

from samovar_agent.engine.worker.output.family import Family


class ReasoningFrame(msgspec.Struct, frozen=True, kw_only=True):
    """Reasoning is `begin`, text, `end`.

    - after: what must follow before the answer goes on. - answer: what an answer that calls nothing begins with.
    - ended_by_calls: what begins a call is nothing that anybody thinks of, so it ends the reasoning too.
    """

    begin: str
    end: str
    after: str = ""
    answer: str = ""
    ended_by_calls: bool = False


_TAGS = ReasoningFrame(begin="<think>", end="</think>")
_MISTRAL = ReasoningFrame(begin="[THINK]", end="[/THINK]", ended_by_calls=True)
_OTHERS = {
    Family.LLAMA: msgspec.structs.replace(_TAGS, ended_by_calls=True),
    Family.DEEPSEEK: msgspec.structs.replace(_TAGS, ended_by_calls=True),
    Family.DEEPSEEK_V31: msgspec.structs.replace(_TAGS, ended_by_calls=True),
    Family.MISTRAL: _MISTRAL,
    Family.MISTRAL_ARGS: _MISTRAL,
    Family.GEMMA4: ReasoningFrame(begin="<|channel>thought", end="<channel|>", ended_by_calls=True),
    Family.HARMONY: ReasoningFrame(
        begin="<|channel|>analysis<|message|>",
        end="<|end|>",
        after="<|start|>assistant",
        answer="<|channel|>final<|message|>",
        ended_by_calls=True,
    ),
}


def reasoning_frame(family: Family) -> ReasoningFrame:
    """The literal text around a family's reasoning."""
    return _OTHERS.get(family, _TAGS)
