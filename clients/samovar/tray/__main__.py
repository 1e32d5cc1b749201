"""`python -m samovar.tray`: what the agent starts."""

from __future__ import annotations

import sys

from samovar.tray.main import main

if __name__ == "__main__":
    sys.exit(main())
