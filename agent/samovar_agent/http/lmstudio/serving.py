"""A request on an instance that is known from before its first token to after its last one.

The replies of this API tell which instance answered, how it is loaded, and how long that took.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from samovar_agent.engine.instances import Keep
from samovar_agent.http.lmstudio.errors import invalid_value
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import InstanceInfo, Progress

if TYPE_CHECKING:
    from samovar_agent.services import Services

T = TypeVar("T")


class Serving:
    """One request.

        serving = Serving(services, "smollm2-135m", "chat")
        async for item in serving.items(lambda identifier: instances.generate(identifier, ...)): ...
        serving.instance

    - keep: how the model is loaded where it is not, and how long it then stays.
    - load_seconds: how long loading took; None where it was in memory already, or is not yet.
    """

    def __init__(self, services: Services, model: str, capability: str, *, keep: Keep) -> None:
        self._services, self._model, self._capability, self._keep = services, model, capability, keep
        self._instance: InstanceInfo | None = None
        self.load_seconds: float | None = None

    @property
    def instance(self) -> InstanceInfo:
        """The instance that answers; only once it is in memory."""
        assert self._instance is not None, "there is an instance before there is a reply"
        return self._instance

    async def items(
        self,
        ask: Callable[[str], AsyncGenerator[T, None]],
        on_ready: Callable[[], None] = lambda: None,
    ) -> AsyncGenerator[T | Progress, None]:
        """Progress of loading, and then everything that `ask` yields for the instance, which stays meanwhile.

        - on_ready: called once it is in memory. Raises what loading does, and `bad_request` where it was loaded before
        with less context than is asked for.
        """
        began, at = time.monotonic(), time.time()
        instances = self._services.instances
        async with aclosing(instances.ready(self._model, self._capability, keep=self._keep)) as coming:
            async for item in coming:
                if isinstance(item, Progress):
                    yield item
                    continue
                self._instance = item
                if (item.loaded_at or 0.0) >= at:
                    self.load_seconds = time.monotonic() - began
                self._check_context(item)
                on_ready()
                async with aclosing(ask(item.identifier)) as items:
                    async for answer in items:
                        yield self._with_loading(answer)

    def _with_loading(self, answer: T) -> T:
        """What came, and in a reply's times what came before it."""
        if not isinstance(answer, ChatReply) or self.load_seconds is None:
            return answer
        return replace(answer, stats=replace(answer.stats, load_seconds=self.load_seconds))

    def _check_context(self, instance: InstanceInfo) -> None:
        if self._keep.context is not None and instance.context_length < self._keep.context:
            raise invalid_value(
                f"'{instance.identifier}' is in memory with a context of {instance.context_length:,} tokens.",
                param="context_length",
                hint="Unload it first, or ask for no more than that.",
            )


def instance_name(services: Services, model: str) -> str:
    """What the instance is or will be called that answers a request for this model. Raises as `Library.find` does."""
    instances = [one for one in services.instances.ls() if one.state in ("starting", "loading", "ready")]
    if any(one.identifier == model for one in instances):
        return model
    key = services.library.find(model).info.key
    return next((one.identifier for one in instances if one.model == key), key)
