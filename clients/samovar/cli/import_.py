"""`samovar import`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from samovar.cli import human, output, session
from samovar.cli.errors import interruptible
from samovar.cli.options import json_option, no_start_option

Mode = Literal["link", "hardlink", "copy", "move"]


@click.command("import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--link", "mode", flag_value="link", default=True, help="Use the file where it lies (the default).")
@click.option("--hardlink", "mode", flag_value="hardlink", help="Give it a second name in the models folder.")
@click.option("--copy", "mode", flag_value="copy", help="Copy it into the models folder.")
@click.option("--move", "mode", flag_value="move", help="Move it into the models folder.")
@click.option("--name", metavar="PUBLISHER/NAME", help="What to call it; otherwise derived from the file.")
@json_option
@no_start_option
def command(path: Path, mode: Mode, name: str | None, as_json: bool, no_start: bool) -> None:
    """Take a GGUF file into the library.

    PATH is the file. Its header is checked first; a file that is not a sound GGUF file is refused.
    """
    from samovar_protocol.requests import Import

    # The agent has another current folder: only an absolute path means the same to both.
    request = Import(path=str(path.absolute()), mode=mode, name=name)
    with interruptible(f"The import was stopped; {path.name} is not in the library."):
        reply = session.follow(request, start=not no_start, label=path.name)
    if as_json:
        output.show_json(reply)
    else:
        output.say(f"{reply.model.key} is ready ({human.size(reply.model.size_bytes)}).")
