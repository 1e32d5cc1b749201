"""`POST /api/show`: all that is known of one model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from samovar_agent.http.answering import json_response
from samovar_agent.http.json_body import read_json, refuse
from samovar_agent.http.ollama.lines import timestamp
from samovar_agent.http.ollama.model_details import Details, capabilities, details
from samovar_agent.http.ollama.model_names import find_model, shown_name
from samovar_agent.http.ollama.named import Named
from samovar_agent.http.open_work import Job
from samovar_agent.models.library import ModelFile

if TYPE_CHECKING:
    from samovar_agent.services import Services

_ASKS_FOR_NOTHING: dict[str, tuple[Any, ...]] = {
    "verbose": (False,),
    "system": ("",),
    "template": ("",),
    "options": ({},),
}
_HINTS = {"verbose": "Vocabularies and lists of tensors are not shown."}


class ShowRequest(Named, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body. Those below the name are refused unless they ask for nothing."""

    verbose: bool | None = None
    system: str | None = None
    template: str | None = None
    options: dict[str, Any] | None = None


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """- template: in Jinja, as the model brings it. - model_info: what its file says, by the file's own names."""

    license: str
    modelfile: str
    parameters: str
    template: str
    details: Details
    model_info: dict[str, Any]
    capabilities: list[str]
    modified_at: str


_decoder = msgspec.json.Decoder(ShowRequest)


class Show:
    """The endpoint."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def find(self, request: web.Request, job: Job) -> web.Response:
        """Answer one request; raises as loading the model would."""
        body = await read_json(request, _decoder)
        refuse(body, _ASKS_FOR_NOTHING, "", hints=_HINTS)
        file = self._services.library.find(find_model(self._services, body.named).info.key)
        info, header = file.info, file.header
        return json_response(
            msgspec.json.encode(
                Shown(
                    license=header.licence or "",
                    modelfile=f"FROM {shown_name(info)}\n",
                    parameters="",
                    template=header.chat_template or "",
                    details=details(info),
                    model_info=_model_info(file),
                    capabilities=capabilities(info),
                    modified_at=timestamp(info.added_at),
                )
            )
        )


def _model_info(file: ModelFile) -> dict[str, Any]:
    info, header = file.info, file.header
    architecture = header.architecture
    facts: dict[str, Any] = {
        "general.architecture": architecture,
        "general.basename": info.name,
        "general.name": header.name or info.name,
        "general.organization": header.organization,
        "general.license": header.licence,
        "general.parameter_count": header.parameters,
        f"{architecture}.attention.head_count": header.head_count,
        f"{architecture}.attention.head_count_kv": header.head_count_kv,
        f"{architecture}.attention.key_length": header.key_length,
        f"{architecture}.attention.value_length": header.value_length,
        f"{architecture}.attention.sliding_window": header.sliding_window,
        f"{architecture}.block_count": header.block_count,
        f"{architecture}.context_length": header.context_length,
        f"{architecture}.embedding_length": header.embedding_length,
        f"{architecture}.feed_forward_length": header.feed_forward_length,
        f"{architecture}.vocab_size": header.vocabulary_size,
        f"{architecture}.pooling_type": header.pooling_type,
    }
    return {name: value for name, value in facts.items() if value is not None}
