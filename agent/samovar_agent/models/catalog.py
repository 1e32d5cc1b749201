"""The catalog: models that `samovar get` knows by name, with the digest of each file. Built in, so it needs no network.

choice = Catalog.built_in().resolve("smollm2-135m@q4_1")
choice.file.sha256
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from samovar_agent.models.naming import Named, meant, near
from samovar_protocol import FailureCode, SamovarError

FORMAT = 1
"""Version of the file's shape that this program reads."""

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Size = Annotated[int, Meta(gt=0)]
Text = Annotated[str, Meta(min_length=1)]


class PackageSource(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="python-package"):
    """A file inside a Python package. - requirement: pinned, `name==version`. - package_bytes: what is transferred."""

    requirement: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.!+]+$")]
    member: Text
    package_bytes: Size


Source = PackageSource
"""Where a file can come from; a tagged union by `kind`."""


class CatalogFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a model. - sources: tried in this order."""

    quantization: Text
    name: Annotated[str, Meta(pattern=r"^[^/\\]+\.gguf$")]
    size_bytes: Size
    sha256: Sha256
    sources: Annotated[list[Source], Meta(min_length=1)]


class CatalogModel(msgspec.Struct, frozen=True, kw_only=True):
    """One model. - aliases: further names. - languages: ISO 639-1. - files: the recommended one first."""

    name: Text
    aliases: list[str] = []
    publisher: Text
    title: Text
    description: Text
    licence: Text
    languages: list[str]
    capabilities: list[str]
    architecture: Text
    parameters: Size
    context_length: Size
    files: Annotated[list[CatalogFile], Meta(min_length=1)]


class _Document(msgspec.Struct, frozen=True):
    format: int
    models: list[CatalogModel]


@dataclass(frozen=True, slots=True)
class CatalogChoice:
    """One file of one model: what a name in the catalog stands for."""

    model: CatalogModel
    file: CatalogFile

    @property
    def key(self) -> str:
        """The name of the model everywhere else: `publisher/name`."""
        return f"{self.model.publisher}/{self.model.name}"


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
        try:
            document = msgspec.json.decode(data, type=_Document)
        except msgspec.MsgspecError as error:
            raise SamovarError(
                FailureCode.INTERNAL, f"The catalog is damaged: {error}.", hint="Install Samovar again."
            ) from error
        if document.format != FORMAT:
            raise SamovarError(
                FailureCode.INTERNAL, f"The catalog has format {document.format}, not {FORMAT}.", hint="Update Samovar."
            )
        return cls(document.models)

    def resolve(self, name: str) -> CatalogChoice:
        """The file that `name` or `name@quantization` stands for; raises `model_unknown` or `model_ambiguous`."""
        choices = {f"{choice.key}@{choice.file.quantization}": choice for choice in self._choices()}
        found = {choices[key].key: choices[key] for key in reversed(meant(name, self.names(), parts=False))}
        if not found:
            raise self._unknown(name)
        if len(found) > 1:
            raise SamovarError(
                FailureCode.MODEL_AMBIGUOUS,
                f"The catalog has several models for '{name}': {', '.join(sorted(found))}.",
                hint="Name one of them in full.",
            )
        return next(iter(found.values()))

    def names(self) -> list[Named]:
        """Everything that can be named in it."""
        return [
            Named(
                key=f"{choice.key}@{choice.file.quantization}",
                publisher=choice.model.publisher,
                name=choice.model.name,
                tag=choice.file.quantization,
                aliases=tuple(choice.model.aliases),
            )
            for choice in self._choices()
        ]

    def aliases(self, publisher: str, name: str) -> tuple[str, ...]:
        """Further names of a model, by which the library finds it too."""
        for model in self.models:
            if (model.publisher, model.name) == (publisher, name):
                return tuple(model.aliases)
        return ()

    def _choices(self) -> list[CatalogChoice]:
        return [CatalogChoice(model, file) for model in self.models for file in model.files]

    def _unknown(self, name: str) -> SamovarError:
        base = name.partition("@")[0]
        similar = near(base, [alias for model in self.models for alias in (model.name, *model.aliases)])
        if quantizations := [named.tag for named in self.names() if meant(base, [named], parts=False)]:
            hint = f"It is there as {base}@{f', {base}@'.join(quantizations)}."
        elif similar:
            hint = f"Did you mean {' or '.join(similar)}?"
        else:
            hint = f"The catalog has {', '.join(sorted(model.name for model in self.models))}."
        return SamovarError(FailureCode.MODEL_UNKNOWN, f"The catalog has no model '{name}'.", hint=hint)


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
