"""Whose error shape a request has. A client that meets an error in another API's shape shows people nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Container

from samovar_agent.http.anthropic.errors import HEADER as ANTHROPIC
from samovar_agent.http.anthropic.errors import error_body as anthropic
from samovar_agent.http.errors import error_body
from samovar_agent.http.llama_cpp.errors import error_body as llama_cpp
from samovar_agent.http.lmstudio.errors import error_body as lmstudio
from samovar_agent.http.ollama.errors import error_body as ollama
from samovar_protocol import SamovarError

ErrorBody = Callable[[SamovarError], bytes]

_SHAPES: tuple[tuple[str, ErrorBody], ...] = (
    ("/api/samovar/", error_body),
    ("/api/", ollama),
    ("/v1/messages", anthropic),
    ("/infill", llama_cpp),
    ("/tokenize", llama_cpp),
    ("/detokenize", llama_cpp),
    ("/apply-template", llama_cpp),
    ("/api/v0/", lmstudio),
    ("/api/v1/", lmstudio),
)
"""Beginnings of paths, the longest that fits counts; everything else speaks as OpenAI does, or as Anthropic does to
who has its header."""

_WHERE = {
    "": "OpenAI's API is below /v1, e.g. /v1/models and /v1/chat/completions.",
    "anthropic": "Of Anthropic's API there are /v1/messages, /v1/messages/count_tokens and /v1/models.",
    "ollama": "Ollama's API is below /api, e.g. /api/tags and /api/chat.",
    "lmstudio": "LM Studio's API is below /api/v0 and /api/v1, e.g. /api/v1/models and /api/v1/chat.",
}


def dialect(path: str, headers: Container[str] = ()) -> str:
    """The folder of the dialect that has a shape of its own here; empty for OpenAI's, which is everybody's."""
    inside = error_shape(path, headers).__module__.removeprefix("samovar_agent.http.").split(".")
    return inside[0] if len(inside) > 1 else ""


def error_shape(path: str, headers: Container[str] = ()) -> ErrorBody:
    """What makes the body of a failure at this path, whether anything is there or not. - headers: of the request."""
    fitting = [shape for shape in _SHAPES if path.startswith(shape[0])]
    shared = anthropic if ANTHROPIC in headers else error_body
    return max(fitting, key=lambda shape: len(shape[0]), default=("", shared))[1]


def where(path: str, headers: Container[str]) -> str:
    """What to tell who asked for something that is not there."""
    return _WHERE.get(dialect(path, headers), _WHERE[""])
