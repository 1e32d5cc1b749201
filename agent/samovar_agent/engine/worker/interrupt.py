"""One byte that stops a computation from another thread, also while it is deep inside llama.cpp."""

from __future__ import annotations

import ctypes
import sys
from typing import Any


class Interrupt:
    """Set by the thread that reads commands, cleared by the loop when it has looked at them."""

    def __init__(self) -> None:
        self._flag = ctypes.create_string_buffer(2)

    def set(self) -> None:
        """Stop what is being computed."""
        self._flag[0] = b"\x01"

    def clear(self) -> None:
        """Go on."""
        self._flag[0] = b"\x00"

    def __bool__(self) -> bool:
        return self._flag[0] != b"\x00"

    def attach(self, llama: Any, context: Any) -> None:
        """Let it end what a context of llama.cpp computes; the context keeps a pointer into this object."""
        # Called before each of some thousand graph nodes, so it must be C and not Python. strlen of the flag is false
        # while the flag is an empty string and true when it is one character long.
        c_library = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None)
        callback = ctypes.cast(c_library.strlen, llama.ggml_abort_callback)
        llama.llama_set_abort_callback(context, callback, ctypes.cast(self._flag, ctypes.c_void_p))
