"""With the policy "offline", on a machine that has a network, nothing is sent to any other machine."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from samovar_protocol import Endpoint
from tests.processes import session
from tests.processes.agent import AgentProcess, until
from tests.processes.tracing import Trace
from tests.tiny_models.build import Kind

pytestmark = [
    pytest.mark.processes,
    pytest.mark.alone,
    pytest.mark.skipif(sys.platform != "linux", reason="needs strace"),
]

LOOSE_TONGUE = textwrap.dedent(
    """
    import socket, sys
    if {"samovar_agent.engine.worker", "samovar_agent.documents.extraction.worker"} & set(sys.orig_argv):
        with socket.socket() as stream:
            stream.setblocking(False)
            stream.connect_ex(("192.0.2.1", 80))
        with socket.socket(socket.AF_INET6) as stream:
            stream.setblocking(False)
            stream.connect_ex(("2001:db8::1", 80))
        with socket.socket(type=socket.SOCK_DGRAM) as datagram:
            try:
                datagram.sendto(b"here I am", ("192.0.2.2", 9))
            except OSError:
                pass
        try:
            socket.getaddrinfo("telemetry.invalid", 443)
        except OSError:
            pass
    """
)
"""What a library would do that phones home when it is imported; put into every process by way of `sitecustomize`."""


class Traced(AgentProcess):
    """An agent whose calls, and those of all its workers, are written down."""

    def __init__(self, home: Path, **environ: str) -> None:
        super().__init__(home, SAMOVAR_NETWORK="offline", HF_TOKEN="hf_secret", **environ)
        home.mkdir(parents=True)
        self.trace = Trace(home.with_suffix(".trace"))

    def up(self) -> "Traced":
        self.strace = subprocess.Popen(
            [*self.trace.command(), sys.executable, "-P", "-m", "samovar_agent", "--no-tray"],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        until(lambda: self.strace.poll() is not None or Endpoint.read(self.places.endpoint_file) is not None)
        assert self.strace.poll() is None, self.strace.stderr and self.strace.stderr.read()
        return self

    def down(self) -> None:
        """Stop it, so that the trace is complete."""
        assert self.cli("down").returncode == 0
        self.strace.wait(30)


@pytest.fixture
def traced(tmp_path: Path) -> Iterator[Traced]:
    agent = Traced(tmp_path / "home")
    yield agent
    end(agent)


def end(agent: Traced) -> None:
    agent.stop()
    if hasattr(agent, "strace"):
        agent.strace.send_signal(signal.SIGKILL)
        agent.strace.wait()
        if agent.strace.stderr:
            agent.strace.stderr.close()


@pytest.mark.model
def test_nothing_leaves_while_everything_is_used(
    traced: Traced, small_model: Path, tiny_model: Callable[[Kind], Path]
) -> None:
    traced.up()
    session.use_everything(traced, small_model, tiny_model("bert-mean"))
    workers = {worker.pid for worker in traced.workers()}
    assert len(workers) == 2
    assert len(traced.readers()) == 1, "documents were read by a process of their own"
    traced.down()
    assert traced.trace.leaks() == []
    seen = {int(line.split()[0]) for line in traced.trace.lines()}
    assert workers <= seen, "the workers were watched too"


@pytest.mark.model
def test_a_worker_that_phones_home_is_noticed(tmp_path: Path, small_model: Path) -> None:
    """The proof that the test above can fail: by TCP, by UDP, by a look-up of a name; in whatever computes or reads."""
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose" / "sitecustomize.py").write_text(LOOSE_TONGUE)
    agent = Traced(tmp_path / "home", PYTHONPATH=os.pathsep.join([str(tmp_path / "loose"), *_python_path()]))
    try:
        agent.up()
        assert agent.cli("import", str(small_model), "--link").returncode == 0
        assert agent.cli("load", "smollm2-135m").returncode == 0
        (tmp_path / "tea.md").write_text("Tea is hot.")
        assert agent.cli("docs", "add", str(tmp_path / "tea.md")).returncode == 0
        processes = [*agent.workers(), *agent.readers()]
        assert len(processes) == 2
        agent.down()
        leaks = agent.trace.leaks()
    finally:
        end(agent)
    for process in processes:
        own = [leak for leak in leaks if leak.pid == process.pid]
        shown = "\n".join(leak.line for leak in own)
        assert "192.0.2.1" in shown
        assert "2001:db8::1" in shown
        assert "192.0.2.2" in shown
        assert any(leak.call == "sendto" for leak in own)
        assert len(own) > 3, "the look-up of a name leaves by glibc's resolver"


def _python_path() -> list[str]:
    return [path for path in [os.environ.get("PYTHONPATH", "")] if path]
