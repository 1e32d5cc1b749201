from __future__ import annotations

import pytest

from samovar.cli import exit_codes
from samovar_protocol import FailureCode


def test_every_code_in_the_table_is_one_of_the_protocol() -> None:
    assert set(exit_codes._CODES) <= set(FailureCode)


@pytest.mark.parametrize("code", FailureCode)
def test_every_failure_has_a_documented_exit_code_that_is_not_success(code: FailureCode) -> None:
    assert exit_codes.of_failure(code) in set(exit_codes.MEANINGS) - {exit_codes.OK, exit_codes.INTERRUPTED}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("internal", 1),
        ("setting_invalid", 2),
        ("agent_not_running", 3),
        ("model_unknown", 4),
        ("not_enough_memory", 5),
        ("network_offline", 6),
        ("a_code_of_a_newer_agent", 1),
    ],
)
def test_scripts_can_rely_on(code: str, expected: int) -> None:
    assert exit_codes.of_failure(code) == expected
