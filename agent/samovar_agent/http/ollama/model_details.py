"""What is told of a model in every list of Ollama's."""

from __future__ import annotations

import hashlib

import msgspec

from samovar_protocol.values import ModelInfo

_CAPABILITIES = {
    "chat": "completion",
    "tools": "tools",
    "thinking": "thinking",
    "fill-in-the-middle": "insert",
    "embedding": "embedding",
    "rerank": "rerank",
}
"""Ours in Ollama's words; "vision" is left out as long as images are refused."""


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """- family: what is called architecture elsewhere. - parameter_size: for people."""

    parent_model: str = ""
    format: str = "gguf"
    family: str
    families: list[str]
    parameter_size: str
    quantization_level: str


def details(info: ModelInfo | None) -> Details:
    """Of a model, as far as it is known."""
    family = (info.architecture if info else None) or ""
    return Details(
        family=family,
        families=[family] if family else [],
        parameter_size=parameter_size(info.parameters if info else None),
        quantization_level=(info.quantization if info else None) or "unknown",
    )


def digest(info: ModelInfo) -> str:
    """What tells this model from any other and from another version of itself; clients cut it to 12 characters."""
    if info.sha256 is not None:
        return info.sha256
    told = f"{info.path}\n{info.size_bytes}\n{info.parts}".encode("utf-8", "replace")
    return hashlib.sha256(told).hexdigest()


def capabilities(info: ModelInfo) -> list[str]:
    """What it can do, in Ollama's words."""
    return [_CAPABILITIES[one] for one in info.capabilities if one in _CAPABILITIES]


def parameter_size(parameters: int | None) -> str:
    """A number of parameters for people: 134.52M, 8.0B; empty where it is not known."""
    if parameters is None:
        return ""
    for size, unit, digits in ((10**12, "T", 1), (10**9, "B", 1), (10**6, "M", 2), (10**3, "K", 2)):
        if parameters >= size:
            return f"{parameters / size:.{digits}f}{unit}"
    return str(parameters)
