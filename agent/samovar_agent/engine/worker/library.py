"""llama.cpp as a C library: found, loaded, and its log on standard error.

The package's own `__init__` imports a high-level class with numpy and half of typing behind it, which takes three
times as long as the C library itself; the low-level module needs none of that and is loaded alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from typing import Any

from samovar_protocol import FailureCode, SamovarError

_LEVEL_DEBUG, _LEVEL_INFO, _LEVEL_ERROR, _LEVEL_CONTINUED = 1, 2, 4, 5

_callbacks: list[Any] = []
"""llama.cpp goes on calling what it was given last, whatever becomes of who gave it."""


def low_level() -> Any:
    """llama.cpp's C functions, without llama-cpp-python's high-level ones."""
    if "llama_cpp" not in sys.modules:
        spec = importlib.util.find_spec("llama_cpp")
        if spec is None or spec.submodule_search_locations is None:
            raise SamovarError(
                FailureCode.LOAD_FAILED, "llama-cpp-python is not installed.", hint="Install Samovar again."
            )
        package = types.ModuleType("llama_cpp")
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules["llama_cpp"] = package
    return importlib.import_module("llama_cpp.llama_cpp")


class Log:
    """llama.cpp's log on standard error, without its debug lines. - error: the last line that tells a reason."""

    def __init__(self, llama: Any) -> None:
        self.error = ""
        self._level = _LEVEL_INFO
        callback = llama.llama_log_callback(self._take)
        llama.llama_log_set(callback, None)
        _callbacks.append(callback)

    def failure(self, doing: str) -> SamovarError:
        """What to raise where llama.cpp could not go on; `doing` as in "load the model"."""
        line = self.error
        unsupported = "unknown model architecture" in line or "unsupported" in line
        return SamovarError(
            FailureCode.MODEL_UNSUPPORTED if unsupported else FailureCode.LOAD_FAILED,
            f"llama.cpp could not {doing}: {line or 'it gave no reason'}.",
            hint="Update Samovar, or choose another model." if unsupported else "The worker's log has the details.",
        )

    def _take(self, level: int, text: bytes | None, _: object) -> None:
        if level != _LEVEL_CONTINUED:
            self._level = level
        if self._level == _LEVEL_DEBUG or not text:
            return
        line = text.decode("utf-8", "replace")
        sys.stderr.write(line)
        sys.stderr.flush()
        # After the reason come lines that only repeat that loading failed.
        if self._level == _LEVEL_ERROR and "failed to load model" not in line:
            self.error = line.strip().rstrip(".").rpartition("error loading model: ")[2]
