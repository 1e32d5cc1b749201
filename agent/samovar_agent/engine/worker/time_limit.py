"""A stranger's program, ended from outside when it takes too long."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_AGAIN_SECONDS = 0.02
_PATIENCE_SECONDS = 5.0


class _Expired(BaseException):
    """Raised inside the program; not an `Exception`, which the program's own libraries may catch."""


def call_within(seconds: float, program: Callable[[], T]) -> T:
    """What `program` returns; raises what it raises, or `TimeoutError` after `seconds`.

    It runs in a thread of its own, which costs a tenth of a millisecond, where tracing it cost ten times as much. The
    exception that ends it can so never hit anything else, however late it comes. Python code ends at once; a single
    long step in C is left behind and ends when it is done.
    """
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(program())
        except BaseException as error:  # handed over to the caller
            failures.append(error)

    thread = threading.Thread(target=run, name="chat template", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        _end(thread)
        raise TimeoutError(f"it took over {seconds:g} seconds")
    if failures:
        raise failures[0]
    return results[0]


def _end(thread: threading.Thread) -> None:
    # Again and again, since a finalizer that happens to run in that moment swallows the exception.
    for _ in range(int(_PATIENCE_SECONDS / _AGAIN_SECONDS)):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_Expired))
        thread.join(_AGAIN_SECONDS)
        if not thread.is_alive():
            return
