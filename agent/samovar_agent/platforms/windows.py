"""Windows: one Job Object holds the agent's workers; when the agent ends, its last handle closes and they end too."""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
from typing import IO, Any

_KILL_ON_JOB_CLOSE = 0x2000
_EXTENDED_LIMIT_INFORMATION = 9
_SET_QUOTA_AND_TERMINATE = 0x0100 | 0x0001


class _BasicLimits(ctypes.Structure):
    _fields_ = (
        ("per_process_user_time", ctypes.c_int64),
        ("per_job_user_time", ctypes.c_int64),
        ("limit_flags", ctypes.c_uint32),
        ("minimum_working_set", ctypes.c_size_t),
        ("maximum_working_set", ctypes.c_size_t),
        ("active_process_limit", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("priority_class", ctypes.c_uint32),
        ("scheduling_class", ctypes.c_uint32),
    )


class _ExtendedLimits(ctypes.Structure):
    _fields_ = (
        ("basic", _BasicLimits),
        ("io_counters", ctypes.c_uint64 * 6),
        ("process_memory", ctypes.c_size_t),
        ("job_memory", ctypes.c_size_t),
        ("peak_process_memory", ctypes.c_size_t),
        ("peak_job_memory", ctypes.c_size_t),
    )


_job: int | None = None
"""The handle of the job, open as long as the agent lives; closing it is what ends the workers."""


def die_with_parent(parent: int) -> None:
    """Nothing to do: the agent puts the worker into its job."""


def keep_child(pid: int) -> None:
    """Put the process `pid` into the job; without success the worker still ends with its standard input."""
    global _job
    if sys.platform == "win32":
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        for function in (kernel.CreateJobObjectW, kernel.OpenProcess):
            function.restype = ctypes.c_void_p
        if _job is None:
            limits = _ExtendedLimits()
            limits.basic.limit_flags = _KILL_ON_JOB_CLOSE
            _job = kernel.CreateJobObjectW(None, None)
            kernel.SetInformationJobObject(
                ctypes.c_void_p(_job), _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), ctypes.sizeof(limits)
            )
        process = kernel.OpenProcess(_SET_QUOTA_AND_TERMINATE, False, pid)
        if process:
            kernel.AssignProcessToJobObject(ctypes.c_void_p(_job), ctypes.c_void_p(process))
            kernel.CloseHandle(ctypes.c_void_p(process))


def binary_pipes(*descriptors: int) -> None:
    """Stop the C library from turning line feeds into pairs."""
    if sys.platform == "win32":
        import msvcrt

        for descriptor in descriptors:
            msvcrt.setmode(descriptor, os.O_BINARY)


def try_lock(file: IO[bytes]) -> bool:
    """Take the file's first byte until it is closed or the process ends; False where another process has it."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
    return True


def watching_loop(loop: asyncio.AbstractEventLoop) -> Any:
    """A loop whose `add_reader` works: the stock one starts processes but cannot watch descriptors; a thread does."""
    if sys.platform == "win32":
        from tornado.platform.asyncio import AddThreadSelectorEventLoop

        return AddThreadSelectorEventLoop(loop)
    return loop


def connection_user(own: tuple[str, int], other: tuple[str, int]) -> int | None:
    """Who holds the other end of a connection within this machine; nobody says so here without an administrator."""
    return None
