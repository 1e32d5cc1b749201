"""A disk without room: settings stay as they were, the agent goes on, and says what to do."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.processes.agent import SAMOVAR

pytestmark = pytest.mark.processes

SCRIPT = """
set -eu
mount -t tmpfs -o size=2m none "$SAMOVAR_HOME"
"$1" up --no-tray >/dev/null
trap '"$1" down >/dev/null' EXIT
"$1" config set server.allowed_hosts first.test >/dev/null
before=$(cat "$SAMOVAR_HOME/config.toml")
# To the last byte: cp stops when nothing more fits.
cp /dev/zero "$SAMOVAR_HOME/filler" 2>/dev/null || true
status=0
"$1" config set server.allowed_hosts "$(head -c 9000 /dev/zero | tr '\\0' x).test" --json || status=$?
echo
echo "exit code $status"
[ "$before" = "$(cat "$SAMOVAR_HOME/config.toml")" ] && echo "file intact"
"$1" config get server.allowed_hosts
rm "$SAMOVAR_HOME/filler"
"$1" config set server.allowed_hosts second.test
"""


def test_settings_survive_a_full_disk(tmp_path: Path) -> None:
    run = subprocess.run(
        ["unshare", "-rm", "sh", "-c", SCRIPT, "sh", SAMOVAR],
        env={**os.environ, "SAMOVAR_HOME": str(tmp_path), "SAMOVAR_PORT": "0"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    if "unshare:" in run.stderr or "mount:" in run.stderr:
        pytest.skip(f"needs a mount namespace: {run.stderr.strip()}")
    assert run.returncode == 0, run.stdout + run.stderr
    assert '"disk_full"' in run.stdout
    assert "exit code 1" in run.stdout
    assert "file intact" in run.stdout
    assert "first.test" in run.stdout
    assert "second.test" in run.stdout
