"""pystray's base classes, without a backend of pystray's.

`import pystray` chooses a backend at once. On Linux that loads GTK or opens an X display, and without a display it
fails with errors that are not ImportError. Its dummy backend does neither.
"""

from __future__ import annotations

import os

_VARIABLE = "PYSTRAY_BACKEND"
_before = os.environ.get(_VARIABLE)
os.environ[_VARIABLE] = "dummy"
try:
    from pystray._base import Icon, Menu, MenuItem
finally:
    if _before is None:
        del os.environ[_VARIABLE]
    else:
        os.environ[_VARIABLE] = _before

__all__ = ["Icon", "Menu", "MenuItem"]
