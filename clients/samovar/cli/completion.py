"""`samovar completion`."""

from __future__ import annotations

import click

from samovar.cli import output

_INSTALL = {
    "bash": 'Put this line into ~/.bashrc:  eval "$(samovar completion bash)"',
    "zsh": 'Put this line into ~/.zshrc, after compinit:  eval "$(samovar completion zsh)"',
    "fish": "Run once:  samovar completion fish > ~/.config/fish/completions/samovar.fish",
}


@click.command()
@click.argument("shell", type=click.Choice(list(_INSTALL)))
def command(shell: str) -> None:
    """Print the completion script of a shell.

    It completes commands, options, and the names of models while the agent runs.
    """
    from click.shell_completion import get_completion_class

    from samovar.cli import terminal

    found = get_completion_class(shell)
    assert found is not None  # click brings all three
    root = click.get_current_context().find_root().command
    click.echo(found(root, {}, "samovar", "_SAMOVAR_COMPLETE").source())
    if terminal.stdout_is_terminal():
        output.note(_INSTALL[shell])
