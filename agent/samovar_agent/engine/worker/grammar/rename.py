"""A grammar's rules under other names, so that it can stand beside others."""

from __future__ import annotations

import re

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|#[^\r\n]*|\{[^}]*\}|([A-Za-z0-9-]+)', re.DOTALL)


def prefixed(gbnf: str, prefix: str) -> str:
    """The grammar `gbnf`, which must be a sound one, with `prefix` before the name of every rule."""
    return _TOKEN.sub(lambda found: prefix + found[0] if found[1] else found[0], gbnf)
