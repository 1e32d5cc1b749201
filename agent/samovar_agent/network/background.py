"""Blocking calls that may hang for a minute: on threads of their own, which nobody ever has to wait for.

address = await in_thread(socket.getaddrinfo, host, port)

asyncio's own threads are few, shared with everything that reads files, and joined when the agent stops; a resolver
that gets no answer would hold up all of that.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """What `function` returns or raises; it sees our context variables.

    Who is cancelled leaves at once, and the thread ends when the call does, or with the process.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def tell(outcome: Callable[[], None]) -> None:
        if not done.done():
            outcome()

    def work() -> None:
        try:
            result = context.run(function, *args, **kwargs)
        except BaseException as error:
            # StopIteration is the one thing that a future cannot carry.
            told = RuntimeError(repr(error)) if isinstance(error, StopIteration) else error
            outcome = lambda: done.set_exception(told)  # noqa: E731
        else:
            outcome = lambda: done.set_result(result)  # noqa: E731
        with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile
            loop.call_soon_threadsafe(tell, outcome)

    threading.Thread(target=work, name=f"samovar-{getattr(function, '__name__', 'call')}", daemon=True).start()
    return await done
