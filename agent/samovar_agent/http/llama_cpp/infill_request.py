"""The body of `POST /infill`: what an editor knows around the place that is to be filled in.

As everywhere, no parameter is ignored in silence: one that would change the reply and is not supported is a 400 that
names it, unless it has the value that asks for nothing.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from samovar_agent.engine.interface import Infill, SourceFile
from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import refuse
from samovar_agent.http.openai.sampling_fields import SamplingFields
from samovar_protocol.values import ChatOptions, Grammar, JsonSchema, Name, Sampling

_REFUSED: dict[str, tuple[Any, ...]] = {"n_cmpl": (1,), "sse_ping_interval": ()}
_NAMELESS = "tmp"


class ExtraFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file, or a part of one, to be known. - time: when an editor noted it; without effect."""

    text: str
    filename: str | None = None
    time: Any = None


class InfillRequest(SamplingFields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body; null means the same as leaving out.

    - input_prefix, input_suffix: before and after the place. - prompt: what is written there already.
    - n_predict: most tokens; -1 for no limit, 0 to only read what is sent. - max_tokens: the same.
    - n_indent: the least indentation of further lines. - t_max_predict_ms: from the first token, once there is a line.
    - response_fields: only these of the reply, "a/b" for what `b` is in `a`.
    """

    input_prefix: str
    input_suffix: str
    input_extra: Annotated[list[ExtraFile], Meta(max_length=10_000)] | None = None
    prompt: str | None = None
    model: Name | None = None
    n_predict: int | None = None
    n_indent: Annotated[int, Meta(ge=0, le=1000)] | None = None
    t_max_predict_ms: Annotated[float, Meta(ge=0, le=86_400_000)] | None = None  # 0 for no limit
    logit_bias: (
        Annotated[dict[str, Any], Meta(max_length=1024)]
        | Annotated[list[tuple[int | str, float | bool]], Meta(max_length=1024)]
        | None
    ) = None
    json_schema: dict[str, Any] | bool | None = None
    stream: bool | None = None
    response_fields: list[str] | None = None
    # Accepted, and told to be without effect.
    t_max_prompt_ms: Any = None
    # Refused unless they ask for nothing: `_REFUSED`.
    n_cmpl: Any = None
    sse_ping_interval: Any = None

    @property
    def silent(self) -> bool:
        """Whether nothing is to be written: an editor has what it sends read before it needs the reply."""
        return self._most == 0

    def to_infill(self) -> Infill:
        """What is around, beside prefix and suffix; a prompt that is too long loses what is farthest."""
        return Infill(
            files=[SourceFile(name=extra.filename or _NAMELESS, text=extra.text) for extra in self.input_extra or ()],
            begun=self.prompt or "",
            shorten=True,
            indent=self.n_indent or 0,
            seconds=self.t_max_predict_ms / 1000 if self.t_max_predict_ms else None,
            joined=self.steps.joined,
        )

    def to_sampling(self) -> Sampling:
        """How to sample; raises `bad_request` for a value out of range, and for what is refused."""
        refuse(self, _REFUSED, "")
        limit = "max_tokens" if self.n_predict is None else "n_predict"
        own: dict[str, Any] = {"logit_bias": self._bias()}
        if self.silent:
            own["max_tokens"] = 1
        sampling = self.sampling(limit=limit, **own)
        return msgspec.structs.replace(sampling, seed=None) if self.seed == -1 else sampling

    def to_options(self) -> ChatOptions:
        """What the reply must be; raises `bad_request`."""
        if self.json_schema is not None and self.grammar:
            raise bad_request("A reply cannot follow a 'json_schema' and a 'grammar'.", param="grammar")
        if self.json_schema is not None:
            return ChatOptions(reply_format=JsonSchema(json_schema=self.json_schema))
        return ChatOptions(reply_format=Grammar(gbnf=self.grammar) if self.grammar else None)

    @property
    def _most(self) -> int | None:
        return self.max_tokens if self.n_predict is None else self.n_predict

    def _bias(self) -> dict[int, float] | None:
        """Pairs of a token and what is added; false for never."""
        if self.logit_bias is None:
            return None
        pairs = self.logit_bias.items() if isinstance(self.logit_bias, dict) else self.logit_bias
        biases: dict[int, float] = {}
        for token, bias in pairs:
            text = str(token)
            if not (text.isascii() and text.isdecimal() and len(text) < 10):
                raise bad_request(f"'{text[:50]}' in 'logit_bias' is not a token's number.", param="logit_bias")
            if bias is True or not isinstance(bias, int | float):
                raise bad_request("A bias in 'logit_bias' is neither a number nor false.", param="logit_bias")
            biases[int(text)] = -100.0 if bias is False else float(bias)
        return biases
