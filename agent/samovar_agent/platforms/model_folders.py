"""Where other programs keep their models, on each operating system.

    ModelFolders.find().ollama          # (/home/me/.ollama/models, /usr/share/ollama/.ollama/models)

Only names: nothing here looks at the disk, so what holds on one system is tested on all of them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ModelFolders:
    """Absolute folders, which need not exist, the likeliest first.

    - lmstudio: LM Studio's homes, whose `settings.json` may name another folder for models.
    - ollama: folders with `manifests` and `blobs`. - huggingface: caches of the hub's own library.
    - llama_cpp: caches of llama.cpp, as single files or in the hub's layout.
    """

    lmstudio: tuple[Path, ...] = ()
    ollama: tuple[Path, ...] = ()
    huggingface: tuple[Path, ...] = ()
    llama_cpp: tuple[Path, ...] = ()

    @classmethod
    def find(
        cls, environ: Mapping[str, str] = os.environ, home: Path | None = None, system: str = sys.platform
    ) -> ModelFolders:
        """The folders of this user. - home: None for the user's own. - system: as `sys.platform` names it."""
        home = home or Path.home()
        cache = _from(environ, "XDG_CACHE_HOME", home) or home / ".cache"
        hub_home = _from(environ, "HF_HOME", home) or cache / "huggingface"
        hub = _from(environ, "HF_HUB_CACHE", home) or _from(environ, "HUGGINGFACE_HUB_CACHE", home) or hub_home / "hub"
        if system == "win32":
            local = _from(environ, "LOCALAPPDATA", home) or home / "AppData" / "Local"
            llama_cpp = local / "llama.cpp"
        elif system == "darwin":
            llama_cpp = home / "Library" / "Caches" / "llama.cpp"
        else:
            llama_cpp = cache / "llama.cpp"
        # Where Ollama's installer for Linux makes a user of its own.
        service = Path("/usr/share/ollama/.ollama/models") if system == "linux" else None
        return cls(
            lmstudio=(home / ".lmstudio", home / ".cache" / "lm-studio"),
            ollama=_all(_from(environ, "OLLAMA_MODELS", home), home / ".ollama" / "models", service),
            huggingface=(hub,),
            llama_cpp=_all(_from(environ, "LLAMA_CACHE", home), llama_cpp),
        )


def _from(environ: Mapping[str, str], variable: str, home: Path) -> Path | None:
    """The absolute path in an environment variable; None where there is none."""
    text = environ.get(variable, "").strip()
    if text == "~" or text.startswith(("~/", "~\\")):
        return home / text[2:]
    return Path(text) if text and "\0" not in text and Path(text).is_absolute() else None


def _all(*folders: Path | None) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(folder for folder in folders if folder))
