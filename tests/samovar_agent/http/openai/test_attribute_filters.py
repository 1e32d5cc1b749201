"""Which files a filter means."""

from typing import Any

import msgspec
import pytest

from samovar_agent.http.openai.attribute_filters import DEEPEST, MOST, AttributeFilter, check, matches
from samovar_agent.store.attachments import Attributes
from samovar_protocol import SamovarError

FILE: Attributes = {"year": 2026, "rating": 4.5, "language": "en", "public": True}


def one(kind: str, key: str, value: Any) -> dict[str, Any]:
    return {"type": kind, "key": key, "value": value}


def meant(given: dict[str, Any], attributes: Attributes | None = None) -> bool:
    decoded = msgspec.convert(given, AttributeFilter)
    check(decoded)
    return matches(decoded, FILE if attributes is None else attributes)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (one("eq", "year", 2026), True),
        (one("eq", "year", 2026.0), True),
        (one("eq", "year", "2026"), False),
        (one("eq", "year", 2025), False),
        (one("eq", "public", True), True),
        (one("eq", "public", 1), False),
        (one("eq", "missing", "x"), False),
        (one("ne", "year", 2025), True),
        (one("ne", "year", 2026), False),
        (one("ne", "missing", "x"), True),
        (one("gt", "year", 2025), True),
        (one("gt", "year", 2026), False),
        (one("gte", "year", 2026), True),
        (one("lt", "rating", 5), True),
        (one("lt", "rating", 4.5), False),
        (one("lte", "rating", 4.5), True),
        (one("gt", "language", "de"), True),
        (one("lt", "language", "de"), False),
        (one("gt", "language", 1), False),
        (one("lt", "language", 1), False),
        (one("gt", "missing", 1), False),
        (one("gte", "public", 0), False),
        (one("in", "language", ["de", "en"]), True),
        (one("in", "language", ["de"]), False),
        (one("in", "language", []), False),
        (one("in", "year", ["2026", 2026]), True),
        (one("in", "missing", ["x"]), False),
        (one("nin", "language", ["de"]), True),
        (one("nin", "language", ["de", "en"]), False),
        (one("nin", "language", []), True),
        (one("nin", "missing", ["x"]), True),
        ({"type": "and", "filters": [one("eq", "year", 2026), one("eq", "language", "en")]}, True),
        ({"type": "and", "filters": [one("eq", "year", 2026), one("eq", "language", "de")]}, False),
        ({"type": "or", "filters": [one("eq", "year", 1), one("eq", "language", "en")]}, True),
        ({"type": "or", "filters": [one("eq", "year", 1), one("eq", "language", "de")]}, False),
        (
            {"type": "and", "filters": [{"type": "or", "filters": [one("lt", "year", 1), one("gt", "rating", 4)]}]},
            True,
        ),
    ],
)
def test_which_files_are_meant(given: dict[str, Any], expected: bool) -> None:
    assert meant(given) is expected


def nested(depth: int) -> dict[str, Any]:
    given = one("eq", "year", 2026)
    for _ in range(depth - 1):
        given = {"type": "and", "filters": [given]}
    return given


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"type": "eq", "value": 1}, "filters.key"),
        ({"type": "eq", "key": "a"}, "filters.value"),
        ({"type": "and"}, "filters.filters"),
        ({"type": "and", "filters": []}, "filters.filters"),
        ({"type": "or", "filters": [one("eq", "a", 1)], "key": "a"}, "filters"),
        ({**one("eq", "a", 1), "filters": []}, "filters"),
        (one("eq", "a", [1]), "filters.value"),
        (one("in", "a", 1), "filters.value"),
        (one("gt", "a", True), "filters.value"),
        (
            {"type": "and", "filters": [one("eq", "a", 1), {"type": "or", "filters": [{"type": "eq"}]}]},
            "filters.filters[1].filters[0].key",
        ),
        (nested(DEEPEST + 1), "filters"),
        ({"type": "and", "filters": [one("eq", "a", 1)] * MOST}, "filters"),
    ],
)
def test_filters_that_mean_nothing(given: dict[str, Any], param: str) -> None:
    with pytest.raises(SamovarError) as error:
        check(msgspec.convert(given, AttributeFilter))
    assert error.value.failure.details == {"param": param}


def test_the_largest_that_is_allowed() -> None:
    assert meant(nested(DEEPEST))
    assert meant({"type": "and", "filters": [one("eq", "year", 2026)] * (MOST - 1)})
