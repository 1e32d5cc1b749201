"""The local HTTP server.

`routes.py` is the table of everything it answers; each group of endpoints is one file. `front.py` and `guard.py`
stand before all of them.
"""
