"""`samovar logs`: reads the file itself, so that it works when the agent does not."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from samovar.cli import human, output, terminal
from samovar.cli.options import json_option

_POLL = 0.2
_COLOURS = {"warning": "yellow", "error": "red", "critical": "red"}
_KEYS = ("time", "level", "logger", "message")


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines as they come, until Ctrl-C.")
@click.option(
    "-n", "lines", metavar="N", type=click.IntRange(min=0), default=50, show_default=True, help="How many last lines."
)
@json_option
def command(follow: bool, lines: int, as_json: bool) -> None:
    """Show the agent's log.

    Works without an agent. `--json` prints the lines as they are in the file: one JSON object each.
    """
    from samovar_protocol import FailureCode, Places, SamovarError

    file = Places.find().log_file
    if not file.exists() and not follow:
        raise SamovarError(
            FailureCode.NOT_FOUND, f"There is no log at {file} yet.", hint="The agent's first start makes one."
        )
    follower = Follower(file)
    for line in last_lines(file, lines):
        _show(line, as_json)
    if not follow:
        return
    if not file.exists():
        output.note(f"Waiting for {file}.")
    try:
        while True:
            for line in follower.new_lines():
                _show(line, as_json)
            time.sleep(_POLL)
    except KeyboardInterrupt:
        # Ctrl-C is how one leaves; nothing was interrupted.
        return


def last_lines(file: Path, number: int) -> list[str]:
    """The newest `number` lines, going back into rotated files where one is not enough."""
    lines: list[str] = []
    for older in range(100):
        path = file if older == 0 else rotated(file, older)
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines() + lines
        except FileNotFoundError:
            break
        if len(lines) >= number:
            break
    return lines[len(lines) - number :] if number < len(lines) else lines


class Follower:
    """What is appended to a log from now on, also when it is rotated meanwhile.

    The file is opened anew for each look: on Windows an open file cannot be renamed, and the agent must rotate.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._identity, self._position = _identity_and_size(file)
        self._rest = b""

    def new_lines(self) -> Iterator[str]:
        """Whole lines since the last look."""
        identity, size = _identity_and_size(self._file)
        if identity != self._identity or size < self._position:
            for older in range(self._age(), 0, -1):
                yield from self._read(rotated(self._file, older))
                self._position = 0
            self._identity, self._position = identity, 0
        yield from self._read(self._file)

    def _age(self) -> int:
        """How often the file that was read last has been rotated since; 0 where it is gone."""
        for older in range(1, 100):
            identity, _ = _identity_and_size(rotated(self._file, older))
            if identity is None:
                break
            if identity == self._identity:
                return older
        return 0

    def _read(self, path: Path) -> Iterator[str]:
        try:
            with path.open("rb") as file:
                file.seek(self._position)
                data = file.read()
        except FileNotFoundError:
            return
        self._position += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace").rstrip("\r")


def rotated(file: Path, older: int) -> Path:
    """The name of an older log: `agent.log.1` is the newest of them."""
    return file.with_name(f"{file.name}.{older}")


def _identity_and_size(path: Path) -> tuple[tuple[int, int] | None, int]:
    try:
        found = os.stat(path)  # noqa: PTH116  one call for both
    except FileNotFoundError:
        return None, 0
    return (found.st_dev, found.st_ino), found.st_size


def _show(line: str, as_json: bool) -> None:
    click.echo(line if as_json else readable(line))


def readable(line: str) -> str:
    """A JSON line as people read it; any other line as it is."""
    try:
        entry: Any = json.loads(line)
    except ValueError:
        return terminal.safe(line)
    if not isinstance(entry, dict):
        return terminal.safe(line)
    moment = entry.get("time", "")
    level = str(entry.get("level", "")).lower()
    extras = {key: value for key, value in entry.items() if key not in _KEYS}
    long = {key: str(value) for key, value in extras.items() if "\n" in str(value)}
    parts = [
        human.moment(moment) if isinstance(moment, int | float) else str(moment),
        click.style(level.ljust(7), fg=_COLOURS.get(level)),
        terminal.safe(f"{entry.get('logger', 'log')}: {entry.get('message', '')}"),
        *(
            click.style(f"{key}={terminal.safe(str(value))}", dim=True)
            for key, value in extras.items()
            if key not in long
        ),
    ]
    text = "  ".join(parts)
    for value in long.values():
        text += "".join(f"\n    {terminal.safe(row)}" for row in value.splitlines())
    return text
