"""Exit codes: a contract with scripts, kept in this one table and shown by `samovar --help`.

Failure codes are written as text here, so that `--help` does not load the protocol; a test compares them with
`FailureCode`.
"""

from __future__ import annotations

OK = 0
FAILURE = 1
USAGE = 2
NO_AGENT = 3
NOT_FOUND = 4
NO_MEMORY = 5
NETWORK = 6
INTERRUPTED = 130

MEANINGS: dict[int, str] = {
    OK: "done",
    FAILURE: "it did not work; the message says why",
    USAGE: "the command line, or a value in it, is not valid",
    NO_AGENT: "the agent is not running, or could not be started",
    NOT_FOUND: "no such model, file, document, collection, setting or token; or several match",
    NO_MEMORY: "the model does not fit into memory",
    NETWORK: "the network is off limits, absent, or failed",
    INTERRUPTED: "interrupted by Ctrl-C",
}
"""What each exit code means; all others are never used."""

_CODES: dict[str, int] = {
    "bad_request": USAGE,
    "setting_invalid": USAGE,
    "path_refused": USAGE,
    "agent_not_running": NO_AGENT,
    "agent_start_failed": NO_AGENT,
    "not_found": NOT_FOUND,
    "model_unknown": NOT_FOUND,
    "model_ambiguous": NOT_FOUND,
    "model_file_missing": NOT_FOUND,
    "setting_unknown": NOT_FOUND,
    "not_enough_memory": NO_MEMORY,
    "network_offline": NETWORK,
    "network_failed": NETWORK,
    "digest_mismatch": NETWORK,
    "gated": NETWORK,
}


def of_failure(code: str) -> int:
    """The exit code for a failure's code; 1 where the table has none, as for codes of a newer agent."""
    return _CODES.get(code, FAILURE)


def epilog() -> str:
    """The table as help text."""
    lines = [f"  {code:>3}  {meaning}" for code, meaning in MEANINGS.items()]
    return "\b\nExit codes:\n" + "\n".join(lines)
