"""Progress on stderr: a bar on a terminal, a line a stage elsewhere; nothing for what is over at once."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

import click

from samovar.cli import human, terminal

if TYPE_CHECKING:
    import asyncio

    import rich.progress

    from samovar_protocol.values import Progress

DELAY = 0.5
"""Seconds before anything is shown."""


class ProgressBar:
    """Shows the progress of one request; used inside a running event loop.

        with ProgressBar("smollm2-135m") as bar:
            bar.show(progress)

    - label: what the work is about. - delay: seconds before anything is shown.
    """

    def __init__(self, label: str, *, delay: float | None = None) -> None:
        self._label = terminal.harmless(label)
        self._delay = DELAY if delay is None else delay
        self._latest: Progress | None = None
        self._stage = ""
        self._visible = False
        self._timer: asyncio.TimerHandle | None = None
        self._bar: rich.progress.Progress | None = None

    def __enter__(self) -> ProgressBar:
        import asyncio

        self._timer = asyncio.get_running_loop().call_later(self._delay, self._open)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def show(self, progress: Progress) -> None:
        """This is how far it is now."""
        self._latest = progress
        if self._visible:
            self._draw()

    def close(self) -> None:
        """Take it off the screen; what follows starts on a clean line."""
        self._visible = False
        if self._timer is not None:
            self._timer.cancel()
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _open(self) -> None:
        self._visible = True
        if terminal.stderr_is_terminal():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=30),
                TextColumn("{task.fields[detail]}", markup=False),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.add_task(f"waiting for {self._label}", total=None, detail="")
            self._bar.start()
        if self._latest is not None:
            self._draw()

    def _draw(self) -> None:
        progress = self._latest
        assert progress is not None
        if self._bar is not None:
            total = progress.total or (1.0 if progress.unit == "ratio" else None)
            self._bar.update(
                self._bar.task_ids[0],
                description=f"{_doing(progress.stage)} {self._label}",
                completed=progress.done,
                total=total,
                detail=detail(progress),
            )
        elif not terminal.stderr_is_terminal() and progress.stage != self._stage:
            click.echo(f"{_doing(progress.stage)} {self._label}{_of_how_much(progress)}", err=True)
        self._stage = progress.stage


def _doing(stage: str) -> str:
    return {"queued": "waiting for", "answering": "listening to"}.get(stage, stage)


def detail(progress: Progress) -> str:
    """Numbers beside the bar: `12.3 MB of 98.4 MB  8.1 MB/s  11s left`, `120 of 1,000 documents  45/s  20s left`, a
    percentage, or who is before us.
    """
    if progress.unit == "requests":
        return f"about {progress.done:.0f} before"
    if progress.unit == "ratio":
        parts = [f"{100 * progress.done / (progress.total or 1):.0f}%"]
    else:
        amount = human.size if progress.unit == "bytes" else human.number
        whole = f"{amount(progress.done)} of {amount(progress.total)}" if progress.total else amount(progress.done)
        parts = [whole if progress.unit == "bytes" else f"{whole} {_noun(progress)}"]
        if progress.per_second:
            parts.append(f"{amount(progress.per_second)}/s")
    if progress.eta_seconds is not None:
        parts.append(f"{human.duration(progress.eta_seconds)} left")
    return "  ".join(parts)


def _of_how_much(progress: Progress) -> str:
    if not progress.total or progress.unit in ("ratio", "requests"):
        return ""
    if progress.unit == "bytes":
        return f" ({human.size(progress.total)})"
    return f" ({human.number(progress.total)} {_noun(progress)})"


def _noun(progress: Progress) -> str:
    """The unit, which is said in the plural, as it goes with the number before it."""
    amount = progress.total or progress.done
    return progress.unit.removesuffix("s") if amount == 1 else progress.unit
