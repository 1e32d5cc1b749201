"""Files as text: each is read in a process of its own kind, which may crash, hang or run out of memory alone."""
