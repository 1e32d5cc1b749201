"""The agent's two ZeroMQ sockets, encrypted and authenticated, on the event loop.

ROUTER answers requests, XPUB tells events. Both are CURVE servers (RFC 26 of ZeroMQ): a peer needs the keys from the
endpoint file, which only this user can read. A peer with another key never gets as far as a message.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq
from zmq.utils.monitor import parse_monitor_message
from zmq.utils.z85 import decode as z85_decode

from samovar_agent.platforms import watching_loop
from samovar_protocol.wire import MAX_FRAME_BYTES

log = logging.getLogger("samovar.control")

_REFUSED = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
_OUTGOING_LIMIT = 10_000
"""Messages that wait for one slow client before its requests are cancelled."""
_AT_ONCE = 100
"""Requests that are read before everything else gets its turn; a client that floods us would have them all."""


@dataclass(frozen=True, slots=True)
class Keys:
    """CURVE keys of one run of the agent, Z85 text: the agent's pair and the pair that its clients present."""

    server: bytes
    server_secret: bytes
    client: bytes
    client_secret: bytes

    @classmethod
    def generate(cls) -> Keys:
        """Fresh keys; an endpoint file of an earlier run opens nothing."""
        server, server_secret = zmq.curve_keypair()
        client, client_secret = zmq.curve_keypair()
        return cls(server, server_secret, client, client_secret)


class PeerGone(Exception):
    """The client to whom this message should go has left."""


class PeerSlow(Exception):
    """The client to whom this message should go has not read thousands of earlier ones."""


