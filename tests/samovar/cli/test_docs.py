"""The group: its table and its help."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from samovar.cli.docs import SECTIONS, command
from samovar.cli.lazy import module_name
from tests.samovar.cli.fakes import samovar

SHORT_HELP = {name: text for section in SECTIONS.values() for name, text in section.items()}


def test_help_shows_every_subcommand() -> None:
    shown = samovar("docs", "--help").stdout
    for name, text in SHORT_HELP.items():
        assert f"  {name} " in shown
        assert text in shown


@pytest.mark.parametrize("name", SHORT_HELP)
def test_the_short_help_in_the_table_is_the_first_sentence_of_the_subcommand(name: str) -> None:
    found = command.get_command(click.Context(command), name)
    assert found is not None
    assert found.help is not None
    assert found.help.split("\n\n")[0].replace("\n", " ") == SHORT_HELP[name]


@pytest.mark.parametrize("name", SHORT_HELP)
def test_every_subcommand_has_a_test_file(name: str) -> None:
    assert (Path(__file__).parent / "docs" / f"test_{module_name(name)}.py").exists()


def test_an_unknown_subcommand_is_a_usage_error_with_the_nearest_names() -> None:
    result = samovar("docs", "serach")
    assert result.exit_code == 2
    assert "Did you mean search" in result.stderr
