"""A disk without room while documents are taken in: the database opens, the collection says so, and later goes on."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes.test_unplugged import CLONE

pytestmark = [pytest.mark.processes, pytest.mark.skipif(sys.platform != "linux", reason="needs mount namespaces")]


def test_a_full_disk_stops_reading_and_room_lets_it_go_on(tmp_path: Path) -> None:
    home, notes = tmp_path / "home", tmp_path / "notes"
    home.mkdir()
    notes.mkdir()
    script = 'mount -t tmpfs -o size=96m none "$1" && exec "$2" -m tests.processes.documents_on_a_full_disk "$1" "$3"'
    run = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", str(home), sys.executable, str(notes)],
        cwd=CLONE,
        capture_output=True,
        text=True,
        timeout=150,
    )
    if "unshare:" in run.stderr or "mount:" in run.stderr:
        pytest.skip(f"needs a mount namespace: {run.stderr.strip()}")
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.endswith("all read\n")
