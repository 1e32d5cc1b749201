"""Where things are in the description: the server's addresses, the parts of the API, what stands in paths."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from samovar_agent.http.dialects import dialect

Json = dict[str, Any]

SERVERS: list[Json] = [
    {"url": "/", "description": "Where this description came from."},
    {"url": "http://127.0.0.1:7266", "description": "Samovar on this machine, unless its settings say otherwise."},
]

_TAGS = {
    "server": "Is the server there, can it answer, what has it done.",
    "openai": "OpenAI's API, and rerank: chats, responses, texts, vectors, files and vector stores.",
    "anthropic": "Anthropic's Messages API.",
    "ollama": "Ollama's API.",
    "lmstudio": "LM Studio's API, versions 0 and 1.",
    "llama_cpp": "What editors' plugins ask llama.cpp's server.",
    "samovar: agent": "The agent itself: its state, settings, tokens, events, and what may leave this machine.",
    "samovar: models": "Models on this machine, in memory, and to be had.",
    "samovar: documents": "Collections of documents: what goes in, searches and answers with citations.",
    "samovar: conversations": "Conversations that are kept.",
}
"""The parts, in the order in which people read them."""

_PARTS = {
    "health": "server",
    "ready": "server",
    "metrics": "server",
    "openapi.json": "server",
    "v1": "openai",
    "lmstudio-greeting": "lmstudio",
    "lms-status": "lmstudio",
    "": "ollama",  # its clients ask for nothing but the root, to see whether somebody is there
}
"""By a path's first part, where the shape of its failures does not tell."""

_OURS = {
    **dict.fromkeys(("models", "instances", "catalog", "search", "downloads"), "samovar: models"),
    **dict.fromkeys(("collections", "documents"), "samovar: documents"),
    "conversations": "samovar: conversations",
}
"""Likewise, of paths below `/api/samovar`; the others are about the agent."""

_IN_PATHS: dict[str, tuple[str, str]] = {
    "id": ("The id.", ""),
    "name": ("The name.", ""),
    "/models/{id}": ("The model's key, or another name of it.", "HuggingFaceTB/SmolLM2-135M-Instruct"),
    "/models/{name}": ("The model's key, or another name of it.", "HuggingFaceTB/SmolLM2-135M-Instruct"),
    "/tokens/{name}": ("The token's name.", "editor"),
    "/responses/{id}": ("The response's id.", "resp_example"),
    "/downloads/{id}": ("The download's number.", "1"),
    "batch": ("The batch's id.", "vsfb_example"),
    "collection": ("The collection's name.", "notes"),
    "conversation": ("The conversation's number.", "1"),
    "digest": ("Digest of a file.", "sha256:" + 64 * "0"),
    "document": ("The document's number.", "1"),
    "file": ("The file's id.", "file-example"),
    "job": ("The job's id, as its begin said it.", "job_1"),
    "key": ("The setting, dotted.", "models.ttl_minutes"),
    "store": ("The vector store's id.", "vs_example"),
}
"""What stands in a path's place, by its name or, where that says too little, with the word before it; and one such."""


def tag(path: str) -> str:
    """The part that a path belongs to."""
    parts = path.strip("/").split("/")
    if parts[:2] == ["api", "samovar"]:
        return _OURS.get(parts[2], "samovar: agent")
    return dialect(path) or _PARTS[parts[0]]


def tags(used: Iterable[str]) -> list[Json]:
    """What the parts are, of those that are used."""
    names = set(used)
    return [{"name": name, "description": about} for name, about in _TAGS.items() if name in names]


def path_parameter(name: str, path: str) -> Json:
    """What stands in a path as `{name}`."""
    before = path.partition(f"/{{{name}}}")[0].rpartition("/")[2]
    about, example = _IN_PATHS.get(f"/{before}/{{{name}}}") or _IN_PATHS[name]
    parameter: Json = {"name": name, "in": "path", "required": True, "description": about}
    if example:
        parameter["example"] = example
    return {**parameter, "schema": {"type": "string", "minLength": 1}}
