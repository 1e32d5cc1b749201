"""One byte that stops a computation from another thread, also while it is deep inside llama.cpp."""

from __future__ import annotations

import ctypes


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

    @property
    def pointer(self) -> ctypes.c_void_p:
        """The flag as a C string: empty, or one character long."""
        return ctypes.cast(self._flag, ctypes.c_void_p)
