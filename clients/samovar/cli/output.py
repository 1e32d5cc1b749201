"""What commands print: JSON for programs, tables and aligned lines for people, notes on stderr.

Names come from files and from the hub. What is for people contains no control characters; JSON contains all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import click

from samovar.cli import terminal


def show_json(value: object) -> None:
    """One JSON document: two spaces of indentation, UTF-8, a line break at its end."""
    import msgspec

    # As bytes, so that the console's encoding cannot change it.
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def show_json_lines(values: Iterable[object]) -> None:
    """One JSON document a line, for programs that read them as they come."""
    import msgspec

    click.echo(msgspec.json.Encoder().encode_lines(list(values)), nl=False)


def say(text: str, colour: str | None = None) -> None:
    """A sentence for people, on stdout."""
    click.echo(_coloured(terminal.harmless(text), colour))


def note(text: str, *, dim: bool = False) -> None:
    """A remark for people, on stderr."""
    text = terminal.harmless(text)
    click.echo(click.style(text, dim=True) if dim else text, err=True)


def warn(text: str) -> None:
    """Something that works but deserves attention, on stderr."""
    click.echo(f"{click.style('Warning:', fg='yellow')} {terminal.harmless(text)}", err=True)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    - right: numbers stand on the right. - wrap: may take several lines of a terminal; others are cut off there.
    - styles: colour of a cell by its text.
    """

    title: str
    right: bool = False
    wrap: bool = False
    styles: Mapping[str, str] = field(default_factory=dict)


def show_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout: fitted to a terminal, or plain columns two spaces apart where it is read by a program."""
    rows = [[_in_one_line(cell) for cell in row] for row in rows]
    if terminal.stdout_is_terminal():
        _show_rich_table(columns, rows)
        return
    titles = [column.title for column in columns]
    widths = [max(len(row[i]) for row in [titles, *rows]) for i in range(len(columns))]
    for row in [titles, *rows]:
        cells = [
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(row, widths, columns, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def show_lines(lines: Iterable[tuple[str, str] | tuple[str, str, str | None]]) -> None:
    """Label and value, and its colour where it has one; the values below each other."""
    rows = [(_in_one_line(line[0]), terminal.harmless(line[1]), line[2] if len(line) > 2 else None) for line in lines]
    width = max(len(label) for label, _, _ in rows)
    previous = ""
    for label, value, colour in rows:
        shown = "" if label == previous else label
        click.echo(f"{click.style(shown.ljust(width), dim=True)}  {_coloured(value, colour)}")
        previous = label


def _in_one_line(text: str) -> str:
    return terminal.harmless(text.replace("\n", " ").replace("\t", " "))


def _coloured(text: str, colour: str | None) -> str:
    return click.style(text, fg=colour) if colour else text


def _show_rich_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=not column.wrap,
            overflow="fold" if column.wrap else "ellipsis",
        )
    for row in rows:
        table.add_row(
            *(Text(cell, style=column.styles.get(cell, "")) for cell, column in zip(row, columns, strict=True))
        )
    Console().print(table)
