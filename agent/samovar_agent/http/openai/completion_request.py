"""The body of `POST /v1/completions`: texts to go on from, as they are. As in `chat_request`, nothing is ignored in
silence."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from samovar_agent.http.errors import bad_request
from samovar_agent.http.json_body import convert
from samovar_agent.http.openai.chat_request import StreamOptions
from samovar_agent.http.openai.response_format import ResponseFormat, reply_format, unseen_of
from samovar_agent.http.openai.sampling_fields import SamplingFields, by_token, given
from samovar_agent.http.openai.token_inputs import Inputs, inputs_of
from samovar_agent.http.openai.without_effect import without_effect
from samovar_protocol.values import ChatOptions, Name, Sampling

_DEFAULT_TOKENS = 16
"""OpenAI's. Without any limit, a model that ends nothing by itself would write until its context is full."""
_MOST_CHOICES = 128


class CompletionRequest(SamplingFields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body. null means the same as leaving out.

    - prompt: a text, its tokens, or a list of either. - suffix: what comes after the reply, for models that can fill in
    the middle; an empty one is none. - max_tokens: 16 where it is left out, -1 for no limit, 0 to only read the prompt.
    - best_of: no more than `n`, since all that are written are told. - logprobs: with so many likeliest tokens.
    """

    model: Name | None = None
    prompt: Inputs
    suffix: str | None = None
    n: int | None = None
    best_of: int | None = None
    echo: bool | None = None
    logprobs: int | None = None
    logit_bias: Annotated[dict[str, float], Meta(max_length=1024)] | None = None
    response_format: ResponseFormat | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    stats: bool | None = None  # told in the reply as LM Studio tells them
    user: str | None = None  # told to be without effect

    def check(self) -> None:
        """Raise `bad_request` for parameters that do not fit together."""
        if self.best_of is not None and self.best_of != (self.n or 1):
            raise bad_request(
                "'best_of' must be the same as 'n': no reply is written that is not told.",
                param="best_of",
                hint="Leave it out.",
            )
        if self.scores_prompt and (self.n or 1) > 1:
            raise bad_request(
                "With 'echo' and 'logprobs' there is one choice: all would begin with the same prompt.",
                param="n",
                hint="Leave it out.",
            )
        if self.scores_prompt and self.suffix:
            raise bad_request(
                "'suffix' is not possible with 'echo' and 'logprobs'.", param="suffix", hint="Leave one of them out."
            )
        if self.steps.joined and not self.suffix:
            raise bad_request("The sampler 'infill' needs a 'suffix'.", param="samplers")
        if self.max_tokens == 0 and self.logprobs is not None and not self.echo:
            raise bad_request(
                "'logprobs' needs tokens to be of.", param="logprobs", hint="Raise 'max_tokens', or send 'echo'."
            )

    def to_prompts(self) -> list[str | list[int]]:
        """One entry a prompt; raises `bad_request`."""
        prompts = inputs_of(self.prompt, "prompt", most=_MOST_CHOICES)
        if len(prompts) * (self.n or 1) > _MOST_CHOICES:
            raise bad_request(
                f"{len(prompts)} prompts with {self.n} choices each are more than {_MOST_CHOICES}.",
                param="n",
                hint="Send several requests.",
            )
        if self.suffix and not all(isinstance(prompt, str) for prompt in prompts):
            raise bad_request("With a 'suffix', prompts must be texts.", param="prompt", hint="Send no tokens.")
        return prompts

    def to_sampling(self) -> Sampling:
        """How to sample; raises `bad_request` for a value out of range."""
        limit = {None: _DEFAULT_TOKENS, 0: 1}.get(self.max_tokens)
        own: dict[str, Any] = {} if limit is None else {"max_tokens": limit}
        return self.sampling(logit_bias=by_token(self.logit_bias), **own)

    def to_options(self) -> ChatOptions:
        """What the reply may be; raises `bad_request` for a value out of range."""
        values = {
            "n": self.n,
            "logprobs": self.logprobs is not None,
            "top_logprobs": self.logprobs,
            "reply_format": reply_format(self.response_format, self.grammar),
        }
        return convert(given(values), ChatOptions, {"top_logprobs": "logprobs"})

    def to_headers(self) -> dict[str, str]:
        """What a reply says of parameters without effect."""
        return without_effect(self, further=unseen_of(self.response_format))

    @property
    def scores_prompt(self) -> bool:
        """Whether the prompt's tokens are told with their log probabilities, as programs that evaluate models ask."""
        return bool(self.echo) and self.logprobs is not None

    @property
    def silent(self) -> bool:
        """Whether nothing is to be written."""
        return self.max_tokens == 0

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with a chunk of token counts."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)
