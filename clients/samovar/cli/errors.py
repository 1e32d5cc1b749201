"""The one place where failures become text and exit codes.

People read `Error: …` and the hint on stderr. With `--json`, programs find `{"error": {…}}` on stdout as well, so that
stdout is one JSON document whatever happens.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from samovar.cli import exit_codes, terminal

if TYPE_CHECKING:
    from samovar_protocol import Failure

JSON_WANTED = "samovar.cli.json"
"""Key in the root context's `meta`; true once `--json` was read."""


@contextmanager
def rendered(ctx: click.Context) -> Iterator[None]:
    """Run a command; a failure or Ctrl-C inside ends the process with its message and exit code."""
    try:
        yield
    except (KeyboardInterrupt, click.Abort) as error:
        # The first line break ends the terminal's own "^C".
        what = terminal.harmless(str(error)) if isinstance(error, Interrupted) else "Interrupted."
        click.echo(f"\n{what}", err=True)
        ctx.exit(exit_codes.INTERRUPTED)
    except (click.ClickException, click.exceptions.Exit):
        raise
    except UnicodeEncodeError:
        click.echo(f"{_error_word()} An argument is not valid UTF-8 text.", err=True)
        ctx.exit(exit_codes.USAGE)
    except Exception as error:
        from samovar_protocol import SamovarError

        if not isinstance(error, SamovarError):
            raise
        show(error.failure, as_json=ctx.find_root().meta.get(JSON_WANTED, False))
        ctx.exit(exit_codes.of_failure(error.code))


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with a sentence that says what did not happen."""


@contextmanager
def interruptible(sentence: str) -> Iterator[None]:
    """Say `sentence` where Ctrl-C ends the block."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(sentence) from error


def show(failure: Failure, *, as_json: bool) -> None:
    """Write a failure for people, and for programs where `as_json`."""
    click.echo(f"{_error_word()} {terminal.harmless(failure.message)}", err=True)
    if failure.hint:
        click.echo(terminal.harmless(failure.hint), err=True)
    if as_json:
        from samovar.cli.output import show_json

        show_json({"error": failure})


def _error_word() -> str:
    return click.style("Error:", fg="red", bold=True)
