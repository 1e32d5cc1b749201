"""Serves the control socket: decodes each request, runs its handler as a task, sends back what it answers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Coroutine
from functools import partial
from typing import Any

from samovar_agent.control.sockets import ControlSockets, Keys, PeerGone, PeerSlow, socket_folder
from samovar_agent.events import cause
from samovar_agent.operations.call import Call
from samovar_agent.operations.dispatch import dispatch
from samovar_agent.services import Services
from samovar_protocol import Failure, FailureCode, Places, SamovarError
from samovar_protocol.events import AnyEvent, Stopping, Subscribed
from samovar_protocol.replies import Reply
from samovar_protocol.requests import AnyRequest, Hello
from samovar_protocol.values import AnyDelta, Progress
from samovar_protocol.wire import (
    MAX_FRAME_BYTES,
    decode_message,
    decode_request,
    encode_chunk,
    encode_done,
    encode_event,
    encode_failed,
)

log = logging.getLogger("samovar.control")

_LAST_WORDS = 2.0
"""Seconds that requests have to end by themselves when the agent stops."""
_RETRY_SECONDS = 1.0
"""How often the last messages of requests are offered to clients that do not read."""
_LATE_ANSWERS = 1000
"""So many of them are kept, the newest ones."""
_REMEMBERED_CLIENTS = 1000
"""Names of clients that are kept, the newest ones: ZeroMQ does not say who has left."""


class ControlServer:
    """The control socket of one agent.

    - places: where its sockets may lie. - keys: of this run.
    """

    def __init__(self, services: Services, places: Places, keys: Keys) -> None:
        self._services = services
        self._tasks: dict[tuple[bytes, str], asyncio.Task[None]] = {}
        self._clients: dict[bytes, str] = {}
        self._late: deque[tuple[bytes, bytes]] = deque(maxlen=_LATE_ANSWERS)
        self._stopping = False
        self._complained = False
        self.sockets = ControlSockets(socket_folder(places.socket_folder()), keys, on_message=self._receive)
        self.sockets.on_subscribed(self._greet)
        self._unsubscribe = services.events.subscribe(self._publish)

    async def stop(self) -> None:
        """Refuse new requests, let running ones end, and close the sockets once everything said is handed over."""
        self._stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=_LAST_WORDS)
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._unsubscribe()
        await self.sockets.close()

    def refuse_new(self) -> None:
        """From now on every new request is answered with `shutting_down`."""
        self._stopping = True
        self._services.events.publish(Stopping())

    def _receive(self, identity: bytes, frames: list[bytes]) -> None:
        request_id = ""
        try:
            if len(frames) != 1:
                raise SamovarError(
                    FailureCode.BAD_REQUEST,
                    f"A message has one frame, this one has {len(frames)}.",
                    hint="See PROTOCOL.md.",
                )
            message = decode_message(frames[0])
            request_id = message.id
            request = decode_request(message)
            if self._stopping:
                raise _shutting_down()
            if (identity, request_id) in self._tasks:
                raise SamovarError(
                    FailureCode.BAD_REQUEST,
                    f"The id '{request_id}' is already in use.",
                    hint="Give every request an id of its own.",
                )
        except SamovarError as error:
            self._complain(error)
            self._answer(identity, encode_failed(request_id, error.failure))
            return
        if isinstance(request, Hello):
            self._clients[identity] = request.client[:100]
            if len(self._clients) > _REMEMBERED_CLIENTS:
                del self._clients[next(iter(self._clients))]
        self._serve(identity, request_id, request)

    def _serve(self, identity: bytes, request_id: str, request: AnyRequest) -> None:
        """Answer at once what needs no waiting; the rest becomes a task."""
        chunks = _Chunks(self.sockets, identity, request_id)
        call = Call(
            services=self._services,
            send=chunks.send,
            cancel=partial(self._cancel, identity),
            requester=self._clients.get(identity, "control"),
        )
        outer = cause.set(request_id)
        try:
            answer = dispatch(call, request)
            if isinstance(answer, Reply):
                self._answer(identity, encode_done(request_id, answer))
                return
            chunks.task = asyncio.create_task(self._finish(identity, request_id, answer, chunks))
            self._tasks[identity, request_id] = chunks.task
        except Exception as error:
            self._answer(identity, encode_failed(request_id, _failure(error)))
        finally:
            cause.reset(outer)

    async def _finish(
        self, identity: bytes, request_id: str, coming: Coroutine[Any, Any, Reply], chunks: _Chunks
    ) -> None:
        try:
            answer = encode_done(request_id, await coming)
            if len(answer) > MAX_FRAME_BYTES:
                raise _too_large(len(answer))  # sent, it would cost the client its connection
        except asyncio.CancelledError:
            reason = _shutting_down() if self._stopping else _not_read() if chunks.unread else _cancelled()
            answer = encode_failed(request_id, reason.failure)
        except Exception as error:
            answer = encode_failed(request_id, _failure(error))
        finally:
            self._tasks.pop((identity, request_id), None)
        self._answer(identity, answer)

    def _answer(self, identity: bytes, frame: bytes) -> None:
        """Send the last message of a request, as soon as the client takes it: it may wait for that for ever."""
        try:
            self.sockets.send(identity, frame)
        except PeerGone:
            pass
        except PeerSlow:
            self._late.append((identity, frame))
            if len(self._late) == 1:
                asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._answer_late)

    def _answer_late(self) -> None:
        late = list(self._late)
        self._late.clear()
        for identity, frame in late:
            self._answer(identity, frame)

    def _cancel(self, identity: bytes, target: str) -> bool:
        task = self._tasks.get((identity, target))
        if task is None:
            return False
        # Both messages may have come in one go: a task that is cancelled before its first step never answers.
        asyncio.get_running_loop().call_soon(_cancel_once, task)
        return True

    def _complain(self, error: SamovarError) -> None:
        if not self._complained:  # once: a broken client could fill the disk with log lines otherwise
            self._complained = True
            log.warning("a message on the control socket was refused: %s", error.failure.message)

    def _publish(self, sequence: int, when: float, request_id: str | None, event: AnyEvent) -> None:
        self.sockets.publish(encode_event(sequence, when, request_id, event))

    def _greet(self) -> None:
        self._publish(self._services.events.sequence, time.time(), None, Subscribed())


class _Chunks:
    """The way back for a streamed answer. - unread: whether the client has left, or reads too slowly."""

    def __init__(self, sockets: ControlSockets, identity: bytes, request_id: str) -> None:
        self._sockets, self._identity, self._request_id = sockets, identity, request_id
        self.task: asyncio.Task[None] | None = None
        self.unread = False

    def send(self, chunk: AnyDelta | Progress) -> None:
        """One piece; where nobody takes it, the request is cancelled. Raises nothing: whoever reports progress may
        report it to others too."""
        if self.unread:
            return
        try:
            self._sockets.send(self._identity, encode_chunk(self._request_id, chunk))
        except (PeerGone, PeerSlow) as problem:
            log.debug("%s: its request %s ends", problem, self._request_id)
            self.unread = True
            if self.task is not None:
                self.task.cancel()


def _cancel_once(task: asyncio.Task[None]) -> None:
    if not task.cancelling():  # a second one would cut its cleaning up short
        task.cancel()


def _failure(error: Exception) -> Failure:
    if isinstance(error, SamovarError):
        return error.failure
    log.error("a request failed unexpectedly", exc_info=error)
    return SamovarError(
        FailureCode.INTERNAL, "Something went wrong inside the agent.", hint="`samovar logs` has the details."
    ).failure


def _shutting_down() -> SamovarError:
    return SamovarError(
        FailureCode.SHUTTING_DOWN, "The agent is shutting down.", hint="Start it again with `samovar up`."
    )


def _too_large(size: int) -> SamovarError:
    return SamovarError(
        FailureCode.TOO_LARGE,
        f"The answer has {size:,} bytes; the limit is {MAX_FRAME_BYTES:,}.",
        hint="Ask for less at once.",
    )


def _cancelled() -> SamovarError:
    return SamovarError(FailureCode.CANCELLED, "The request was cancelled.")


def _not_read() -> SamovarError:
    return SamovarError(
        FailureCode.CANCELLED, "The request was cancelled because its answer was not read.", hint="Read it as it comes."
    )
