"""What this machine has to give, and what a process takes of it; limits of control groups (version 2) included."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

_CGROUP, _MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def available_bytes() -> int:
    """Memory that can be had without swapping: the machine's, or a control group's where that is less.

    Pages of mapped files count as available, also those of models that are in memory.
    """
    limits = [left for group in _groups(_CGROUP, _MEMBERSHIP) if (left := _memory_left(group)) is not None]
    return min([int(psutil.virtual_memory().available), *limits])


def usable_cores() -> int:
    """Cores that computing may use: not hyper-threads, not those of others, not more than a quota gives time for."""
    ours = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    quotas = [quota for group in _groups(_CGROUP, _MEMBERSHIP) if (quota := _core_quota(group)) is not None]
    return max(1, min([psutil.cpu_count(logical=False) or ours, ours, *quotas]))


def resident_bytes(pid: int | None) -> int:
    """What a process has in memory now, pages of mapped files included; 0 where it is gone."""
    try:
        return int(_process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def mapped_bytes(pid: int | None) -> int:
    """How much of that are pages of files, which `available_bytes` counts as available; 0 where it does not."""
    try:
        return int(getattr(_process(pid).memory_info(), "shared", 0))
    except psutil.Error:
        return 0


def processor_seconds(pid: int | None) -> float:
    """Processor time that a process has taken; 0 where it is gone."""
    try:
        times = _process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def is_stopped(pid: int) -> bool:
    """Whether a process was told to stop, as by SIGSTOP, and so hears nothing until somebody lets it go on."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return False


def _process(pid: int | None) -> psutil.Process:
    if pid is None:
        raise psutil.NoSuchProcess(0)
    return psutil.Process(pid)


def _groups(root: Path, membership: Path) -> Iterator[Path]:
    """The control groups that this process is in, the innermost first."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    own = next((line[3:] for line in lines if line.startswith("0::")), None)
    if own is None:
        return
    folder = root / own.lstrip("/")
    for group in (folder, *folder.parents):
        yield group
        if group == root:
            return


def _memory_left(group: Path) -> int | None:
    try:
        limit, used = (group / "memory.max").read_text().strip(), (group / "memory.current").read_text()
        # Pages of files are given back when memory is wanted.
        files = sum(
            int(line.split()[1])
            for line in (group / "memory.stat").read_text().splitlines()
            if line.startswith(("inactive_file ", "active_file "))
        )
    except OSError:
        return None
    return None if limit == "max" else max(0, int(limit) - int(used) + files)


def _core_quota(group: Path) -> int | None:
    """Whole cores' worth of time: half a core more would make the others wait for it at every barrier."""
    try:
        quota, period = (group / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else max(1, math.floor(int(quota) / int(period)))
