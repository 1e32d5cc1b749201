"""What Ollama has and Samovar does not: making models out of others, and publishing them."""

from __future__ import annotations

from aiohttp import web

from samovar_agent.http.errors import HttpRefusal, bad_request
from samovar_agent.http.open_work import Job
from samovar_protocol import FailureCode


async def create(request: web.Request, job: Job) -> web.Response:
    """Refuse to make a model."""
    raise bad_request(
        "Models are not made here out of other models, files or a Modelfile.",
        hint="Take a GGUF file with `samovar import PATH`, give a model another name with /api/copy, and send system "
        "prompts and options with each request.",
    )


async def push(request: web.Request, job: Job) -> web.Response:
    """Refuse to publish a model."""
    raise bad_request("Samovar publishes nothing: models only come to this machine.", hint="There is no /api/push.")


async def find_blob(request: web.Request, job: Job) -> web.Response:
    """Say that no such upload is here."""
    raise HttpRefusal(404, FailureCode.NOT_FOUND, "There are no uploaded blobs here.", hint="/api/create is refused.")


async def create_blob(request: web.Request, job: Job) -> web.Response:
    """Refuse an upload before its body is read."""
    raise bad_request(
        "Files are not uploaded here, because models are not made out of them.",
        hint="Take a GGUF file with `samovar import PATH`.",
    )
