"""Folders of other machines: the operating system tells nobody when something in them changes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_KINDS = frozenset(
    {"9p", "afpfs", "afs", "ceph", "cifs", "glusterfs", "lustre", "nfs", "nfs4", "prl_fs", "smb2", "smb3", "smbfs"}
    | {"vboxsf", "virtiofs", "vmhgfs", "webdav"}
)


class Mount(NamedTuple):
    """A mounted disk, as psutil describes it."""

    mountpoint: str
    fstype: str
    opts: str


def mounts() -> list[Mount]:
    """Every disk that is mounted now."""
    import psutil

    return [Mount(disk.mountpoint, disk.fstype, disk.opts) for disk in psutil.disk_partitions(all=True)]


def is_network_folder(folder: Path, mounts: Iterable[Mount]) -> bool:
    """Whether `folder`, an absolute path without links, lies on a disk of another machine."""
    best: tuple[int, Mount] | None = None
    for mount in mounts:
        if folder.is_relative_to(mount.mountpoint) and (best is None or len(mount.mountpoint) >= best[0]):
            best = (len(mount.mountpoint), mount)
    if best is None:
        return str(folder).startswith("\\\\")
    kind = best[1].fstype.lower()
    # FUSE is anything; what lies behind it does not report either. `fuseblk` is a local disk.
    return kind in _KINDS or kind.startswith("fuse.") or "remote" in best[1].opts.split(",")
