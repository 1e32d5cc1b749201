from __future__ import annotations

import pytest

from samovar.cli import human


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1230, "1.23 kB"),
        (98_412_345, "98.4 MB"),
        (999_499_999, "999 MB"),
        (999_500_000, "1 GB"),
        (9_996_000_000, "10 GB"),
        (12_400_000_000, "12.4 GB"),
        (5 * 10**18, "5000 PB"),
    ],
)
def test_size(amount: float, text: str) -> None:
    assert human.size(amount) == text


@pytest.mark.parametrize(("amount", "text"), [(950, "950"), (134_515_008, "135M"), (7_241_732_096, "7.24B")])
def test_count(amount: float, text: str) -> None:
    assert human.count(amount) == text


@pytest.mark.parametrize(
    ("amount", "text"), [(0, "0"), (7, "7"), (1234567, "1,234,567"), (0.42, "0.4"), (9.96, "10"), (45.2, "45")]
)
def test_number(amount: float, text: str) -> None:
    assert human.number(amount) == text


def test_counted() -> None:
    assert [human.counted(amount, "page") for amount in (0, 1, 1234)] == ["0 pages", "1 page", "1,234 pages"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0.0s"),
        (0.42, "0.4s"),
        (9.96, "10s"),
        (59.6, "1m 00s"),
        (185, "3m 05s"),
        (7800, "2h 10m"),
        (356_400, "4d 3h"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert human.duration(seconds) == text
