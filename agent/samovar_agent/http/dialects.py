"""Whose error shape a path has. A client that meets an error in another API's shape shows people nothing of it."""

from __future__ import annotations

from collections.abc import Callable

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
"""Beginnings of paths, the longest that fits counts; everything else speaks as OpenAI does."""


def dialect(path: str) -> str:
    """The folder of the dialect that has a shape of its own here; empty for OpenAI's, which is everybody's."""
    inside = error_shape(path).__module__.removeprefix("samovar_agent.http.").split(".")
    return inside[0] if len(inside) > 1 else ""


def error_shape(path: str) -> ErrorBody:
    """What makes the body of a failure at this path, whether anything is there or not."""
    fitting = [shape for shape in _SHAPES if path.startswith(shape[0])]
    return max(fitting, key=lambda shape: len(shape[0]), default=("", error_body))[1]
