"""The process that reads files: it knows no state, opens no connection, and may end at any time."""