class ControlSockets:
    """Both sockets and the check of their peers' keys. All methods are called from the event loop's thread.

    - folder: for the Unix sockets; loopback TCP is used on Windows.
    - on_message: called with (identity, frames) of each request.
    """

    def __init__(self, folder: Path, keys: Keys, *, on_message: Callable[[bytes, list[bytes]], None]) -> None:
        self._on_message = on_message
        self._keys = keys
        self._context: zmq.Context[Any] = zmq.Context()
        # More than the default 1023, so that a flood of connections cannot lock the user's own clients out.
        self._context.set(zmq.MAX_SOCKETS, 4096)
        self._loop = watching_loop(asyncio.get_running_loop())
        self._subscribed: Callable[[], None] = lambda: None
        self._reading_soon = False
        self._checker = self._context.socket(zmq.REP)
        self._checker.bind("inproc://zeromq.zap.01")
        self._router = self._server(zmq.ROUTER)
        self._router.router_mandatory = True
        self._router.sndhwm = _OUTGOING_LIMIT
        self._publisher = self._server(zmq.XPUB)
        self._publisher.setsockopt(zmq.XPUB_VERBOSE, 1)
        self._monitor = self._router.get_monitor_socket(_REFUSED)
        self._refusals = 0
        # A name of its own for every run: a client that holds a killed agent's endpoint must find nobody there, not an
        # agent that refuses its old keys.
        run = secrets.token_hex(3)
        self.control = self._bind(self._router, folder / f"control-{run}")
        self.events = self._bind(self._publisher, folder / f"events-{run}")
        for socket, callback in self._readers():
            self._loop.add_reader(socket.fileno(), callback)
            self._loop.call_soon(callback)  # a descriptor signals only after the first look

    def on_subscribed(self, callback: Callable[[], None]) -> None:
        """Call this whenever a client has subscribed to events."""
        self._subscribed = callback

    def send(self, identity: bytes, frame: bytes) -> None:
        """Queue one message to a client; raises `PeerGone` or `PeerSlow`."""
        if self._router.closed:
            raise PeerGone("the sockets are closed")
        try:
            self._router.send_multipart((identity, frame), zmq.NOBLOCK, copy=len(frame) < 65536)
        except zmq.Again:
            raise PeerSlow("the client does not read") from None
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            raise PeerGone("the client is gone") from None
        finally:
            # The descriptor is edge-triggered: what arrived while we sent, or tried to, would not be announced again.
            self._read_requests_soon()

    def publish(self, frames: list[bytes]) -> None:
        """Send an event to all subscribers; one that reads too slowly loses it and sees the gap in the numbers."""
        self._publisher.send_multipart(frames, zmq.NOBLOCK)
        self._loop.call_soon(self._read_subscriptions)

    async def close(self) -> None:
        """Hand over what is queued, within a second, and free the sockets; may be called twice."""
        if self._router.closed:
            return
        for socket, _ in self._readers():
            self._loop.remove_reader(socket.fileno())
        self._router.disable_monitor()
        self._monitor.close(0)
        for server in (self._router, self._publisher):
            server.close(linger=1000)
        self._checker.close(0)
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self._context.term()  # waits until everything is handed over
        for address in (self.control, self.events):
            if address.startswith("ipc://"):  # ZeroMQ leaves the file
                Path(address.removeprefix("ipc://")).unlink(missing_ok=True)

    def _readers(self) -> list[tuple[zmq.Socket[bytes], Callable[[], None]]]:
        return [
            (self._router, self._read_requests),
            (self._publisher, self._read_subscriptions),
            (self._checker, self._check_peers),
            (self._monitor, self._read_refusals),
        ]

    def _server(self, kind: int) -> zmq.Socket[bytes]:
        socket: zmq.Socket[bytes] = self._context.socket(kind)
        socket.curve_server = True
        socket.curve_secretkey = self._keys.server_secret
        socket.zap_domain = b"samovar"
        socket.maxmsgsize = MAX_FRAME_BYTES
        socket.handshake_ivl = 5000
        socket.backlog = 1024
        return socket

    @staticmethod
    def _bind(socket: zmq.Socket[bytes], path: Path) -> str:
        if sys.platform == "win32":
            socket.bind("tcp://127.0.0.1:*")
        else:
            socket.bind(f"ipc://{path}")
        return socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def _read_requests_soon(self) -> None:
        if not self._reading_soon:
            self._reading_soon = True
            self._loop.call_soon(self._read_requests)

    def _read_requests(self) -> None:
        self._reading_soon = False
        for _ in range(_AT_ONCE):
            if self._router.closed:
                return
            try:
                identity, *frames = self._router.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._on_message(identity, frames)
        self._read_requests_soon()

    def _read_subscriptions(self) -> None:
        while not self._publisher.closed:
            try:
                message = self._publisher.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            if message[:1] == b"\x01":
                self._subscribed()

    def _check_peers(self) -> None:
        """Answer ZeroMQ's question "may this key in?" (RFC 27, ZAP)."""
        while not self._checker.closed:
            try:
                version, sequence, _domain, _address, _identity, mechanism, *credentials = self._checker.recv_multipart(
                    zmq.NOBLOCK
                )
            except zmq.Again:
                return
            allowed = mechanism == b"CURVE" and credentials == [z85_decode(self._keys.client)]
            status, text = (b"200", b"OK") if allowed else (b"400", b"unknown key")
            self._checker.send_multipart([version, sequence, status, text, b"samovar" if allowed else b"", b""])

    def _read_refusals(self) -> None:
        while not self._monitor.closed:
            try:
                parse_monitor_message(self._monitor.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                return
            self._refusals += 1
            if self._refusals == 1:  # once: whoever knocks could fill the disk with log lines otherwise
                log.warning("a connection to the control socket was refused: wrong key or not ZeroMQ")


def socket_folder(folder: Path) -> Path:
    """Make the folder for the sockets, empty and for this user alone; raises OSError where it is somebody else's.

    It may lie in the shared temporary folder (paths of sockets must be short), where anyone could have put it first.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if sys.platform != "win32":
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise PermissionError(f"{folder} is not a folder of this user")
        folder.chmod(0o700)
    for left in (*folder.glob("control-*"), *folder.glob("events-*")):
        left.unlink()  # a killed agent's; the lock says that no other agent lives
    return folder
