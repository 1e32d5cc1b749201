"""`samovar`: the root of all commands.

This module and what it imports are loaded by every command, `samovar --help` included; keep it small.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from typing import Any

import click

from samovar.cli import errors, exit_codes
from samovar.cli.lazy import LazyGroup

SECTIONS: dict[str, dict[str, str]] = {
    "Chat": {
        "run": "Ask a model once, or chat with it; gets the model where needed.",
        "chat": "Talk with a model, or with documents.",
        "conversations": "Conversations that are kept.",
    },
    "Documents": {
        "docs": "Ask your documents, and see where the answer stands.",
    },
    "Vectors": {
        "embed": "Turn texts into vectors.",
        "rerank": "Order documents by how well they answer a query.",
    },
    "Models": {
        "catalog": "List chosen models; needs no network.",
        "search": "Look for models in the catalog and on the hub.",
        "get": "Download a model.",
        "downloads": "Show downloads, pause, resume and cancel them.",
        "import": "Take a GGUF file into the library.",
        "ls": "List the models on this machine.",
        "rm": "Delete a model.",
        "verify": "Read models from the disk again and compare their digests.",
        "load": "Bring a model into memory.",
        "unload": "Take a model out of memory.",
        "ps": "List the models in memory.",
    },
    "Agent": {
        "up": "Start the agent.",
        "down": "Stop the agent.",
        "status": "Show the agent's state.",
        "doctor": "Look for what is wrong or will be.",
        "logs": "Show the agent's log.",
        "agent": "Be the agent.",
        "tray": "Show the tray icon.",
    },
    "Settings": {
        "config": "Read and change settings.",
        "server": "The local HTTP server and its API tokens.",
        "network": "What may leave this machine, and what did.",
        "completion": "Print the completion script of a shell.",
    },
}
"""Every command with its short help, as `samovar --help` shows them."""


class _Root(LazyGroup):
    def invoke(self, ctx: click.Context) -> Any:
        with errors.rendered(ctx):
            return super().invoke(ctx)


def _version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    click.echo(f"samovar {version('samovar')}")
    ctx.exit()


@click.group(
    cls=_Root,
    package="samovar.cli",
    sections=SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=exit_codes.epilog(),
)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version and exit."
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Samovar keeps models warm and stays at home.

    A background agent owns your local models; these commands talk to it. Those that need it start it, unless
    --no-start is given or SAMOVAR_NO_START is set. Data goes to stdout, everything else to stderr.
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False


def main() -> None:
    """The `samovar` script."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A console that cannot show a character shows a question mark instead of ending the command.
            stream.reconfigure(errors="replace")
    # The interpreter's last search for garbage would take a tenth of a short command's time, and find what ends anyway.
    atexit.register(gc.freeze)
    cli(prog_name="samovar")
