"""The `options` of a request: how tokens are chosen, and how the model is loaded.

Those that are left out are what they are in our other interfaces. What would change the reply and is not supported is
refused, unless it says what is done anyway. What says how to compute, which is decided here once for all requests, is
accepted, because people have such options in their programs' settings; the reply names it as without effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from samovar_agent.http.json_body import convert, refuse
from samovar_agent.http.openai.without_effect import naming
from samovar_protocol.values import Sampling

_AS_IT_IS: Mapping[str, tuple[Any, ...]] = {
    "mirostat": (0,),
    "tfs_z": (1, 1.0),
    "penalize_newline": (True,),
    "logits_all": (False,),
    "vocab_only": (False,),
    "embedding_only": (False,),
}
"""Of what is not supported, the values that ask for what is done anyway; null always does."""

_HOW_TO_COMPUTE: dict[str, tuple[Any, ...]] = {
    "numa": (False,),
    "num_batch": (512,),
    "num_gpu": (0, -1),
    "main_gpu": (0,),
    "num_thread": (0,),
    "low_vram": (False,),
    "f16_kv": (True,),
    "use_mmap": (True,),
    "use_mlock": (False,),
    "num_keep": (),  # nothing of a prompt is ever cut away
}
"""The same of what has no effect."""

_HINTS = {"mirostat": "Use temperature, top_p and min_p."}

_SAME_NAME: tuple[str, ...] = (
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
    "repeat_last_n",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
)
_CHOOSES: dict[str, tuple[Any, ...]] = dict.fromkeys((*_SAME_NAME, "num_predict", "seed", "stop"), ())
"""What is about choosing tokens."""


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ranges are those of `Sampling`; null means the same as leaving out."""

    num_ctx: Annotated[int, Meta(ge=1, le=100_000_000)] | None = None
    num_predict: int | None = None  # 0, -1 and -2: to the model's end, or the end of the context
    seed: int | None = None  # -1 draws one
    stop: str | list[str] | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    typical_p: float | None = None
    repeat_last_n: int | None = None
    repeat_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    # Refused unless they ask for what is done anyway: `_AS_IT_IS`. The first two are Mirostat's, which is off.
    mirostat_tau: float | None = None
    mirostat_eta: float | None = None
    mirostat: int | None = None
    tfs_z: float | None = None
    penalize_newline: bool | None = None
    logits_all: bool | None = None
    vocab_only: bool | None = None
    embedding_only: bool | None = None
    # Without effect: `_HOW_TO_COMPUTE`.
    num_keep: int | None = None
    numa: bool | None = None
    num_batch: int | None = None
    num_gpu: int | None = None
    main_gpu: int | None = None
    num_thread: int | None = None
    low_vram: bool | None = None
    f16_kv: bool | None = None
    use_mmap: bool | None = None
    use_mlock: bool | None = None

    def to_sampling(self) -> Sampling:
        """How to sample; raises `bad_request`, also for what is refused."""
        refuse(self, _AS_IT_IS, "options.", hints=_HINTS)
        values: dict[str, Any] = {name: getattr(self, name) for name in _SAME_NAME}
        values["top_k"] = 0 if self.top_k == -1 else self.top_k
        values["stop"] = [self.stop] if isinstance(self.stop, str) else self.stop
        values["seed"] = None if self.seed in (None, -1) else self.seed % 0xFFFFFFFF
        values["max_tokens"] = self.num_predict if self.num_predict not in (None, 0, -1, -2) else None
        given = {name: value for name, value in values.items() if value is not None}
        return convert(given, Sampling, {"max_tokens": "num_predict"}, at="options")

    def to_headers(self, *, writes: bool = True, further: Iterable[str] = ()) -> dict[str, str]:
        """The header that names those without effect, or nothing. - writes: whether tokens are chosen at all.
        - further: what else of the body has none."""
        harmless = _HOW_TO_COMPUTE if writes else _CHOOSES | _HOW_TO_COMPUTE
        given = {name: getattr(self, name) for name in harmless}
        found = [name for name, value in given.items() if value is not None and value not in harmless[name]]
        return naming([*further, *(f"options.{name}" for name in found)])


NO_OPTIONS = Options()
