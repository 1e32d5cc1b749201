"""`python -m samovar_agent.documents.extraction.worker`, started by the agent with pipes on 0 and 1."""

from __future__ import annotations

import os
import signal


def main() -> None:
    """Move the pipes away from where libraries print, tie this process to its agent, and serve."""
    commands, answers = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    if hasattr(os, "nice"):
        os.nice(10)  # whoever searches meanwhile comes first
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the agent's terminal reaches us too; the agent decides

    from samovar_agent.platforms import binary_pipes, die_with_parent

    die_with_parent(int(os.environ["SAMOVAR_WORKER_PARENT"]))
    binary_pipes(commands, answers)

    from samovar_agent.documents.extraction.worker.serve import serve

    serve(commands, answers)


if __name__ == "__main__":
    main()
