"""Further places to listen at: other programs' ports and a Unix socket."""

import os
import socket
import stat
from pathlib import Path

import pytest

from samovar_agent.http import guard
from samovar_agent.http.listening import listen
from samovar_agent.settings import ServerSettings
from tests.samovar_agent.http.conftest import Agent
from tests.samovar_agent.http.raw import ask, request
from tests.samovar_agent.http.test_binding import held as held


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_by_default_there_is_nothing_else(tmp_path: Path) -> None:
    listening = await listen(ServerSettings(port=0), tmp_path, has_token=False)
    assert not listening.further and listening.unix is None and listening.info.problem is None
    assert listening.info.urls == listening.bound.urls
    for opened, _ in listening.sockets:
        opened.close()


@pytest.mark.parametrize("setting", ["server.ollama_port", "server.lmstudio_port"])
async def test_another_programs_port(idle_agent: Agent, setting: str) -> None:
    port = free_port()
    idle_agent.settings.set(setting, port)
    info = await idle_agent.start()
    assert info.urls[-1] == f"http://127.0.0.1:{port}" and info.problem is None
    for where in (port, idle_agent.port):
        assert (await ask(where, request("GET", "/v1/models"))).status == 200
        for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
            assert (await ask(where, request("GET", "/v1/models", host=host))).status == 200
        assert (await ask(where, request("GET", "/v1/models", host=f"evil.test:{port}"))).status == 403
        assert (await ask(where, request("GET", "/v1/models", "Origin: https://evil.test"))).status == 403
    await idle_agent.server.stop()
    with pytest.raises(ConnectionRefusedError):
        await ask(port, request("GET", "/health"))


async def test_a_port_that_another_program_has_is_told_and_the_rest_works(idle_agent: Agent, held: int) -> None:
    idle_agent.settings.set("server.ollama_port", held)
    info = await idle_agent.start()
    assert info.problem is not None
    for part in (f"Port {held} is taken by", f"process {os.getpid()}", "Ollama's clients", "server.ollama_port 0"):
        assert part in info.problem
    assert (await ask(idle_agent.port, request("GET", "/health"))).status == 200


async def test_our_own_port_may_be_another_programs(idle_agent: Agent) -> None:
    port = free_port()
    for setting in ("server.port", "server.ollama_port", "server.lmstudio_port"):
        idle_agent.settings.set(setting, port)
    info = await idle_agent.start()
    assert info.problem is None and len(info.urls) == len(set(info.urls))
    assert (await ask(port, request("GET", "/health"))).status == 200


class TestUnixSocket:
    """For programs of this user alone."""

    @pytest.fixture
    async def path(self, idle_agent: Agent) -> Path:
        idle_agent.settings.set("server.unix_socket", True)
        info = await idle_agent.start()
        assert info.unix_socket is not None and info.problem is None
        return Path(info.unix_socket)

    async def test_it_answers_and_only_this_user_may_open_it(self, path: Path) -> None:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert (await ask(path, request("GET", "/v1/models"))).status == 200
        assert (await ask(path, request("GET", "/v1/models", host="evil.test"))).status == 403
        assert (await ask(path, request("GET", "/v1/models", "Origin: https://evil.test"))).status == 403

    async def test_it_needs_no_token_unless_the_settings_say_so(self, idle_agent: Agent, path: Path) -> None:
        body = b'{"model": "m", "messages": [{"role": "user", "content": "x"}]}'
        chat = request("POST", "/v1/chat/completions", "Content-Type: application/json", body=body)
        assert (await ask(path, chat)).status == 200
        assert idle_agent.instances.clients == ["http unix "]
        idle_agent.settings.set("server.require_token", True)
        assert (await ask(path, chat)).status == 401

    async def test_it_is_this_users_documents_that_it_reads(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(guard, "connection_user", lambda own, other: os.geteuid() + 4000)
        answer = await ask(path, request("GET", "/api/samovar/documents?limit=no"))
        assert answer.status not in (401, 403)

    async def test_it_is_gone_after_a_stop(self, idle_agent: Agent, path: Path) -> None:
        await idle_agent.server.stop()
        assert not path.exists()

    async def test_that_of_a_killed_agent_is_replaced(self, idle_agent: Agent, tmp_path: Path) -> None:
        folder = tmp_path / "run"
        folder.mkdir(mode=0o700)
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(folder / "http.sock"))
        idle_agent.settings.set("server.unix_socket", True)
        info = await idle_agent.start()
        assert info.problem is None and info.unix_socket == str(folder / "http.sock")
        assert (await ask(folder / "http.sock", request("GET", "/health"))).status == 200

    async def test_a_folder_of_everybody_is_refused_and_the_rest_works(self, idle_agent: Agent, tmp_path: Path) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run").chmod(0o777)
        idle_agent.settings.set("server.unix_socket", True)
        info = await idle_agent.start()
        assert info.unix_socket is None and info.problem is not None and "others may enter" in info.problem
        assert (await ask(idle_agent.port, request("GET", "/health"))).status == 200
