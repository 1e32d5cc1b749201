from pathlib import Path

import pytest

from samovar_agent.platforms.network_folders import Mount, is_network_folder, mounts

MOUNTS = [
    Mount("/", "ext4", "rw"),
    Mount("/nas", "nfs4", "rw"),
    Mount("/nas/local", "btrfs", "rw"),
    Mount("/sshfs", "fuse.sshfs", "rw"),
    Mount("/usb", "fuseblk", "rw"),
    Mount("/Volumes/share", "smbfs", "rw"),
    Mount("/z", "NTFS", "rw,remote"),
]


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/home/me/models", False),
        ("/nas", True),
        ("/nas/models", True),
        ("/nasty/models", False),
        ("/nas/local/models", False),
        ("/sshfs/x", True),
        ("/usb/x", False),
        ("/Volumes/share/x", True),
        ("/z/x", True),
    ],
)
def test_which_disks_report_nothing(folder: str, expected: bool) -> None:
    assert is_network_folder(Path(folder), MOUNTS) is expected


def test_the_disk_of_the_tests_is_a_local_one(tmp_path: Path) -> None:
    assert not is_network_folder(tmp_path, mounts())
