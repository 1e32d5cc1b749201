"""Whose a model's files are, and how the one who owns them removes them."""

from __future__ import annotations

from samovar_agent.models.entry import Entry
from samovar_agent.models.gguf_reader import shown
from samovar_protocol import FailureCode, SamovarError


def refuse_removal(entry: Entry) -> None:
    """Raise `bad_request`, with what to do instead, for a model that is neither ours nor a link of ours."""
    if entry.origin in ("library", "link"):
        return
    key, folder = entry.info.key, shown(entry.path.parent)
    stop = "or set models.discover to false to list no other program's models"
    match entry.origin:
        case "folder":
            message = f"{key} lies in {folder}, which Samovar only reads."
            hint = "Delete the file yourself, or take its folder out of the setting models.folders."
        case "ollama":
            message = f"{key} belongs to Ollama."
            hint = f"Remove it there with `ollama rm {_in_ollama(entry)}`, {stop}."
        case "lmstudio":
            message = f"{key} belongs to LM Studio and lies in {folder}."
            hint = f"Remove it in LM Studio under My Models, {stop}."
        case "huggingface":
            message = f"{key} lies in the cache of the Hugging Face hub."
            hint = f"Remove it with `hf cache rm model/{entry.info.publisher}/{entry.info.name}`, {stop}."
        case "llama.cpp":
            message = f"{key} lies in llama.cpp's cache, {folder}."
            hint = f"Delete the file yourself, {stop}."
    raise SamovarError(FailureCode.BAD_REQUEST, message, hint=hint)


def _in_ollama(entry: Entry) -> str:
    """The name that Ollama itself uses."""
    if entry.found.aliases and "/" in entry.found.aliases[0]:
        return entry.found.aliases[0]
    return entry.info.name if entry.info.publisher == "ollama" else f"{entry.info.publisher}/{entry.info.name}"
