"""A disk without room: settings and downloads stay as they were, the agent goes on, and says what to do."""

import asyncio
import json
import os
import random
import subprocess
from pathlib import Path

import pytest

from tests.hub_server import HubServer
from tests.hub_server.fixtures import hub_server
from tests.processes.agent import SAMOVAR
from tests.samovar_agent.models.gguf_files import F16, llama, write_gguf

__all__ = ["hub_server"]

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


DOWNLOAD = """
set -eu
mount -t tmpfs -o size=160m none "$SAMOVAR_HOME"
"$1" up --no-tray >/dev/null
trap '"$1" down >/dev/null' EXIT
"$1" get someone/tiny --background >/dev/null
until [ -n "$(find "$SAMOVAR_HOME/models" -name '*.partial' -size +1000k)" ]; do sleep 0.05; done
cp /dev/zero "$SAMOVAR_HOME/filler" 2>/dev/null || true
until "$1" downloads --json | grep -q '"failed"'; do sleep 0.1; done
"$1" downloads --json
echo ===
"$1" status --json
echo ===
rm "$SAMOVAR_HOME/filler"
"$1" get someone/tiny --json
echo ===
"$1" verify --json
"""


def in_a_namespace(script: str, home: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    run = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", SAMOVAR],
        env={**os.environ, "SAMOVAR_HOME": str(home), "SAMOVAR_PORT": "0", "SAMOVAR_DISCOVER": "false", **environ},
        capture_output=True,
        text=True,
        timeout=120,
    )
    if "unshare:" in run.stderr or "mount:" in run.stderr:
        pytest.skip(f"needs a mount namespace: {run.stderr.strip()}")
    assert run.returncode == 0, run.stdout + run.stderr
    return run


async def test_a_download_stops_where_the_disk_is_full_and_goes_on_when_there_is_room(
    tmp_path: Path, hub_server: HubServer
) -> None:
    path = write_gguf(tmp_path / "tiny-F16.gguf", llama(), [("output.weight", (20_000_000,), F16)])
    content = path.read_bytes()[:-40_000_000] + random.Random(4).randbytes(40_000_000)
    file = hub_server.add("someone/tiny", {"tiny-F16.gguf": content}).file("tiny-F16.gguf")
    file.bytes_per_second = 4_000_000
    home = tmp_path / "home"
    home.mkdir()
    run = await asyncio.to_thread(in_a_namespace, DOWNLOAD, home, HF_ENDPOINT=hub_server.endpoint)
    stopped, status, got, verified = map(json.loads, run.stdout.split("==="))
    [download] = stopped["downloads"]
    assert "No space left" in download["problem"]
    assert "Free some room" in download["hint"]
    assert status["running"]
    assert got["model"]["state"] == "ready"
    assert [model["outcome"] for model in verified["models"]] == ["ok"]


def test_settings_survive_a_full_disk(tmp_path: Path) -> None:
    run = in_a_namespace(SCRIPT, tmp_path)
    assert '"disk_full"' in run.stdout
    assert "exit code 1" in run.stdout
    assert "file intact" in run.stdout
    assert "first.test" in run.stdout
    assert "second.test" in run.stdout
