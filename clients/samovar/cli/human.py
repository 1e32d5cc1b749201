"""Sizes, counts, durations and times as people read them."""

from __future__ import annotations

import time


def size(amount: float) -> str:
    """Bytes in decimal units with three significant digits: `98.4 MB`."""
    return _scaled(amount, ("B", "kB", "MB", "GB", "TB", "PB"), " ")


def count(amount: float) -> str:
    """A large count: `135M`, `7.24B`."""
    return _scaled(amount, ("", "K", "M", "B", "T"), "")


def number(amount: float) -> str:
    """A count in full: `1,234`; a small one that is no whole number, as a speed may be, with one decimal: `0.4`."""
    return f"{amount:,.0f}" if amount >= 9.95 or amount == int(amount) else f"{amount:.1f}"


def counted(amount: int, what: str) -> str:
    """An amount with its noun: `1 document`, `1,234 documents`."""
    return f"{number(amount)} {what}" if amount == 1 else f"{number(amount)} {what}s"


def duration(seconds: float) -> str:
    """The two largest units: `0.4s`, `12s`, `3m 05s`, `2h 10m`, `4d 3h`."""
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes:02}m"
    return f"{minutes}m {rest:02}s" if minutes else f"{rest}s"


def moment(timestamp: float) -> str:
    """A Unix time as local date and time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(timestamp))


def _scaled(amount: float, units: tuple[str, ...], gap: str) -> str:
    value, index = float(amount), 0
    # 999.5 and not 1000: what would be rounded to "1000 kB" is "1 MB".
    while value >= 999.5 and index < len(units) - 1:
        value /= 1000
        index += 1
    digits = 0 if index == 0 or value >= 99.95 else 1 if value >= 9.995 else 2
    text = f"{value:.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return f"{text}{gap}{units[index]}"
