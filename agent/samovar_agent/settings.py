"""Settings: `config.toml`, typed, with defaults that need no reading.

    settings = SettingsFile(places.config_file)
    settings.current.server.port
    settings.set("server.port", 8080)

A change is written atomically beside the old file and keeps the user's comments. A file that cannot be read stops
the agent with a sentence that names the line; it is never overwritten.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import NetworkPolicy, Setting

SettingValue = str | int | float | bool | list[str]
ENVIRONMENT = {
    "SAMOVAR_NETWORK": "network.policy",
    "HF_ENDPOINT": "network.hub",
    "SAMOVAR_DISCOVER": "models.discover",
    "SAMOVAR_PORT": "server.port",
}
"""Environment variables that win over the file, for one run."""


class ServerSettings(msgspec.Struct, frozen=True):
    """The local HTTP server."""

    port: Annotated[
        int,
        Meta(ge=0, le=65535, description="Port of the local server; 0 takes any free one. Takes effect at restart."),
    ] = 7266
    port_fallback: Annotated[
        bool, Meta(description="Where the port is taken, use the next free one instead of going without HTTP.")
    ] = False
    hosts: Annotated[
        list[str], Meta(description="Addresses to listen on. Any other than loopback needs an API token.")
    ] = msgspec.field(default_factory=lambda: ["127.0.0.1", "::1"])
    require_token: Annotated[bool, Meta(description="Ask for an API token on loopback too.")] = False
    allowed_hosts: Annotated[
        list[str], Meta(description="Names beside localhost that a request's Host header may have.")
    ] = []
    allowed_origins: Annotated[
        list[str], Meta(description="Web origins that may use the server from a browser, e.g. http://localhost:3000.")
    ] = []
    ollama_port: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="A further port of this machine where Ollama's clients find the server, usually 11434; "
            "0 for none. Takes effect at restart.",
        ),
    ] = 0
    lmstudio_port: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="A further port of this machine where LM Studio's clients find the server, usually 1234; "
            "0 for none. Takes effect at restart.",
        ),
    ] = 0
    unix_socket: Annotated[
        bool,
        Meta(description="Listen on a Unix socket too, which only this user can open. Takes effect at restart."),
    ] = False
    tls_certificate: Annotated[
        str,
        Meta(
            description="PEM file with the certificate, and those between it and its issuer, for https at server.port; "
            "empty for http. Takes effect at restart."
        ),
    ] = ""
    tls_key: Annotated[str, Meta(description="PEM file with the certificate's private key, without a passphrase.")] = ""
    max_connections: Annotated[
        int, Meta(ge=1, le=100_000, description="Connections to the server at the same time; more are refused.")
    ] = 512
    max_connections_per_client: Annotated[
        int, Meta(ge=1, le=100_000, description="The same for one address of another machine.")
    ] = 64
    max_requests_per_client: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="Requests that are answered at the same time for one API token, or for one address of another "
            "machine; more are told to come back.",
        ),
    ] = 64


class NetworkSettings(msgspec.Struct, frozen=True):
    """What may leave the machine."""

    policy: Annotated[
        NetworkPolicy,
        Meta(description="online allows downloads and refreshes, ask only those asked for, offline none."),
    ] = "online"
    hub: Annotated[str, Meta(description="Address of the model hub or a mirror of it; HF_ENDPOINT wins over this.")] = (
        "https://huggingface.co"
    )
    megabytes_per_second: Annotated[
        float,
        Meta(
            ge=0,
            le=1_000_000,
            description="Bandwidth that downloads may take together; 0 for all there is. Python packages are fetched "
            "by pip, which it does not slow down.",
        ),
    ] = 0.0
    connections: Annotated[
        int, Meta(ge=1, le=16, description="Connections that one download may open at the same time.")
    ] = 4
    refresh_hours: Annotated[
        float, Meta(ge=0, description="Refresh the catalog after so many hours, when there is a network; 0 never.")
    ] = 24.0


class ModelSettings(msgspec.Struct, frozen=True):
    """Loading and finding models."""

    folders: Annotated[list[str], Meta(description="Further folders with GGUF files, read only.")] = []
    discover: Annotated[
        bool,
        Meta(description="Use models of LM Studio, Ollama, the Hugging Face cache and llama.cpp where they lie."),
    ] = True
    aliases: Annotated[
        list[str], Meta(description="Further names for models, each as name=publisher/model or …/model@quantization.")
    ] = []
    context_length: Annotated[
        int,
        Meta(
            ge=128,
            le=100_000_000,
            description="Tokens of context where a load names none; never above the model's own.",
        ),
    ] = 8192
    ttl_minutes: Annotated[
        float, Meta(ge=0, description="Unload a model that a request loaded after so long without use; 0 never.")
    ] = 60.0


class EngineSettings(msgspec.Struct, frozen=True):
    """The engine workers."""

    threads: Annotated[int, Meta(ge=0, le=1024, description="Threads of a worker; 0 takes the machine's cores.")] = 0
    queue_limit: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Requests that may wait for one model; more are told to come back.")
    ] = 256
    hang_seconds: Annotated[
        float,
        Meta(
            ge=0,
            description="End a worker that has work but takes no processor time for so long, or computes ten times as "
            "long in silence; 0 never.",
        ),
    ] = 60.0
    snapshot_gigabytes: Annotated[
        float, Meta(ge=0, description="Disk space for computed prefixes, kept over restarts; 0 keeps none.")
    ] = 4.0


class DocumentSettings(msgspec.Struct, frozen=True):
    """Documents and their search."""

    embedding_model: Annotated[
        str,
        Meta(
            max_length=300,
            description="Model that makes the vectors of new collections; empty for the smallest that is there.",
        ),
    ] = ""


class LogSettings(msgspec.Struct, frozen=True):
    """The agent's log."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="Least severe line to keep.")] = (
        "info"
    )


