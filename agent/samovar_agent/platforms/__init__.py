"""What each operating system does its own way, one file each.

- die_with_parent(parent): called by a worker first of all: it ends when the process `parent` ends.
- keep_child(pid): called by the agent right after it started a worker, where the agent has to do its part.
- try_lock(file): take a lock that the operating system gives back when this process ends.
- watching_loop(loop): a loop whose `add_reader` works.
- connection_user(own, other): the user id of whoever holds the other end of a connection within this machine.
- binary_pipes(*descriptors): bytes written are bytes read.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from samovar_agent.platforms.windows import (
        binary_pipes,
        connection_user,
        die_with_parent,
        keep_child,
        try_lock,
        watching_loop,
    )
elif sys.platform == "darwin":
    from samovar_agent.platforms.macos import binary_pipes, connection_user, die_with_parent, keep_child
    from samovar_agent.platforms.posix import try_lock, watching_loop
else:
    from samovar_agent.platforms.linux import binary_pipes, connection_user, die_with_parent, keep_child
    from samovar_agent.platforms.posix import try_lock, watching_loop

__all__ = ["binary_pipes", "connection_user", "die_with_parent", "keep_child", "try_lock", "watching_loop"]
