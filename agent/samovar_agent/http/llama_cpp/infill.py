"""`POST /infill`: the middle of a file, for editors that complete what somebody types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from samovar_agent.http.answering import json_response, last, stream
from samovar_agent.http.json_body import read_json
from samovar_agent.http.llama_cpp.infill_reply import InfillReply
from samovar_agent.http.llama_cpp.infill_request import InfillRequest
from samovar_agent.http.open_work import Job
from samovar_agent.http.openai.keeping import keep_of
from samovar_agent.http.openai.model_names import key_of, named
from samovar_agent.http.openai.several import silent
from samovar_agent.http.openai.without_effect import stream_with, without_effect
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import Sampling

if TYPE_CHECKING:
    from samovar_agent.services import Services

_decoder = msgspec.json.Decoder(InfillRequest)


class FillIn:
    """The endpoint."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, request: web.Request, job: Job) -> web.StreamResponse:
        """Answer one request; a client that goes away, as editors do with each letter typed, stops the engine."""
        body = await read_json(request, _decoder)
        sampling = body.to_sampling()
        model = named(self._services, body.model, "chat")
        items = self._services.instances.complete(
            model,
            body.input_prefix,
            sampling,
            body.to_options(),
            suffix=body.input_suffix,
            infill=body.to_infill(),
            client=job.client,
            keep=keep_of(body.ttl),
        )
        if body.silent:
            items = silent(items)
        if body.stream:
            kind = stream_with(without_effect(body))
            return await stream(request, job, items, lambda: self._reply(body, sampling, model), kind=kind)
        reply = await last(items, ChatReply, job)
        return json_response(self._reply(body, sampling, reply.model).whole(reply), without_effect(body))

    def _reply(self, body: InfillRequest, sampling: Sampling, model: str) -> InfillReply:
        key, loaded = key_of(self._services, model), self._services.instances.ls()
        return InfillReply(
            model=key,
            sampling=sampling,
            context_length=next((one.context_length for one in loaded if one.model == key), None),
            n_predict=0 if body.silent else sampling.max_tokens or -1,
            stream=bool(body.stream),
            fields=body.response_fields,
        )