class TraySettings(msgspec.Struct, frozen=True):
    """The tray icon."""

    enabled: Annotated[bool, Meta(description="Start the tray with the agent where a tray can exist.")] = True


class Settings(msgspec.Struct, frozen=True):
    """All settings; one section a part of the agent."""

    server: ServerSettings = ServerSettings()
    network: NetworkSettings = NetworkSettings()
    models: ModelSettings = ModelSettings()
    engine: EngineSettings = EngineSettings()
    documents: DocumentSettings = DocumentSettings()
    logs: LogSettings = LogSettings()
    tray: TraySettings = TraySettings()


RESTART_NEEDED = frozenset(
    {
        "server.port",
        "server.port_fallback",
        "server.hosts",
        "server.ollama_port",
        "server.lmstudio_port",
        "server.unix_socket",
        "server.tls_certificate",
        "server.tls_key",
        "tray.enabled",
    }
)
"""Settings that take effect at the agent's next start."""


class SettingsFile:
    """The settings file and its contents.

    - path: the TOML file; need not exist. - environ: for `ENVIRONMENT`; tests pass their own.
    - current: the settings that hold now. - unknown: keys in the file that no setting has, for `doctor`.
    Raises `setting_invalid` where the file cannot be read, is not TOML, or a value does not fit.
    """

    def __init__(self, path: Path, environ: dict[str, str] | None = None) -> None:
        self.path = path
        self._environ = dict(os.environ) if environ is None else environ
        self.current, self.unknown = self._read()

    def ls(self) -> list[Setting]:
        """Every setting, sorted by key."""
        return sorted(self._settings(self.current), key=lambda setting: setting.key)

    def get(self, key: str) -> Setting:
        """One setting; raises `setting_unknown`, with the nearest names."""
        for setting in self._settings(self.current):
            if setting.key == key:
                return setting
        raise _unknown(key)

    def set(self, key: str, value: SettingValue | None) -> Setting:
        """Change one setting, in the file and here; None returns it to its default.

        Text from a command line is read as the setting's type. Raises `setting_unknown`, `setting_invalid` (also where
        the file was broken meanwhile), or `disk_full`, after which the old settings are intact.
        """
        self.get(key)
        section, name = key.split(".")
        text = self._text()
        document = self._parse(text)
        if value is None:
            document.get(section, {}).pop(name, None)
        else:
            value = _typed(key, value)
            self._refuse_held(key, value)
            document.setdefault(section, {})[name] = value
        changed = _convert(self._with_environment(document), self.path)
        self._write(text, section, name, value)
        self.current = changed
        return self.get(key)

    def _refuse_held(self, key: str, value: SettingValue) -> None:
        for variable, held in ENVIRONMENT.items():
            text = self._environ.get(variable)
            if held == key and text and _typed(key, text) != value:
                raise SamovarError(
                    FailureCode.SETTING_INVALID,
                    f"{key} is {text!r} as long as the agent runs with {variable}={text}, which wins over the file.",
                    hint=f"Start the agent without {variable}, then set it.",
                )

    def _read(self) -> tuple[Settings, list[str]]:
        document = self._parse(self._text())
        known = {setting.key for setting in self._settings(Settings())}
        unknown = [
            f"{section}.{name}" if isinstance(values, dict) else section
            for section, values in document.items()
            for name in (values if isinstance(values, dict) else [section])
            if f"{section}.{name}" not in known
        ]
        return _convert(self._with_environment(document), self.path), unknown

    def _with_environment(self, document: dict[str, Any]) -> dict[str, Any]:
        for variable, key in ENVIRONMENT.items():
            if text := self._environ.get(variable):
                section, name = key.split(".")
                document.setdefault(section, {})[name] = _typed(key, text)
        return document

    def _text(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8-sig")  # Windows' editors begin a file with a byte order mark
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise SamovarError(
                FailureCode.SETTING_INVALID, f"{self.path} cannot be read: {error}.", hint="Save it as UTF-8 text."
            ) from error

    def _parse(self, text: str) -> dict[str, Any]:
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SamovarError(
                FailureCode.SETTING_INVALID, f"{self.path} is not valid TOML: {error}.", hint="Correct that line."
            ) from error
        for section in Settings.__struct_fields__:
            if not isinstance(document.get(section, {}), dict):
                raise SamovarError(
                    FailureCode.SETTING_INVALID,
                    f"'{section}' in {self.path} is not a section.",
                    hint=f"Write [{section}] on a line of its own, and its settings below.",
                )
        return document

    def _write(self, text: str, section: str, name: str, value: SettingValue | None) -> None:
        import tomlkit

        document = tomlkit.parse(text)
        if section not in document:
            document[section] = tomlkit.table()
        table: Any = document[section]
        if value is None:
            table.pop(name, None)
        else:
            table[name] = value
        write_atomically(self.path, tomlkit.dumps(document).encode())

    @staticmethod
    def _settings(settings: Settings) -> Iterator[Setting]:
        defaults = Settings()
        for section in Settings.__struct_fields__:
            values, default_values = getattr(settings, section), getattr(defaults, section)
            hints = get_type_hints(type(values), include_extras=True)
            for name in type(values).__struct_fields__:
                meta = next(arg for arg in get_args(hints[name]) if isinstance(arg, Meta))
                yield Setting(
                    key=f"{section}.{name}",
                    value=getattr(values, name),
                    default=getattr(default_values, name),
                    about=meta.description or "",
                )


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` by `data` so that a crash or a full disk leaves either the old file or the new one.

    A symbolic link stays one, and its target is replaced. Raises `disk_full`.
    """
    path = path.resolve()
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise SamovarError(
            FailureCode.DISK_FULL,
            f"{path} could not be written: {error.strerror or error}.",
            hint="Free some room or correct the folder's permissions; the old file is intact.",
        ) from error


def _typed(key: str, value: SettingValue) -> SettingValue:
    """`value` as the type of the setting, so that `config set server.port 8080` needs no quoting rules."""
    section, name = key.split(".")
    hints = get_type_hints(type(getattr(Settings(), section)), include_extras=True)
    kind = hints[name]
    base = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if get_origin(base) is list and isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if base is bool and isinstance(value, str):
        value = {"on": "true", "yes": "true", "off": "false", "no": "false"}.get(value.lower(), value)
    try:
        typed: SettingValue = msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise SamovarError(
            FailureCode.SETTING_INVALID, f"{key} cannot be {_shown(value)}: {error}.", hint="See `samovar config ls`."
        ) from error
    return typed


def _shown(value: SettingValue) -> str:
    """The value, or as much of it as people read."""
    import reprlib

    short = reprlib.Repr()
    short.maxstring = 200
    return short.repr(value)


def _convert(document: dict[str, Any], path: Path) -> Settings:
    try:
        return msgspec.convert(document, Settings)
    except msgspec.ValidationError as error:
        raise SamovarError(
            FailureCode.SETTING_INVALID,
            f"{path} has a value that does not fit: {error}.",
            hint="Correct it, or delete the line to return to the default.",
        ) from error


def _unknown(key: str) -> SamovarError:
    import difflib

    keys = [setting.key for setting in SettingsFile._settings(Settings())]
    near = difflib.get_close_matches(key, keys, n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else "See `samovar config ls`."
    return SamovarError(FailureCode.SETTING_UNKNOWN, f"There is no setting '{key}'.", hint=hint)
