"""The protocol's own version, independent of the program's release number.

The major number changes when an old client or an old agent would misunderstand a message; such peers refuse each
other with `unsupported_version`. The minor number changes when something was added that the other side may ignore.
"""

PROTOCOL_VERSION: tuple[int, int] = (1, 4)
"""(major, minor) that this package speaks. The head of `HISTORY`."""

HISTORY: tuple[tuple[tuple[int, int], str, str], ...] = (
    ((1, 4), "2026-11-23", "Tokens expire; a Unix socket; conversations change; replies tell stop texts."),
    ((1, 3), "2026-11-23", "Documents: collections, search, answers with citations; conversations that are kept."),
    ((1, 2), "2026-11-22", "Catalog, search, downloads as jobs, verify, the network journal."),
    ((1, 1), "2026-11-22", "Tools, reasoning, reply formats, logprobs, several choices, deadlines; embed and rerank."),
    ((1, 0), "2026-11-22", "First version: hello, models, instances, chat, settings, tokens, events."),
)
"""(version, date, what changed), newest first. PROTOCOL.md repeats it and a test ties the two together."""
