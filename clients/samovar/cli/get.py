"""`samovar get`."""

from __future__ import annotations

import re

import click

from samovar.cli import human, output, session
from samovar.cli.errors import interruptible
from samovar.cli.options import json_option, no_start_option


@click.command()
@click.argument("name", metavar="NAME[@QUANT]")
@click.option(
    "--source",
    type=click.Choice(["hub", "url", "python-package", "folder"]),
    help="Take it from there; otherwise from the first place that works.",
)
@click.option("--sha256", metavar="HEX", help="The file's digest, where NAME is an address that the hub does not know.")
@click.option("--unverified", is_flag=True, help="Take a file whose digest nobody knows.")
@click.option("-b", "--background", is_flag=True, help="Come back at once; see `samovar downloads`.")
@click.option("--priority", metavar="N", type=click.IntRange(-100, 100), default=0, help="Higher ones go first.")
@json_option
@no_start_option
def command(
    name: str,
    source: str | None,
    sha256: str | None,
    unverified: bool,
    background: bool,
    priority: int,
    as_json: bool,
    no_start: bool,
) -> None:
    """Download a model.

    NAME is one of `samovar catalog`, a repository of the hub such as user/name, or the address of a GGUF file. What
    arrives is checked against a digest that was known before; a partial file is never used. Ctrl-C stops it and keeps
    what came; the same command goes on from there.
    """
    from samovar_protocol.requests import Get

    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise click.UsageError("--sha256 takes 64 hexadecimal digits.")
    request = Get(
        name=name, source=source, sha256=sha256, unverified=unverified, background=background, priority=priority
    )
    with interruptible(f"The download was stopped. `samovar get {name}` goes on from here."):
        reply = session.follow(request, start=not no_start, label=name)
    if as_json:
        output.show_json(reply)
    elif reply.model is not None:
        how = "was already here" if reply.already_present else "is ready"
        output.say(f"{reply.model.key} {how} ({human.size(reply.model.size_bytes)}).")
    elif reply.download is not None:
        output.say(f"{reply.download.name} is download {reply.download.id}; `samovar downloads` shows how far it is.")
