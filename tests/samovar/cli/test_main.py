"""The root: help, version, unknown commands, and rules that hold for every command."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from samovar.cli import exit_codes
from samovar.cli.lazy import module_name
from samovar.cli.main import SECTIONS, cli
from tests.samovar.cli.fakes import samovar

SHORT_HELP = {name: text for section in SECTIONS.values() for name, text in section.items()}
WITHOUT_JSON = {"agent run", "tray", "completion"}
"""They print no data: two become another program, one prints a script."""
NEVER_START = {"up", "down", "status", "doctor", "logs", "server status", "network status"} | WITHOUT_JSON


def _leaves(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _leaves(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


COMMANDS = dict(_leaves(cli))


def test_help_shows_every_command_and_every_exit_code() -> None:
    shown = samovar("--help").stdout
    for name, text in SHORT_HELP.items():
        assert f"  {name} " in shown
        assert text in shown
    for code, meaning in exit_codes.MEANINGS.items():
        assert f"{code}  {meaning}" in shown


def test_version() -> None:
    import samovar as library

    assert samovar("--version").stdout == f"samovar {library.__version__}\n"


def test_an_unknown_command_is_a_usage_error_with_the_nearest_names() -> None:
    result = samovar("laod")
    assert result.exit_code == exit_codes.USAGE
    assert "Did you mean load" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("name", SHORT_HELP)
def test_the_short_help_in_the_table_is_the_first_sentence_of_the_command(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.help is not None
    assert command.help.split("\n\n")[0].replace("\n", " ") == SHORT_HELP[name]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_says_what_it_does(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.name} has no help text"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_prints_data_has_json(name: str) -> None:
    has_json = any("--json" in parameter.opts for parameter in COMMANDS[name].params)
    assert has_json == (name not in WITHOUT_JSON)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_needs_an_agent_can_be_told_not_to_start_it(name: str) -> None:
    has_no_start = any("--no-start" in parameter.opts for parameter in COMMANDS[name].params)
    assert has_no_start == (name not in NEVER_START)


@pytest.mark.parametrize("name", SHORT_HELP)
def test_every_command_has_a_test_file(name: str) -> None:
    assert Path(__file__).with_name(f"test_{module_name(name)}.py").exists()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_refuses_an_unknown_option(name: str) -> None:
    assert samovar(*name.split(), "--no-such-option").exit_code == exit_codes.USAGE


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        ("import samovar.cli.main", ["msgspec", "samovar_protocol"]),
        ("from samovar.cli.main import cli; cli(['--help'], standalone_mode=False)", ["msgspec", "samovar_protocol"]),
        ("from samovar.cli.main import cli; cli(['load', '--help'], standalone_mode=False)", ["samovar_protocol"]),
        ("from samovar.cli.main import cli; cli(['docs', '--help'], standalone_mode=False)", ["samovar_protocol"]),
        ("from samovar.cli.main import cli; cli(['docs', 'ask', '-h'], standalone_mode=False)", ["samovar_protocol"]),
        ("from samovar.cli.main import cli; cli(['chat', '--help'], standalone_mode=False)", ["samovar_protocol"]),
        ("from samovar.cli.main import cli; cli(['status'], standalone_mode=False)", ["psutil"]),
    ],
)
def test_light_commands_load_nothing_heavy(code: str, forbidden: list[str]) -> None:
    never = ["rich", "aiohttp", "llama_cpp", "numpy", "pystray", "PIL", "samovar_agent", "psutil"]
    if "status" not in code:
        never += ["asyncio", "zmq"]
    script = (
        f"import sys\n{code}\nprint([name for name in {never + forbidden!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"
