"""A ZeroMQ socket on the event loop, without a task switch between the wire and the reader.

ZeroMQ's descriptor is edge-triggered: it signals "look again", so after each signal, and after each send, everything
that is there must be read (zmq_getsockopt(3), ZMQ_FD). `zmq.asyncio` does this with a future a message; reading
straight from the callback saves a quarter of a round trip.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import zmq
from zmq.utils.monitor import parse_monitor_message

from samovar_protocol import Endpoint
from samovar_protocol.wire import MAX_FRAME_BYTES

_LOST = zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
_LOST |= zmq.EVENT_HANDSHAKE_FAILED_AUTH


class LoopSocket:
    """A connected, encrypted socket that hands over what arrives.

    - kind: zmq.DEALER or zmq.SUB. - address: from the endpoint, which also has the keys.
    - on_message: called with the frames of each message. - on_lost: called once when the agent has gone.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        kind: int,
        address: str,
        endpoint: Endpoint,
        *,
        on_message: Callable[[list[bytes]], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._on_message = on_message
        self._on_lost = on_lost
        self._socket = context.socket(kind)
        self._socket.linger = 0
        self._socket.sndhwm = 0  # sending never fails for want of room; who asks is bounded by waiting for the answers
        self._socket.maxmsgsize = MAX_FRAME_BYTES
        self._socket.curve_serverkey = endpoint.server_key.encode()
        self._socket.curve_publickey = endpoint.client_key.encode()
        self._socket.curve_secretkey = endpoint.client_secret.encode()
        if kind == zmq.SUB:
            self._socket.rcvhwm = 0  # a gap would make the client's picture wrong; what waits here is small
            self._socket.subscribe(b"")
        self._monitor = self._socket.get_monitor_socket(_LOST)
        self._loop = _readable_loop(asyncio.get_running_loop())
        self._closed = False
        for descriptor, look in ((self._socket.fileno(), self._drain), (self._monitor.fileno(), self._watch)):
            self._loop.add_reader(descriptor, look)
            self._loop.call_soon(look)  # a descriptor signals only after the first look
        self._socket.connect(address)

    def send(self, frame: bytes) -> None:
        """Queue one message; never blocks."""
        self._socket.send(frame, zmq.NOBLOCK)
        self._drain()

    def close(self) -> None:
        """Stop listening and free the socket; may be called twice."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_reader(self._monitor.fileno())
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close(0)

    def _drain(self) -> None:
        while not self._closed:
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._on_message(frames)

    def _watch(self) -> None:
        while not self._closed:
            try:
                parse_monitor_message(self._monitor.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                return
            # What the agent said last may still be in our queue; it comes before the bad news.
            self._drain()
            if not self._closed:
                self._on_lost()


def _readable_loop(loop: asyncio.AbstractEventLoop) -> Any:
    """The loop, or on Windows, whose default loop cannot watch descriptors, a thread that watches them for it."""
    if sys.platform == "win32" and isinstance(loop, asyncio.ProactorEventLoop):
        from tornado.platform.asyncio import AddThreadSelectorEventLoop

        return AddThreadSelectorEventLoop(loop)
    return loop
