"""What the three standard streams are connected to."""

from __future__ import annotations

import sys

_CONTROLS = dict.fromkeys([*range(0x20), 0x7F, *range(0x80, 0xA0)])
for _kept in (0x09, 0x0A):
    del _CONTROLS[_kept]


def stdin_is_terminal() -> bool:
    return sys.stdin.isatty()


def stdout_is_terminal() -> bool:
    return sys.stdout.isatty()


def stderr_is_terminal() -> bool:
    return sys.stderr.isatty()


def safe(text: str) -> str:
    """`text` as a terminal may show it: a model's reply must not move the cursor or fill the clipboard."""
    return harmless(text) if stdout_is_terminal() else text


def write(text: str) -> None:
    """Put `text` on stdout at once, as it is or, on a terminal, `safe`."""
    sys.stdout.write(safe(text))
    sys.stdout.flush()


def harmless(text: str) -> str:
    """`text` without the control characters that a terminal would obey."""
    return text.translate(_CONTROLS)
