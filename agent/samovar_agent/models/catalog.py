"""The catalog: models that `samovar get` knows by name. Built in, so it needs no network.

    choice = Catalog.built_in().resolve("smollm2-135m@q4_1")
    choice.key, choice.file.parts[0].sha256

What is in the file was true when it was made. What the hub says since then, `catalog_service` adds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from samovar_agent.models.naming import Named, meant, near
from samovar_agent.models.sources import HubSource, Part, Size, Source, Text
from samovar_protocol import FailureCode, SamovarError

FORMAT = 2
"""Version of the file's shape that this program reads."""
MAX_BYTES = 10_000_000
"""A catalog of some hundred models has a few hundred kilobytes; one that is larger than this is none."""
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")
"""What publishers and models may be called: their names become folders."""

PlainName = Annotated[str, Meta(pattern=rf"^{PLAIN_NAME.pattern}\Z")]
Tag = Annotated[str, Meta(pattern=r"^[^@/\\\s]{1,200}\Z")]


class CatalogFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a model can be downloaded as: one file, or all parts of a split one in order.

    - sources: tried in this order; none means the model's `hub`.
    """

    quantization: Tag
    parts: Annotated[list[Part], Meta(min_length=1, max_length=1000)]
    sources: list[Source] = []

    @property
    def size_bytes(self) -> int | None:
        """Of all parts; None where one is not known."""
        sizes = [part.size_bytes for part in self.parts if part.size_bytes is not None]
        return sum(sizes) if len(sizes) == len(self.parts) else None

    @property
    def complete(self) -> bool:
        """Whether size and digest of every part are known."""
        return all(part.size_bytes and part.sha256 for part in self.parts)


class CatalogModel(msgspec.Struct, frozen=True, kw_only=True):
    """One model. - aliases: further names. - languages: ISO 639-1, or "multilingual"; none where nobody stated them.

    - hub: where its files are, also those that are not listed here. - files: as far as they are known, best first.
    - recommended: quantization that `get` takes; None for the usual choice.
    - licence, architecture, parameters, context_length: as its publisher states them; None where that is not known.
    """

    name: PlainName
    aliases: list[PlainName] = []
    publisher: PlainName
    title: Text
    description: Text
    licence: Text | None = None
    languages: list[Text] = []
    capabilities: list[Text] = []
    architecture: Text | None = None
    parameters: Size | None = None
    context_length: Size | None = None
    hub: HubSource | None = None
    files: list[CatalogFile] = []
    recommended: Tag | None = None

    def __post_init__(self) -> None:
        if self.hub is None and not (self.files and all(file.sources for file in self.files)):
            raise ValueError(f"{self.name} has files that can be had nowhere")

    @property
    def key(self) -> str:
        """Its name everywhere else: `publisher/name`."""
        return f"{self.publisher}/{self.name}"

    @property
    def writes(self) -> bool:
        """Whether it writes text, and is not for embedding or ranking only."""
        return not {"embedding", "rerank"}.intersection(self.capabilities)

    def sources_of(self, file: CatalogFile) -> list[Source]:
        """Where a file of it can be had."""
        return file.sources or ([self.hub] if self.hub else [])


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """The catalog's file."""

    format: int
    models: list[CatalogModel]


@dataclass(frozen=True, slots=True)
class CatalogChoice:
    """What a name in the catalog stands for. - file: None where only the hub knows which there are."""

    model: CatalogModel
    file: CatalogFile | None

    @property
    def key(self) -> str:
        """The name of the model everywhere else: `publisher/name`."""
        return self.model.key


class Catalog:
    """The models that can be got by name."""

    def __init__(self, models: Sequence[CatalogModel]) -> None:
        self.models = tuple(models)

    @classmethod
    def built_in(cls) -> Catalog:
        """The catalog that came with this program."""
        return _built_in()

    @classmethod
    def decode(cls, data: bytes) -> Catalog:
        """Read a catalog; raises `internal` where it is not one."""
        if len(data) > MAX_BYTES:
            raise SamovarError(
                FailureCode.INTERNAL, f"The catalog has {len(data):,} bytes, which no catalog has.", hint=_AGAIN
            )
        try:
            document = msgspec.json.decode(data, type=Document)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise SamovarError(FailureCode.INTERNAL, f"The catalog is damaged: {error}.", hint=_AGAIN) from error
        if document.format != FORMAT:
            raise SamovarError(
                FailureCode.INTERNAL, f"The catalog has format {document.format}, not {FORMAT}.", hint="Update Samovar."
            )
        return cls(document.models)

    def find(self, name: str) -> CatalogModel | None:
        """The model of this name, without any quantization; raises `model_ambiguous` where there are several."""
        named = [
            Named(key=model.key, publisher=model.publisher, name=model.name, tag="", aliases=tuple(model.aliases))
            for model in self.models
        ]
        found = meant(name, named, parts=False)
        if len(found) > 1:
            raise SamovarError(
                FailureCode.MODEL_AMBIGUOUS,
                f"The catalog has several models for '{name}': {', '.join(sorted(found))}.",
                hint="Name one of them in full.",
            )
        return next((model for model in self.models if [model.key] == found), None)

    def resolve(self, name: str) -> CatalogChoice:
        """What `name` or `name@quantization` stands for here; raises `model_unknown` or `model_ambiguous`."""
        base, at, tag = name.partition("@")
        model = self.find(base)
        if model is None:
            raise self.unknown(name)
        if not at:
            return CatalogChoice(model, chosen(model))
        for file in model.files:
            if file.quantization.casefold() == tag.strip().casefold():
                return CatalogChoice(model, file)
        raise self.unknown(name)

    def aliases(self, publisher: str, name: str) -> tuple[str, ...]:
        """Further names of a model, by which the library finds it too."""
        return _aliases(self).get((publisher, name), ())

    def unknown(self, name: str) -> SamovarError:
        """Says that the catalog does not have `name`, and what it has."""
        base, at, _ = name.partition("@")
        model = self.find(base) if at else None
        similar = near(base, [alias for model in self.models for alias in (model.name, *model.aliases)])
        if model and model.files:
            hint = f"It is there as {', '.join(f'{base}@{file.quantization}' for file in model.files)}."
        elif similar:
            hint = f"Did you mean {' or '.join(similar)}?"
        else:
            hint = "See `samovar catalog`, or name a repository of the hub as `user/name`."
        return SamovarError(FailureCode.MODEL_UNKNOWN, f"The catalog has no model '{name}'.", hint=hint)


def chosen(model: CatalogModel) -> CatalogFile | None:
    """The file to take where no quantization is named: the recommended one, or else the first."""
    recommended = (file for file in model.files if file.quantization == model.recommended)
    return next(recommended, model.files[0] if model.files else None)


_AGAIN = "Install Samovar again."


@cache
def _aliases(catalog: Catalog) -> dict[tuple[str, str], tuple[str, ...]]:
    return {(model.publisher, model.name): tuple(model.aliases) for model in catalog.models}


@cache
def _built_in() -> Catalog:
    package = Path(__file__).parent.parent
    installed = package / "assets" / "catalog.json"
    # In an editable install the packages are read from `agent/`, beside `assets/`.
    file = installed if installed.exists() else package.parent.parent / "assets" / "catalog.json"
    try:
        data = file.read_bytes()
    except OSError as error:
        raise SamovarError(
            FailureCode.INTERNAL, f"The built-in catalog is not at {file}.", hint="Install Samovar again."
        ) from error
    return Catalog.decode(data)
