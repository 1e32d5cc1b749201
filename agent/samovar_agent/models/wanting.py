"""From a model that can be downloaded to what its download needs: files, and where they can be had and verified."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from samovar_agent.models.catalog import CatalogFile, CatalogModel, chosen
from samovar_agent.models.hub_facts import best
from samovar_agent.models.hub_names import check_file
from samovar_agent.models.sources import SHA256, HubSource, PackageSource, Part, Wanted, kind
from samovar_agent.paths import safe_path
from samovar_protocol import FailureCode, SamovarError

_ANYWHERE = Path("models")


def wanted_of(
    model: CatalogModel,
    quantization: str | None = None,
    *,
    file: str | None = None,
    folder: str = "",
    name: str = "",
    source: str | None = None,
) -> Wanted:
    """The file that is meant, from where it can be had.

    - quantization: None for the usual one. - file: its path in the repository. - folder: only what is in it.
    - source: only from there, where a file has such a source; the usual choice is then made among these.
    Raises `not_found` with what there is instead.
    """
    files = [one for one in model.files if not folder or f"{_folder(one)}/".startswith(f"{folder}/")]
    if file is not None:
        files = [one for one in files if _path(one) == file]
    elif quantization is not None:
        wanted = quantization.strip().casefold()
        files = [one for one in files if wanted in (one.quantization.casefold(), one.parts[0].name.casefold())]
    elif source is not None:
        files = [one for one in files if source in map(kind, model.sources_of(one))] or files
    if not files:
        raise _no_such_file(model, quantization or file or folder)
    usual = chosen(model)
    taken = usual if usual in files else best(files)
    assert taken is not None, "there are files"
    return Wanted(
        publisher=model.publisher,
        name=model.name,
        quantization=taken.quantization,
        parts=taken.parts,
        sources=model.sources_of(taken),
    )


def needs_digest(wanted: Wanted) -> bool:
    """Whether the size or the digest of a part is not known yet."""
    return not all(part.size_bytes and part.sha256 for part in wanted.parts)


def checked(
    wanted: Wanted, *, source: str | None, sha256: str | None, unverified: bool, problem: SamovarError | None
) -> Wanted:
    """`wanted` with only the sources that can be used, after every name and digest was looked at.

    - problem: why the hub was not asked; raised where only it could have said the digest.
    """
    _check_names(wanted)
    if sha256 is not None:
        wanted = _with_digest(wanted, sha256)
    sources = [place for place in wanted.sources if source in (None, kind(place))]
    if sha256 is not None and sources:
        # What is made here gets a digest of its own, that nobody can know beforehand.
        sources = [place for place in sources if not (isinstance(place, PackageSource) and place.convert)]
        if not sources:
            raise SamovarError(
                FailureCode.BAD_REQUEST,
                f"{wanted.key} is made here from published weights, so its digest is not known beforehand.",
                hint="Leave --sha256 out: the weights themselves are verified.",
            )
    if not sources:
        kinds = ", ".join(dict.fromkeys(kind(place) for place in wanted.sources))
        raise SamovarError(FailureCode.NOT_FOUND, f"{wanted.key} has no source '{source}'.", hint=f"It has {kinds}.")
    if all(part.sha256 for part in wanted.parts):
        return replace(wanted, sources=sources)
    # What is made here from something whose digest is known needs none beforehand.
    made_here = [place for place in sources if isinstance(place, PackageSource) and place.convert and place.sha256]
    if made_here:
        return replace(wanted, sources=made_here)
    if problem is not None and any(isinstance(place, HubSource) for place in sources):
        raise problem
    if unverified:
        return replace(wanted, sources=sources, unverified=True)
    raise SamovarError(
        FailureCode.BAD_REQUEST,
        f"Nobody says what the digest of {wanted.parts[0].name} is, so a download could not be verified.",
        hint="Name it with --sha256; or take the file as it comes with --unverified.",
    )


def _check_names(wanted: Wanted) -> None:
    """Raises `path_refused`, so that nothing is made of a name that could not be a file's."""
    for part in wanted.parts:
        check_file(part.name)
        safe_path(_ANYWHERE, wanted.publisher, wanted.name, part.name)
        if part.sha256 is not None and not SHA256.fullmatch(part.sha256):
            raise _no_digest(part.sha256)
    if len({part.name.casefold() for part in wanted.parts}) != len(wanted.parts):
        raise SamovarError(FailureCode.PATH_REFUSED, f"{wanted.key} has one file name twice.", hint="Take another one.")


def _with_digest(wanted: Wanted, sha256: str) -> Wanted:
    if not SHA256.fullmatch(sha256):
        raise _no_digest(sha256)
    first = wanted.parts[0]
    if len(wanted.parts) > 1:
        raise SamovarError(
            FailureCode.BAD_REQUEST,
            f"{wanted.key} is in {len(wanted.parts)} parts, which have a digest each.",
            hint="Leave --sha256 out; the hub knows them.",
        )
    if first.sha256 not in (None, sha256):
        raise SamovarError(
            FailureCode.DIGEST_MISMATCH,
            f"The digest of {first.name} is {first.sha256}, and not the one that was named.",
            hint="Somebody changed the file, or the digest belongs to another one.",
            details={"expected": sha256, "found": first.sha256 or ""},
        )
    return replace(wanted, parts=[Part(name=first.name, size_bytes=first.size_bytes, sha256=sha256)])


def _no_such_file(model: CatalogModel, what: str | None) -> SamovarError:
    there = ", ".join(file.quantization for file in model.files[:20])
    if not there:
        return SamovarError(
            FailureCode.NOT_FOUND,
            f"{model.key} has no GGUF file that could be used.",
            hint="Look for a repository of the same model with GGUF files: `samovar search`.",
        )
    return SamovarError(
        FailureCode.NOT_FOUND, f"{model.key} has no '{what}'.", hint=f"It has {there}: `{model.key}@…`."
    )


def _no_digest(sha256: str) -> SamovarError:
    return SamovarError(
        FailureCode.BAD_REQUEST,
        f"{sha256[:80]!r} is no SHA-256 digest.",
        hint="It is 64 characters, 0 to 9 and a to f.",
    )


def _folder(file: CatalogFile) -> str:
    return next((source.folder for source in file.sources if isinstance(source, HubSource)), "")


def _path(file: CatalogFile) -> str:
    folder = _folder(file)
    return f"{folder}/{file.parts[0].name}" if folder else file.parts[0].name
