"""Signatures of thinking. A client that wants no thinking shown sends back the signature alone, so that holds it."""

from __future__ import annotations

import base64
import binascii

SIGNATURE = "samovar"
"""Of thinking that is shown: clients take a block without one for unfinished, and nobody here checks it."""
_HOLDING = f"{SIGNATURE}:"


def holding(thinking: str) -> str:
    """The signature that stands for thinking that is not shown."""
    return _HOLDING + base64.b64encode(thinking.encode()).decode()


def held(signature: str) -> str:
    """The thinking that a signature stands for; nothing where it is another service's, or broken."""
    if not signature.startswith(_HOLDING):
        return ""
    try:
        return base64.b64decode(signature.removeprefix(_HOLDING), validate=True).decode()
    except (binascii.Error, ValueError):  # not UTF-8, or no ASCII, are values too
        return ""
