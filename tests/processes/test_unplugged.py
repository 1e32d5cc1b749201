"""Without any network at all, everything that needs none works."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tiny_models.build import Kind

pytestmark = [pytest.mark.processes, pytest.mark.skipif(sys.platform != "linux", reason="needs network namespaces")]

CLONE = Path(__file__).parents[2]


def namespace() -> list[str]:
    """The command that begins a network namespace of its own."""
    for command in (["unshare", "-rn"], ["unshare", "-n"]):  # the second where root may, and users may not
        if shutil.which(command[0]) and subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return command
    pytest.skip("this system allows no network namespaces")


@pytest.mark.model
def test_everything_works_where_only_loopback_is(
    tmp_path: Path, small_model: Path, tiny_model: Callable[[Kind], Path]
) -> None:
    run = subprocess.run(
        [
            *namespace(),
            sys.executable,
            "-m",
            "tests.processes.unplugged",
            str(tmp_path / "home"),
            str(small_model),
            str(tiny_model("bert-mean")),
        ],
        cwd=CLONE,
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "everything works unplugged" in run.stdout
