"""Everywhere that the server listens: its own port, those of other programs' clients, and a Unix socket.

What does not work is left out and told; the rest works.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
import stat
from dataclasses import dataclass, field
from pathlib import Path

from samovar_agent.http import tls
from samovar_agent.http.binding import Bound, bind, open_all, who_has
from samovar_agent.settings import ServerSettings
from samovar_protocol.values import HttpInfo

SOCKET_NAME = "http.sock"

_LOOPBACK = ["127.0.0.1", "::1"]


@dataclass(slots=True)
class Listening:
    """The result.

    - bound: at the server's own port. - context: of TLS, for that port. - further: at other ports, plain HTTP on
    loopback. - unix: the Unix socket, and where it is. - problems: what did not work.
    """

    bound: Bound = field(default_factory=Bound)
    context: ssl.SSLContext | None = None
    further: list[socket.socket] = field(default_factory=list)
    unix: tuple[socket.socket, Path] | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def sockets(self) -> list[tuple[socket.socket, ssl.SSLContext | None]]:
        """All of them, each with its TLS."""
        plain = [*self.further, *([self.unix[0]] if self.unix else [])]
        return [*((opened, self.context) for opened in self.bound.sockets), *((opened, None) for opened in plain)]

    @property
    def info(self) -> HttpInfo:
        """What clients are told; the server's own port comes first."""
        ports = dict.fromkeys(opened.getsockname()[1] for opened in self.further)
        return HttpInfo(
            urls=[*self.bound.urls, *(f"http://127.0.0.1:{port}" for port in ports)],
            unix_socket=str(self.unix[1]) if self.unix else None,
            problem=" ".join(self.problems) or None,
        )

    def forget(self) -> None:
        """Nobody listens any more: take away the Unix socket's file, which would stay otherwise."""
        if self.unix is not None:
            self.unix[1].unlink(missing_ok=True)


async def listen(settings: ServerSettings, folder: Path, *, has_token: bool) -> Listening:
    """Listen wherever the settings say; never raises for what does not work. - folder: for the Unix socket."""
    listening = Listening()
    try:
        listening.context = tls.context(settings.tls_certificate, settings.tls_key)
    except tls.CertificateError as error:
        # Not plain HTTP instead: tokens would go over the network for everybody to read.
        listening.problems.append(f"{error} So the server does not listen at port {settings.port}; {_SET_TLS}.")
    else:
        if listening.context is not None and (problem := tls.validity_problem(settings.tls_certificate)):
            listening.problems.append(problem)
        listening.bound = await bind(settings, has_token=has_token, secure=listening.context is not None)
        if listening.bound.problem:
            listening.problems.append(listening.bound.problem)
    for name, whose, port in (
        ("ollama_port", "Ollama's", settings.ollama_port),
        ("lmstudio_port", "LM Studio's", settings.lmstudio_port),
    ):
        if port:
            await _listen_further(listening, f"server.{name}", whose, port)
    if settings.unix_socket:
        try:
            listening.unix = _open_unix(folder)
        except OSError as error:
            listening.problems.append(
                f"The Unix socket could not be opened in {folder}: {error.strerror or error}. "
                "Mend that, or `samovar config set server.unix_socket false`."
            )
    return listening


_SET_TLS = "correct server.tls_certificate and server.tls_key, then `samovar down` and `samovar up`"


async def _listen_further(listening: Listening, setting: str, whose: str, port: int) -> None:
    if port in {opened.getsockname()[1] for opened in [*listening.bound.sockets, *listening.further]}:
        return  # its clients find the server there already
    try:
        opened, _ = open_all(_LOOPBACK, port)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        what = await who_has(port) if taken else f"Port {port} could not be opened: {error.strerror}"
        listening.problems.append(
            f"{what}, so {whose} clients do not find this server there. "
            f"Stop that program, or `samovar config set {setting} 0`; then `samovar down` and `samovar up`."
        )
    else:
        listening.further += opened


def _open_unix(folder: Path) -> tuple[socket.socket, Path]:
    """A socket in a folder that nobody else may enter, or OSError."""
    if not hasattr(socket, "AF_UNIX"):
        raise OSError(errno.EAFNOSUPPORT, "this system has none that work here")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise PermissionError(errno.EPERM, "others may enter that folder")
    path = folder / SOCKET_NAME
    path.unlink(missing_ok=True)  # a killed agent's; the lock says that no other agent lives
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        opened.bind(os.fspath(path))
        path.chmod(0o600)
        opened.listen(128)
        opened.setblocking(False)
    except OSError:
        opened.close()
        raise
    return opened, path
