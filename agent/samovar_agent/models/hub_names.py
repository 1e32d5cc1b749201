"""What did a person mean by a name: a model of the catalog, a repository of the hub, an address, or a file here?

    parse("hf.co/bartowski/phi-4-GGUF:Q6_K", hub="https://huggingface.co")
    # HubName(repository="bartowski/phi-4-GGUF", quantization="Q6_K")

Nothing is asked and nothing is made; what could not be a name or would lead somewhere else is refused.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from samovar_agent.models.gguf_reader import printable
from samovar_agent.paths import safe_relative_path
from samovar_protocol import FailureCode, SamovarError

MAX_LENGTH = 2000
_HOSTS = frozenset({"huggingface.co", "www.huggingface.co", "hf.co"})
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]{0,199}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_OTHER_KINDS = frozenset({"api", "collections", "datasets", "docs", "papers", "spaces"})
_ANYWHERE = Path("models")
"""Names are checked as if they went below some folder; nothing is made there."""


@dataclass(frozen=True, slots=True)
class CatalogName:
    """A model of the catalog, or what else a name without a slash may mean. - quantization: None for the usual one."""

    name: str
    quantization: str | None = None


@dataclass(frozen=True, slots=True)
class HubName:
    """A repository of the hub.

    - file: path of the only file, or of the first part, that is meant. - folder: only what is in it.
    """

    repository: str
    revision: str = "main"
    quantization: str | None = None
    file: str | None = None
    folder: str = ""


@dataclass(frozen=True, slots=True)
class WebAddress:
    """A file on any other server."""

    url: str
    file_name: str


@dataclass(frozen=True, slots=True)
class LocalPath:
    """A file or a folder that can be reached from here. - path: absolute."""

    path: Path


Meant = CatalogName | HubName | WebAddress | LocalPath


def parse(name: str, *, hub: str) -> Meant:
    """What `name` stands for; `user/name` is a `HubName`, which a catalog that has it may claim first.

    - hub: address of the hub that is set; its addresses are understood beside those of huggingface.co.
    Raises `bad_request` for what is no name, and `path_refused` for what would lead out of its folder.
    """
    text = name.strip()
    if not text or len(text) > MAX_LENGTH or any(unicodedata.category(letter)[0] == "C" for letter in text):
        raise _no_name(name, "it is empty, too long, or has characters that cannot be seen")
    if text.startswith(("/", "~")) or Path(text).is_absolute():
        return LocalPath(_local(Path(text)))
    if "\\" in text:
        raise _refused(text, "it contains a backslash")
    if text.startswith("hf:"):
        return _hub_path(text, text.removeprefix("hf:").lstrip("/"))
    if scheme := _SCHEME.match(text):
        match scheme[1].lower():
            case "http" | "https":
                return _address(text, hub)
            case "file":
                return LocalPath(_file_address(text))
            case known if "/" not in scheme[1] and text.startswith(f"{scheme[1]}://"):
                raise _no_name(text, f"addresses of the kind {known}:// are not supported")
    host, slash, rest = text.partition("/")
    if slash and host.lower() in _HOSTS:
        return _hub_path(text, rest)
    if slash:
        return _hub_path(text, text)
    base, _, quantization = text.partition("@")
    return CatalogName(base, quantization or None)


def check_repository(repository: str) -> str:
    """`repository`, if it can be one; raises `path_refused`."""
    if not _REPOSITORY.fullmatch(repository) or ".." in repository:
        raise _refused(repository, "a repository is `user/name`, of letters a to z, digits, dots, dashes, underscores")
    safe_relative_path(_ANYWHERE, repository)
    return repository


def check_file(path: str) -> str:
    """`path`, if it can name a GGUF file in a repository; raises `path_refused`."""
    # Some letters look like a slash or a dot and become one where a file system or a program folds them.
    folded = unicodedata.normalize("NFKC", path)
    for form in (path, folded):
        safe_relative_path(_ANYWHERE, form)
    if folded.count("/") != path.count("/") or any(unicodedata.category(letter) == "Cf" for letter in path):
        raise _refused(path, "it has characters that cannot be seen or that pass for others")
    if not path.endswith(".gguf") or len(path) > MAX_LENGTH or len(path.rpartition("/")[2]) > 250:
        raise _refused(path, "it is no GGUF file")
    return path


def _address(text: str, hub: str) -> HubName | WebAddress:
    try:
        parts, own = urlsplit(text), urlsplit(hub)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise _no_name(text, f"it is no address: {error}") from error
    if not host or parts.username is not None:
        raise _no_name(text, "an address names a host, and neither user nor password")
    path = unquote(parts.path)
    if host in _HOSTS:
        return _hub_path(text, path)
    prefix = own.path.rstrip("/")
    if (host, port) == (own.hostname, own.port) and path.startswith(f"{prefix}/"):
        inside = path.removeprefix(prefix)
        # A mirror may have other files too.
        page = inside.strip("/").count("/") == 1 and not inside.endswith(".gguf")
        if page or {"resolve", "blob", "tree"}.intersection(inside.split("/")):
            return _hub_path(text, inside)
    file_name = unquote(parts.path.rpartition("/")[2])
    if "/" in file_name:
        raise _refused(text, "its file name has a slash in it")
    return WebAddress(text, check_file(file_name))


def _hub_path(text: str, path: str) -> HubName:
    """From `user/name`, or a page or a file of it, as they stand in addresses."""
    path = path.partition("?")[0].partition("#")[0].strip("/")
    head, at, quantization = path.partition("@")
    if not at:
        head, at, quantization = path.partition(":")
    segments = head.split("/")
    if len(segments) < 2 or segments[0] in _OTHER_KINDS or (at and not quantization):
        raise _no_name(text, "a model of the hub is named `user/name` or `user/name@quantization`")
    repository = check_repository("/".join(segments[:2]))
    rest = segments[2:]
    if not rest:
        return HubName(repository, quantization=quantization or None)
    if at:
        raise _no_name(text, "a quantization belongs behind a repository, not behind a file")
    if rest[0] in {"resolve", "blob", "raw"} and len(rest) > 2:
        # Branches may have slashes; the hub's own are `refs/...`.
        length = 3 if rest[1] == "refs" else 1
        file = "/".join(rest[1 + length :])
        return HubName(repository, _revision(text, "/".join(rest[1 : 1 + length])), file=check_file(file))
    if rest[0] == "tree" and len(rest) > 1:
        folder = "/".join(rest[2:])
        if folder:
            safe_relative_path(_ANYWHERE, folder)
        return HubName(repository, _revision(text, rest[1]), folder=folder)
    return HubName(repository, file=check_file("/".join(rest)))


def _revision(text: str, revision: str) -> str:
    if not _REVISION.fullmatch(revision) or ".." in revision:
        raise _refused(text, "that is no branch and no commit")
    return revision


def _file_address(text: str) -> Path:
    parts = urlsplit(text)
    if parts.netloc not in {"", "localhost"}:
        raise _no_name(text, "mount the other machine's folder and name its path")
    path = unquote(parts.path)
    # On Windows, file:///C:/models is C:/models.
    return _local(Path(path.lstrip("/")) if re.match(r"/[A-Za-z]:", path) else Path(path))


def _local(path: Path) -> Path:
    try:
        path = path.expanduser()
    except RuntimeError as error:
        raise _no_name(str(path), "there is no such home folder") from error
    if not path.is_absolute():
        raise _no_name(str(path), "it is not an absolute path")
    return path


def _no_name(name: str, why: str) -> SamovarError:
    return SamovarError(
        FailureCode.BAD_REQUEST,
        f"'{printable(name[:200])}' names no model: {why}.",
        hint="Name a model of the catalog, a repository `user/name`, an address, or an absolute path.",
    )


def _refused(name: str, why: str) -> SamovarError:
    return SamovarError(
        FailureCode.PATH_REFUSED,
        f"'{printable(name[:200])}' cannot be used: {why}.",
        hint="Check the name; a publisher who means well has no such files.",
    )
