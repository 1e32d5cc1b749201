"""Ids in addresses."""

from __future__ import annotations

import pytest

from samovar_agent.http.query import find_number, number_of
from samovar_protocol import FailureCode, SamovarError


@pytest.mark.parametrize(
    ("text", "prefix", "number"),
    [
        ("7", "", 7),
        ("file-7", "file-", 7),
        ("file-" + "9" * 18, "file-", int("9" * 18)),
        ("file-" + "9" * 19, "file-", None),
        ("7", "file-", None),
        ("vs_7", "file-", None),
        ("file-", "file-", None),
        ("file-07", "file-", None),
        ("0", "", None),
        ("file-+7", "file-", None),
        ("file- 7", "file-", None),
        ("file-7\n", "file-", None),
        ("file-\u0667", "file-", None),
        ("\u00b2", "", None),
        ("", "", None),
    ],
)
def test_numbers_in_ids(text: str, prefix: str, number: int | None) -> None:
    assert number_of(text, prefix) == number


def test_what_is_no_id_is_not_found() -> None:
    assert find_number("file-7", "file", prefix="file-") == 7
    with pytest.raises(SamovarError) as error:
        find_number("x" * 1000, "file", prefix="file-")
    assert error.value.code == FailureCode.NOT_FOUND
    assert len(error.value.failure.message) < 100
