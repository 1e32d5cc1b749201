"""Files that are not on the hub: at an address of the web, or in a folder that can be reached from here.

    wanted = await Addresses(gate, http).of_web(address, sha256=None, unverified=False, requester="samovar get")

Such a file has a digest too before its download begins: one that a person names, or that lies beside it as
`<file>.sha256`; that of a file here is computed where nobody names it.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from itertools import islice
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from samovar_agent.models.files import parts, stem_and_tag
from samovar_agent.models.found import OWN_PUBLISHER
from samovar_agent.models.gguf_reader import printable, shown
from samovar_agent.models.hub_facts import HubFacts, KnownFile, best, files_of
from samovar_agent.models.hub_names import LocalPath, WebAddress, check_file
from samovar_agent.models.sources import FolderSource, Part, UrlSource, Wanted
from samovar_agent.network.gate import Gate
from samovar_agent.network.http import Http, refusal_of
from samovar_agent.threads import Stopped, stoppable
from samovar_protocol import FailureCode, SamovarError

_DIGEST_LINE = re.compile(r"\s*([0-9a-fA-F]{64})(?:\s+\*?(\S.*?))?\s*")
_DIGEST_FILE_BYTES = 10_000
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.-]+")
_MAX_FILES = 1000


class Addresses:
    """Finds out what there is to know about a file before it is downloaded."""

    def __init__(self, gate: Gate, http: Http) -> None:
        self._gate = gate
        self._http = http

    async def of_web(self, address: WebAddress, *, sha256: str | None, requester: str) -> Wanted:
        """A file on any server, or all parts of a split one; digests are None where nobody says them."""
        names = [part.name for part in parts(Path(address.file_name))]
        _refuse_one_digest(sha256, names)
        stem, tag = stem_and_tag(address.file_name)
        return Wanted(
            publisher=_plain(urlsplit(address.url).hostname or "") or "web",
            name=_plain(stem) or "model",
            quantization=tag or stem,
            parts=[await self._part(beside(address.url, name), name, sha256, requester) for name in names],
            sources=[UrlSource(url=address.url)],
        )

    async def of_path(self, local: LocalPath, *, sha256: str | None) -> Wanted:
        """A file, or the best of a folder's files; all parts of a split one.

        Raises `model_file_missing`, `not_found` for a folder without models, `path_refused`, `bad_request`.
        """
        return await stoppable(lambda stop: _of_path(local.path, sha256, stop))

    async def _part(self, url: str, name: str, sha256: str | None, requester: str) -> Part:
        size = await self._size(url, name, requester)
        return Part(name=name, size_bytes=size, sha256=sha256 or await self._digest(url, name, requester))

    async def _size(self, url: str, name: str, requester: str) -> int | None:
        """None where the server does not say; the transfer itself will."""
        host = urlsplit(url).hostname or ""
        async with (
            self._gate.connection(
                "model-download", host, requester, asked=True, detail=f"size of {name}"
            ) as connection,
            self._http.request(connection, url, method="HEAD") as response,
        ):
            if response.status in (403, 405, 501):  # signed addresses are for one method only
                return None
            if response.status != 200:
                raise refusal_of(response, name)
            length = response.headers.get("Content-Length", "")
            return int(length) if re.fullmatch(r"[1-9]\d{0,14}", length) else None

    async def _digest(self, url: str, name: str, requester: str) -> str | None:
        """What a file beside it says, `<file>.sha256`."""
        address = urlsplit(url)
        beside = urlunsplit(address._replace(path=f"{address.path}.sha256", fragment=""))
        async with (
            self._gate.connection(
                "model-download", address.hostname or "", requester, asked=True, detail=f"digest of {name}"
            ) as connection,
            self._http.request(connection, beside) as response,
        ):
            if response.status != 200:
                return None
            try:
                body = await response.read(_DIGEST_FILE_BYTES)
            except SamovarError:
                return None  # a page, or anything else that is no digest
        return digest_in(body, name)


def digest_in(body: bytes, file_name: str) -> str | None:
    """The digest of a file in what `sha256sum` wrote, or a digest alone; None where it is neither."""
    for line in body.decode("utf-8", "replace").splitlines():
        found = _DIGEST_LINE.fullmatch(line)
        if found and (found[2] is None or found[2].rpartition("/")[2] == file_name):
            return found[1].lower()
    return None


def _of_path(path: Path, sha256: str | None, stop: threading.Event) -> Wanted:
    try:
        if path.is_dir():
            folder, names = path, _in_folder(path)
        elif path.is_file():
            folder, names = path.parent, [part.name for part in parts(path)]
        else:
            raise _missing(path)
        for name in names:
            check_file(name)
        _refuse_one_digest(sha256, names)
        known = [_local_part(folder / name, sha256, stop) for name in names]
    except OSError as error:
        raise _missing(path, f": {error.strerror or error}") from error
    stem, tag = stem_and_tag(names[0])
    return Wanted(
        publisher=OWN_PUBLISHER,
        name=_plain(stem) or "model",
        quantization=tag or stem,
        parts=known,
        sources=[FolderSource(path=str(folder))],
    )


def _in_folder(folder: Path) -> list[str]:
    """Names of the parts of the file to take."""
    with os.scandir(folder) as entries:
        names = (entry.name for entry in entries if entry.name.endswith(".gguf") and entry.is_file())
        found = [KnownFile(path=name) for name in islice(names, _MAX_FILES)]
    if usual := best(files_of(HubFacts(repository="a/folder", files=found))):
        return [part.name for part in usual.parts]
    raise SamovarError(
        FailureCode.NOT_FOUND,
        f"{shown(folder)} has no GGUF file that could be used.",
        hint="Name the .gguf file itself.",
    )


def _local_part(path: Path, sha256: str | None, stop: threading.Event) -> Part:
    beside = path.with_name(f"{path.name}.sha256")
    if beside.is_file() and beside.stat().st_size <= _DIGEST_FILE_BYTES:
        sha256 = digest_in(beside.read_bytes(), path.name) or sha256
    if sha256 is None:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while data := file.read(1 << 20):
                if stop.is_set():
                    raise Stopped
                digest.update(data)
        sha256 = digest.hexdigest()
    return Part(name=path.name, size_bytes=path.stat().st_size or None, sha256=sha256)


def _refuse_one_digest(sha256: str | None, names: list[str]) -> None:
    if sha256 and len(names) > 1:
        raise SamovarError(
            FailureCode.BAD_REQUEST,
            f"{printable(names[0])} is one of {len(names)} parts, which have a digest each.",
            hint=f"Put each into a file beside it, {printable(names[0])}.sha256 and so on, or leave it out.",
        )


def beside(url: str, name: str) -> str:
    """The address of another file in the same place."""
    address = urlsplit(url)
    return urlunsplit(address._replace(path=f"{address.path.rpartition('/')[0]}/{quote(name)}"))


def _plain(text: str) -> str:
    """`text` with what a folder's name may have."""
    return _NOT_PLAIN.sub("-", text).strip("-.")[:90]


def _missing(path: Path, why: str = "") -> SamovarError:
    return SamovarError(
        FailureCode.MODEL_FILE_MISSING,
        f"{shown(path)} is not there or cannot be read{why}.",
        hint="Check the path; for a network folder, that it is mounted.",
    )
