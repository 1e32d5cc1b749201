"""The catalog and the hub together: what each model can be downloaded as, and whether this machine could load it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from samovar_agent.models.catalog import CatalogFile, CatalogModel, chosen
from samovar_agent.models.fit import SHORTEST_CONTEXT, fit, need
from samovar_agent.models.hub_facts import HubFacts, best, files_of
from samovar_agent.models.sources import HubSource, kind
from samovar_protocol.values import CatalogEntry, FileOption, ModelInfo


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine now. - free_bytes: of memory. - usual_context: tokens that a load takes where it names none."""

    free_bytes: int
    usual_context: int


class Here:
    """Which files are on this machine already; told from the library's list."""

    def __init__(self, models: Iterable[ModelInfo]) -> None:
        ready = [model for model in models if model.state == "ready"]
        self._digests = {model.sha256 for model in ready if model.sha256}
        self._files = {(Path(model.path).name, model.size_bytes): model.sha256 for model in ready}
        self._places = {(model.publisher, model.name, Path(model.path).name) for model in ready}

    def has(self, model: CatalogModel, file: CatalogFile) -> bool:
        """Whether this file is here: by digest, else by name and size, else where it would go."""
        first = file.parts[0]
        if len(file.parts) == 1 and first.sha256:
            known = self._files.get((first.name, first.size_bytes or 0), "")
            return first.sha256 in self._digests or known is None
        if (first.name, file.size_bytes) in self._files:
            return True
        return (model.publisher, model.name, first.name) in self._places


def merged(model: CatalogModel, facts: HubFacts | None) -> CatalogModel:
    """The model with what the hub said: sizes, digests, and files that the catalog does not list.

    Where the hub has other bytes under the name of a file that also comes from elsewhere, it is no source of that file.
    """
    if model.hub is None or facts is None or facts.repository != model.hub.repository:
        return model
    on_hub = {_names(file): file for file in files_of(facts, model.hub.folder)}
    files: list[CatalogFile] = []
    for file in model.files:
        theirs = on_hub.pop(_names(file), None) if _comes_from(model, file) else None
        if together := _together(model, file, theirs):
            files.append(together)
    taken = {file.quantization.casefold() for file in files}
    files += [file for file in on_hub.values() if file.quantization.casefold() not in taken]
    return replace(model, files=files, licence=model.licence or facts.licence)


def from_hub(facts: HubFacts) -> CatalogModel:
    """A repository that the catalog does not have, as a model: named as it is named there."""
    publisher, _, name = facts.repository.partition("/")
    files = files_of(facts)
    usual = best(files)
    return CatalogModel(
        name=name,
        publisher=publisher,
        title=name,
        description=f"On the hub as {facts.repository}.",
        licence=facts.licence,
        hub=HubSource(repository=facts.repository, revision=facts.revision),
        files=files,
        recommended=usual.quantization if usual else None,
    )


def entry(
    model: CatalogModel, facts: HubFacts | None, machine: Machine, here: Here, *, in_catalog: bool
) -> CatalogEntry:
    """A model for people to choose from. - model: merged already."""
    usual = chosen(model)
    sizes = [file.size_bytes for file in model.files if file.size_bytes]
    shortest = SHORTEST_CONTEXT if model.writes else 0
    return CatalogEntry(
        key=model.key,
        publisher=model.publisher,
        name=model.name,
        aliases=model.aliases,
        title=model.title,
        description=model.description,
        licence=model.licence,
        languages=model.languages,
        capabilities=model.capabilities,
        architecture=model.architecture,
        parameters=model.parameters,
        context_length=model.context_length,
        minimum_memory_bytes=min((need(size, model.parameters, shortest) for size in sizes), default=None),
        downloads=facts.downloads if facts else None,
        likes=facts.likes if facts else None,
        updated_at=facts.updated_at if facts else None,
        gated=facts.gated if facts else False,
        catalog=in_catalog,
        files=[_option(model, file, machine, here) for file in model.files],
        recommended=f"{model.key}@{usual.quantization}" if usual else None,
    )


def _option(model: CatalogModel, file: CatalogFile, machine: Machine, here: Here) -> FileOption:
    size = file.size_bytes
    return FileOption(
        name=f"{model.key}@{file.quantization}",
        quantization=file.quantization,
        size_bytes=size,
        sha256=file.parts[0].sha256 if len(file.parts) == 1 else None,
        parts=len(file.parts),
        sources=list(dict.fromkeys(kind(source) for source in model.sources_of(file))),
        fit=None
        if size is None
        else fit(
            size_bytes=size,
            parameters=model.parameters,
            context_length=model.context_length,
            usual_context=machine.usual_context,
            free_bytes=machine.free_bytes,
            writes=model.writes,
        ),
        present=here.has(model, file),
    )


def _together(model: CatalogModel, file: CatalogFile, theirs: CatalogFile | None) -> CatalogFile | None:
    """One file of the catalog with what the hub says of it; None where nobody has it any more."""
    others = [source for source in model.sources_of(file) if not isinstance(source, HubSource)]
    if theirs is None:
        if not _comes_from(model, file):
            return file
        return replace(file, sources=others) if others else None
    differ = any(ours.sha256 != part.sha256 for ours, part in zip(file.parts, theirs.parts, strict=True))
    if file.complete and differ and others:
        return replace(file, sources=others)
    sources = [theirs.sources[0] if isinstance(s, HubSource) else s for s in model.sources_of(file)]
    return replace(file, parts=theirs.parts, sources=sources)


def _comes_from(model: CatalogModel, file: CatalogFile) -> bool:
    """Whether the model's repository is said to have this file."""
    assert model.hub is not None
    return any(
        isinstance(source, HubSource) and source.repository == model.hub.repository for source in model.sources_of(file)
    )


def _names(file: CatalogFile) -> tuple[str, ...]:
    return tuple(part.name for part in file.parts)
