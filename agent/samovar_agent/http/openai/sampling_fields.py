"""How tokens are chosen, as all bodies that ask for text say it: OpenAI's names, and those of other local servers."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import convert, refuse
from samovar_agent.http.openai.keeping import Ttl
from samovar_agent.http.openai.sampler_list import Steps, steps_of
from samovar_protocol.values import Sampling

_OWN = (
    "temperature",
    "top_p",
    "min_p",
    "typical_p",
    "presence_penalty",
    "frequency_penalty",
    "repeat_last_n",
    "dry_multiplier",
    "dry_base",
    "dry_allowed_length",
    "dry_penalty_last_n",
    "dry_sequence_breakers",
    "ignore_eos",
)
"""Parameters that `Sampling` knows by the same name."""

_REFUSED: dict[str, tuple[Any, ...]] = {
    "dynatemp_range": (0, 0.0),
    "min_keep": (0,),
    "mirostat": (0,),
    "n_discard": (0,),
    "n_keep": (0, -1),  # of what is thrown away when the context is full: nothing is
    "n_probs": (0,),
    "lora": ([],),
    "post_sampling_probs": (False,),
    "return_progress": (False,),
    "return_tokens": (False,),
    "timings_per_token": (False,),
    "top_n_sigma": (-1, -1.0),
    "xtc_probability": (0, 0.0),
}
"""llama.cpp's parameters that are refused, each with the values that ask for nothing; null always does."""


class SamplingFields(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields; null means the same as leaving out. Ranges are those of `Sampling`."""

    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None  # any integer, as OpenAI allows; larger and negative ones are folded into our range
    stop: str | Annotated[list[str], Meta(max_length=16)] | None = None
    max_tokens: int | None = None  # -1 for no limit, as LM Studio and llama.cpp have it
    # Not OpenAI's, but what local servers understand.
    top_k: int | None = None  # -1 keeps all, like 0
    min_p: float | None = None
    typical_p: float | None = None
    repeat_penalty: float | None = None
    repetition_penalty: float | None = None  # vLLM's name for it
    repeat_last_n: int | None = None
    dry_multiplier: float | None = None
    dry_base: float | None = None
    dry_allowed_length: int | None = None
    dry_penalty_last_n: int | None = None
    dry_sequence_breakers: Annotated[list[str], Meta(max_length=64)] | None = None
    stop_token_ids: Annotated[list[int], Meta(max_length=64)] | None = None  # vLLM's
    ignore_eos: bool | None = None
    grammar: Annotated[str, Meta(max_length=1_000_000)] | None = None  # llama.cpp's, in its own notation
    samplers: Annotated[str, Meta(max_length=64)] | Annotated[list[str], Meta(max_length=64)] | None = None
    ttl: Ttl | None = None
    # Of how memory is managed; accepted, and told to be without effect. Prefixes are found by themselves.
    cache_prompt: bool | None = None
    id_slot: int | None = None
    n_cache_reuse: int | None = None
    # They mean something only beside what is refused below.
    dynatemp_exponent: Any = None
    mirostat_eta: Any = None
    mirostat_tau: Any = None
    xtc_threshold: Any = None
    # Refused unless they ask for nothing: `_REFUSED`.
    dynatemp_range: Any = None
    lora: Any = None
    min_keep: Any = None
    mirostat: Any = None
    n_discard: Any = None
    n_keep: Any = None
    n_probs: Any = None
    post_sampling_probs: Any = None
    return_progress: Any = None
    return_tokens: Any = None
    timings_per_token: Any = None
    top_n_sigma: Any = None
    xtc_probability: Any = None

    @property
    def steps(self) -> Steps:
        """What `samplers` says; raises `bad_request`."""
        return steps_of(self.samplers)

    def sampling(self, *, limit: str = "max_tokens", **own: Any) -> Sampling:
        """How to sample; raises `bad_request` for a value out of range, and for what is refused.

        - limit: the field with the most tokens. - own: values that the dialect has another way to say, by our names.
        """
        refuse(self, _REFUSED, "")
        most = getattr(self, limit)
        repeat = "repetition_penalty" if self.repeat_penalty is None else "repeat_penalty"
        values = {name: getattr(self, name) for name in _OWN} | {
            "top_k": 0 if self.top_k == -1 else self.top_k,
            "repeat_penalty": getattr(self, repeat),
            "stop_tokens": self.stop_token_ids,
            "seed": None if self.seed is None else self.seed % 0xFFFFFFFF,
            "stop": [self.stop] if isinstance(self.stop, str) else self.stop,
            "max_tokens": None if most == -1 else most,
        }
        names = {"max_tokens": limit, "repeat_penalty": repeat, "stop_tokens": "stop_token_ids"}
        return convert(given(values | self.steps.off | own), Sampling, names)


def given(values: dict[str, Any]) -> dict[str, Any]:
    """Without those that nobody gave."""
    return {name: value for name, value in values.items() if value is not None}


def by_token(bias: dict[str, float] | None) -> dict[int, float] | None:
    """OpenAI's `logit_bias`; raises `bad_request` for a name that is not a token's number."""
    if bias is None:
        return None
    for token in bias:
        if not (token.isascii() and token.isdecimal() and len(token) < 10):
            raise bad_request(f"'{token[:50]}' in 'logit_bias' is not a token's number.", param="logit_bias")
    return {int(token): value for token, value in bias.items()}
