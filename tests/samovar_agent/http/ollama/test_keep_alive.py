from typing import Any

import pytest
from msgspec import UNSET

from samovar_agent.http.ollama.keep_alive import ttl_seconds
from samovar_protocol import SamovarError


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (None, UNSET),
        ("", UNSET),
        (0, 0),
        (0.0, 0),
        ("0", 0),
        ("0s", 0),
        (-1, None),
        (-0.5, None),
        ("-1", None),
        ("-1m", None),
        (300, 300),
        ("300", 300),
        ("5m", 300),
        ("1h30m", 5400),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("250ms", 0.25),
        ("10us", 1e-5),
        ("10µs", 1e-5),
        ("+2m", 120),
        (1e300, None),
        ("9" * 200 + "h", None),
        (float("inf"), None),
    ],
)
def test_all_its_forms(given: Any, seconds: Any) -> None:
    found = ttl_seconds(given)
    assert found is seconds if seconds is None or seconds is UNSET else found == pytest.approx(seconds)


@pytest.mark.parametrize(
    "given", ["soon", "5 m", "m", "5x", "1h-3m", "--1", "5m later", "-", "٥m", "1e3", float("nan"), "1m" * 2000]
)
def test_what_is_none(given: Any) -> None:
    with pytest.raises(SamovarError) as caught:
        ttl_seconds(given)
    assert caught.value.failure.details == {"param": "keep_alive"}
