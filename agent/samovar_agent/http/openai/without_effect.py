"""Parameters that are accepted and change nothing here, and the header that says so.

They are about what a machine of one's own does not do: keep, bill, rank or screen requests. Editors and SDKs send them
unasked, so they are no errors; and nothing is ignored in silence, so the reply names those that asked for something:

Samovar-Without-Effect: service_tier, user
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from samovar_agent.http.answering import NewStream
from samovar_agent.http.sse import EventStream

HEADER = "Samovar-Without-Effect"

Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)
]
ServiceTier = Literal["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"]
CacheRetention = Literal["in_memory", "24h"]


class CacheOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How prefixes should be cached; all of them are, without being told. What would change the reply is refused."""

    mode: Literal["implicit", "explicit"] | None = None
    ttl: Literal["30m"] | None = None
    prewarm: Literal[False] | None = None
    comparison_response_id: None = None


_ASKS_FOR_NOTHING: dict[str, tuple[Any, ...]] = {
    "cache_prompt": (True,),  # which is done
    "client_metadata": (),  # what Codex says of its own session, to whoever counts it
    "id_slot": (-1,),
    "metadata": ({},),
    "n_cache_reuse": (0,),
    "prompt_cache_key": (),
    "prompt_cache_options": (CacheOptions(), CacheOptions(mode="implicit")),
    "prompt_cache_retention": ("in_memory",),
    "safety_identifier": (),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "t_max_prompt_ms": (),  # nor has it any in llama.cpp
    "user": (),
}
"""The parameters, each with the values that ask for nothing; null always does."""


def without_effect(
    body: msgspec.Struct, *, honoured: Collection[str] = (), further: Collection[str] = ()
) -> dict[str, str]:
    """The header for a request, or nothing. - honoured: parameters that do have an effect at this endpoint.
    - further: what else has none."""
    names = list(further)
    for name in body.__struct_fields__:
        harmless = _ASKS_FOR_NOTHING.get(name)
        if harmless is None or name in honoured:
            continue
        value = getattr(body, name)
        if value is not None and value not in harmless:
            names.append(name)
    return naming(names)


def naming(names: Iterable[str]) -> dict[str, str]:
    """The header with these names, or nothing where there are none."""
    told = ", ".join(sorted(names))
    return {HEADER: told} if told else {}


def stream_with(headers: dict[str, str]) -> NewStream:
    """Makes event streams that have these headers too."""

    def new(request: web.Request, others: dict[str, str]) -> EventStream:
        return EventStream(request, others | headers)

    return new if headers else EventStream
