"""State on disk: one SQLite file, one writer."""
