"""Where Samovar keeps its files: one answer for the agent and every client.

    places = Places.find()
    places.endpoint_file        # ~/.local/share/samovar/run/endpoint.json on Linux

`SAMOVAR_HOME` puts everything below one folder; otherwise the operating system's conventions hold.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

_LONGEST_SOCKET_FOLDER = 80
"""A Unix socket's whole path has about 104 bytes (sun_path); this leaves room for the file name."""


@dataclass(frozen=True, slots=True)
class Places:
    """The folders and files of one person's Samovar.

    - config: settings. - data: everything the agent owns. - logs: rotated log files.
    """

    config: Path
    data: Path
    logs: Path

    @classmethod
    def find(cls, environ: Mapping[str, str] = os.environ) -> Places:
        """The places of this user, or below `SAMOVAR_HOME`."""
        home = environ.get("SAMOVAR_HOME")
        if home:
            root = Path(home).expanduser().absolute()
            return cls(config=root, data=root, logs=root / "logs")
        dirs = platformdirs.PlatformDirs("samovar", appauthor=False)
        return cls(config=Path(dirs.user_config_dir), data=Path(dirs.user_data_dir), logs=Path(dirs.user_log_dir))

    @property
    def config_file(self) -> Path:
        """The settings, TOML."""
        return self.config / "config.toml"

    @property
    def database_file(self) -> Path:
        """The SQLite store."""
        return self.data / "samovar.db"

    @property
    def models(self) -> Path:
        """Our own models: `<publisher>/<name>/<file>.gguf`."""
        return self.data / "models"

    @property
    def run(self) -> Path:
        """Endpoint file and lock (0700). In the data folder, so that every login session finds the same one."""
        return self.data / "run"

    @property
    def endpoint_file(self) -> Path:
        """What a client reads to reach the agent (0600)."""
        return self.run / "endpoint.json"

    @property
    def lock_file(self) -> Path:
        """Held by the running agent."""
        return self.run / "agent.lock"

    @property
    def log_file(self) -> Path:
        """The agent's log, JSON lines."""
        return self.logs / "agent.log"

    def socket_folder(self) -> Path:
        """A folder for Unix sockets whose path is short enough; `run` itself where it fits."""
        if len(os.fsencode(self.run)) <= _LONGEST_SOCKET_FOLDER:
            return self.run
        digest = hashlib.sha256(os.fsencode(self.run)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"samovar-{os.getuid() if hasattr(os, 'getuid') else 0}-{digest}"
