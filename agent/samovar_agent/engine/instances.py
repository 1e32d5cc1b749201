"""Which models are in memory. Everybody who wants one asks here, and gets it loaded, shared and counted.

    async for item in instances.generate("smollm2-135m", messages, Sampling()): ...

There is no way to look first and act later: `load` and `generate` do both in one step.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from typing import NamedTuple

from msgspec import UNSET, UnsetType

from samovar_agent.engine.instance import Instance
from samovar_agent.engine.interface import (
    Detokenization,
    Detokenized,
    Embedding,
    Finding,
    Finished,
    Generation,
    Infill,
    Question,
    Ranking,
    RenderedPrompt,
    Rendering,
    Started,
    Tokenization,
    Tokenized,
)
from samovar_agent.engine.reply import ReplyBuilder
from samovar_agent.engine.residents import Residents, ambiguous, load_progress
from samovar_agent.engine.usage import Place
from samovar_agent.engine.waiting import with_position, within
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import ChatReply, EmbedReply, RerankReply
from samovar_protocol.values import (
    AnyDelta,
    ChatOptions,
    InstanceInfo,
    Message,
    Priority,
    Progress,
    RankedDocument,
    Sampling,
)

_DEFAULT_OPTIONS = ChatOptions()


class Keep(NamedTuple):
    """What a request may say of its model.

    - ttl_seconds: unload it after so long without use, from now on; None never, 0 at once, UNSET as the settings say.
    - context: tokens that it must have at least; one in memory with less is loaded anew, or `model_in_use` raised where
    somebody uses it. None for the setting, or for what is there.
    """

    ttl_seconds: float | UnsetType | None = UNSET
    context: int | None = None


_AS_SET = Keep()
_PLAIN_INFILL = Infill()


def _tell_nobody(started: Started) -> None: ...


class _Use(NamedTuple):
    """An instance that is loaded and stays so. - place: of the request. - load_seconds: how long loading took."""

    instance: Instance
    place: Place
    load_seconds: float


class Instances(Residents):
    """What the models in memory can be asked; arguments as of `Residents`."""

    async def generate(
        self,
        model: str | None,
        messages: Sequence[Message],
        sampling: Sampling,
        options: ChatOptions = _DEFAULT_OPTIONS,
        *,
        client: str = "",
        keep: Keep = _AS_SET,
        on_start: Callable[[Started], None] = _tell_nobody,
    ) -> AsyncGenerator[AnyDelta | Progress | ChatReply, None]:
        """Continue a conversation: progress of waiting and loading, the reply in pieces, and the whole of it last.

        - model: of a model or instance; None takes the one in memory, or the only one there is. - client: whose
        request it is; where several wait, clients take turns. - keep: how the model is loaded where it is not, and how
        long it then stays. - on_start: told how long the prompt is, before the first piece.

        Closing the generator, or cancelling who iterates, stops the work within one decode step. Raises what `load`
        does, `busy`, `deadline_exceeded`, `context_overflow`, `worker_crashed`.
        """
        generation = Generation(messages=list(messages), sampling=sampling, options=options, client=client)
        async with contextlib.aclosing(self._generate(model, generation, keep, on_start)) as items:
            async for item in items:
                yield item

    async def complete(
        self,
        model: str | None,
        prompt: str | list[int],
        sampling: Sampling,
        options: ChatOptions = _DEFAULT_OPTIONS,
        *,
        suffix: str | None = None,
        infill: Infill = _PLAIN_INFILL,
        prompt_logprobs: bool = False,
        client: str = "",
        keep: Keep = _AS_SET,
    ) -> AsyncGenerator[AnyDelta | Progress | ChatReply, None]:
        """Go on from a text, or from tokens, as they are, without a conversation around them; otherwise as `generate`.

        - suffix: what comes after the reply, for models that can fill in the middle; others raise `model_unsupported`.
        - infill: more about that. - prompt_logprobs: see `Generation`.
        """
        generation = Generation(
            prompt=prompt,
            suffix=suffix,
            infill=infill,
            sampling=sampling,
            options=options,
            client=client,
            prompt_logprobs=prompt_logprobs,
        )
        async with contextlib.aclosing(self._generate(model, generation, keep, _tell_nobody)) as items:
            async for item in items:
                yield item

    async def _generate(
        self, model: str | None, generation: Generation, keep: Keep, on_start: Callable[[Started], None]
    ) -> AsyncGenerator[AnyDelta | Progress | ChatReply, None]:
        items = self._replies(model, generation, keep, on_start)
        async with contextlib.aclosing(within(generation.options.deadline_seconds, items)) as limited:
            async for item in limited:
                yield item

    async def _replies(
        self, model: str | None, generation: Generation, keep: Keep, on_start: Callable[[Started], None]
    ) -> AsyncGenerator[AnyDelta | Progress | ChatReply, None]:
        reply = ReplyBuilder(generation.options.n)
        async with contextlib.aclosing(self._using(model, "chat", generation.options.priority, keep)) as uses:
            async for use in uses:
                if isinstance(use, Progress):
                    yield use
                    continue
                instance, place, load_seconds = use
                outputs = with_position(instance.generate(generation, place), partial(instance.before, place))
                async with contextlib.aclosing(outputs):
                    async for output in outputs:
                        if isinstance(output, Progress):
                            yield output
                        elif isinstance(output, Finished):
                            yield reply.build(instance.model, output, load_seconds)
                        elif isinstance(output, Started):
                            on_start(output)
                        else:
                            reply.add(output)
                            yield output

    async def embed(
        self,
        model: str | None,
        inputs: Sequence[str | list[int]],
        *,
        dimensions: int | None = None,
        priority: Priority = "interactive",
        client: str = "",
        keep: Keep = _AS_SET,
    ) -> AsyncGenerator[Progress | EmbedReply, None]:
        """Vectors of texts: loading progress, and the reply last. Arguments and failures as of `generate`."""
        embedding = Embedding(inputs=list(inputs), dimensions=dimensions, priority=priority, client=client)
        async with contextlib.aclosing(self._using(model, "embedding", priority, keep)) as uses:
            async for use in uses:
                if isinstance(use, Progress):
                    yield use
                    continue
                result = await use.instance.embed(embedding, use.place)
                yield EmbedReply(
                    model=use.instance.model,
                    dimensions=result.dimensions,
                    vectors=result.vectors,
                    prompt_tokens=result.prompt_tokens,
                    seconds=result.seconds,
                )

    async def rerank(
        self,
        model: str | None,
        query: str,
        documents: Sequence[str],
        *,
        top: int | None = None,
        priority: Priority = "interactive",
        client: str = "",
        keep: Keep = _AS_SET,
    ) -> AsyncGenerator[Progress | RerankReply, None]:
        """Documents by how well they answer a query: loading progress, and the reply last."""
        ranking = Ranking(query=query, documents=list(documents), priority=priority, client=client)
        async with contextlib.aclosing(self._using(model, "rerank", priority, keep)) as uses:
            async for use in uses:
                if isinstance(use, Progress):
                    yield use
                    continue
                result = await use.instance.rank(ranking, use.place)
                ranked = [RankedDocument(index=index, score=score) for index, score in enumerate(result.scores)]
                ranked.sort(key=lambda document: -document.score)
                yield RerankReply(
                    model=use.instance.model,
                    results=ranked[:top],
                    prompt_tokens=result.prompt_tokens,
                    seconds=result.seconds,
                )

    async def tokenize(self, model: str | None, tokenization: Tokenization) -> Tokenized:
        """Tokens of texts; loads the model if need be. Failures as of `generate`."""
        finding = await self._ask(model, tokenization)
        assert isinstance(finding, Tokenized)
        return finding

    async def detokenize(self, model: str | None, tokens: Sequence[int]) -> Detokenized:
        """The text of tokens; loads the model if need be. Failures as of `generate`."""
        finding = await self._ask(model, Detokenization(tokens=list(tokens)))
        assert isinstance(finding, Detokenized)
        return finding

    async def render(
        self, model: str | None, messages: Sequence[Message], options: ChatOptions = _DEFAULT_OPTIONS
    ) -> RenderedPrompt:
        """The prompt that `generate` would give the model; loads it if need be. Failures as of `generate`."""
        generation = Generation(messages=list(messages), sampling=Sampling(), options=options)
        finding = await self._ask(model, Rendering(generation=generation))
        assert isinstance(finding, RenderedPrompt)
        return finding

    async def count_tokens(self, model: str, texts: Sequence[str]) -> list[int]:
        """How many tokens of this model each text has; loads it if need be. Failures as of `generate`."""
        return (await self.tokenize(model, Tokenization(texts=list(texts)))).counts

    async def _ask(self, model: str | None, question: Question) -> Finding:
        instance, _ = await self._obtain(model or self.only_model("chat"), ttl_seconds=self._ttl(Keep()))
        with instance.use():
            await instance.ready(lambda _: None)
            return await instance.ask(question)

    async def ready(
        self, model: str | None, capability: str, *, keep: Keep = _AS_SET
    ) -> AsyncGenerator[Progress | InstanceInfo, None]:
        """Loading progress, then the instance, which stays at least until this generator is closed.

        - model, keep, and failures: as of `generate`. - capability: that a model must have where none is named.
        """
        instance = await self._kept(model or self.only_model(capability), keep)
        with instance.use():
            async with contextlib.aclosing(load_progress(instance)) as progresses:
                async for progress in progresses:
                    yield progress
            yield instance.info

    async def _using(
        self, model: str | None, capability: str, priority: Priority, keep: Keep
    ) -> AsyncGenerator[Progress | _Use, None]:
        """Loading progress, then the instance, which stays in memory until this generator is closed."""
        began = time.monotonic()
        instance = await self._kept(model or self.only_model(capability), keep)
        with instance.request(priority, limit=self._settings.current.engine.queue_limit) as place:
            async with contextlib.aclosing(load_progress(instance)) as progresses:
                async for progress in progresses:
                    yield progress
            yield _Use(instance, place, time.monotonic() - began)

    async def _kept(self, name: str, keep: Keep) -> Instance:
        """The instance that `name` means, with the time that `keep` gives it from now on."""
        instance, _ = await self._obtain(name, context=keep.context, ttl_seconds=self._ttl(keep), at_least=True)
        if keep.ttl_seconds is not UNSET:
            instance.keep_for(keep.ttl_seconds)
        return instance

    def _ttl(self, keep: Keep) -> float | None:
        minutes = self._settings.current.models.ttl_minutes
        usual = minutes * 60 if minutes else None
        return usual if keep.ttl_seconds is UNSET else keep.ttl_seconds

    def only_model(self, capability: str) -> str:
        """What a request without a model means: the one in memory, or else the only one there is.

        - capability: that it must have. Raises `model_ambiguous` where there are several, `model_unknown` for none.
        """
        models = [info.key for info in self._library.ls() if info.state == "ready" and capability in info.capabilities]
        able = set(models)
        loaded = [one.identifier for one in self._instances.values() if one.usable and one.model in able]
        if len(loaded) > 1:
            raise ambiguous("Several models are in memory", loaded)
        if loaded:
            return loaded[0]
        if len(models) > 1:
            raise ambiguous("The request names no model, and there are several", models)
        if not models:
            raise SamovarError(
                FailureCode.MODEL_UNKNOWN,
                f"There is no {capability} model on this machine.",
                hint="`samovar get` fetches one.",
            )
        return models[0]
