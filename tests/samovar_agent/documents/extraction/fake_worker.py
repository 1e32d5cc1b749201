"""A worker that misbehaves on demand: the name of the file says how."""

import os
import signal
import sys
import time

from samovar_agent.documents.extracted import Extracted
from samovar_agent.documents.extraction import wire
from samovar_agent.platforms import die_with_parent


def _next() -> wire.Command:
    head = os.read(0, wire.LENGTH_BYTES)
    if not head:
        sys.exit()
    command: wire.Command = wire.commands.decode(os.read(0, int.from_bytes(head, "big")))
    return command


def _begins(path: str) -> int:
    """How often somebody asked, over all processes that count in this file."""
    with open(path, "a") as file:
        file.write(".")
    return os.path.getsize(path)


def _answer(path: str, reads: int) -> None:
    match path:
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "killed once" | "killed always":
            if path == "killed always" or _begins(os.environ["FAKE_WORKER_COUNT"]) == 1:
                os.kill(os.getpid(), signal.SIGKILL)
        case "hang":
            time.sleep(1000)
        case "grow":
            kept = bytearray()
            while True:
                kept += bytes(range(256)) * 65536
        case "allocation fails":
            os.write(2, b"memory allocation of 4294967296 bytes failed\n")
            os.abort()
        case "garbage":
            os.write(1, b"\0\0\0\4what")
        case "endless":
            os.write(1, b"\xff\xff\xff\xff")
        case "shouts":
            os.write(2, b"a line without an end " * 100_000)
    exhausted = path == "panic"
    media_type = "text/plain" if path.startswith("note") else "application/pdf"
    done = wire.Done(Extracted(title=path, media_type=media_type, text=f"{reads} {os.getpid()}"), exhausted)
    os.write(1, wire.encode(done))


def main() -> None:
    """Obey until the pipe ends."""
    die_with_parent(int(os.environ["SAMOVAR_WORKER_PARENT"]))
    reads = 0
    while True:
        match _next():
            case wire.Begin():
                if "no start" in sys.argv:
                    sys.exit("ModuleNotFoundError: no such library")
                if "killed at start" in sys.argv and _begins(sys.argv[-1]) <= int(sys.argv[-2]):
                    os.kill(os.getpid(), signal.SIGKILL)
                os.write(1, wire.encode(wire.Ready()))
            case wire.Read(path):
                reads += 1
                _answer(os.path.basename(path).decode(), reads)


if __name__ == "__main__":
    main()
