"""The string formats that are enforced, as regular expressions. Every other one is a remark to the reader."""

from __future__ import annotations

from collections.abc import Iterable

_OFFSET = r"(Z|[+-]([01]\d|2[0-3]):[0-5]\d)"
_TIME = rf"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{{1,6}})?{_OFFSET}"
# The years from 1000, and in leap years the 29th of February.
_DATE = (
    r"([1-9]\d{3}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))"
    r"|([1-9]\d(0[48]|[2468][048]|[13579][26])|([2468][048]|[13579][26])00)-02-29)"
)
_DAYS = r"(\d{1,6}Y(\d{1,6}M(\d{1,6}D)?)?|\d{1,6}M(\d{1,6}D)?|\d{1,6}D)"
_HOURS = r"T(\d{1,6}H(\d{1,6}M(\d{1,6}S)?)?|\d{1,6}M(\d{1,6}S)?|\d{1,6}S)"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?"
_BYTE = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_ADDRESS = rf"{_BYTE}(\.{_BYTE}){{3}}"
_GROUP = "[0-9A-Fa-f]{1,4}"


def _ipv6() -> Iterable[str]:
    """Written out, and then with `::` behind up to `before` groups."""
    end = f"({_GROUP}:{_GROUP}|{_ADDRESS})"
    yield f"({_GROUP}:){{6}}{end}"
    for before in range(8):
        head = f"({_GROUP}(:{_GROUP}){{0,{before - 1}}})?" if before else ""
        after = 7 - before
        yield f"{head}::" + (f"({_GROUP}:){{{after - 2}}}{end}" if after >= 2 else _GROUP * after)


FORMATS: dict[str, str] = {
    "date": _DATE,
    "time": _TIME,
    "date-time": f"{_DATE}T{_TIME}",
    "duration": f"P({_DAYS}({_HOURS})?|{_HOURS}|\\d{{1,6}}W)",
    "email": rf"[A-Za-z0-9_%+-]{{1,30}}(\.[A-Za-z0-9_%+-]{{1,30}})?@{_LABEL}(\.{_LABEL}){{0,2}}\.[A-Za-z]{{2,24}}",
    "hostname": rf"{_LABEL}(\.{_LABEL}){{0,3}}",
    "ipv4": _ADDRESS,
    "ipv6": "|".join(f"({one})" for one in _ipv6()),
    "uuid": r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
}
