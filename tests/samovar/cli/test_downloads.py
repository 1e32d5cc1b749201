from __future__ import annotations

from samovar_protocol.replies import DownloadLsReply, DownloadReply
from samovar_protocol.requests import DownloadCancel, DownloadLs, DownloadPause, DownloadResume
from samovar_protocol.values import DownloadInfo, Progress
from tests.samovar.cli.fakes import FakeAgent, document, failure, samovar

RUNNING = DownloadInfo(
    id=3,
    name="HuggingFaceTB/SmolLM2@Q4_1",
    state="running",
    source="hub",
    progress=Progress(stage="downloading", done=25e6, total=100e6, per_second=5e6, eta_seconds=15),
    created_at=1.0,
)
WAITING = DownloadInfo(id=2, name="b", state="waiting", problem="There is no network.", hint="It goes on by itself.")


def test_lists_with_speed_and_time_left_and_says_why_one_waits(agent: FakeAgent) -> None:
    agent.replies[DownloadLs] = DownloadLsReply(downloads=[RUNNING, WAITING])
    for arguments in (["downloads"], ["downloads", "ls"]):
        result = samovar(*arguments)
        assert "25 MB of 100 MB  5 MB/s  15s left" in result.stdout
        assert result.stderr == "Warning: 2: There is no network. It goes on by itself.\n"


def test_nothing_to_list(agent: FakeAgent) -> None:
    agent.replies[DownloadLs] = DownloadLsReply(downloads=[])
    result = samovar("downloads")
    assert (result.stdout, result.exit_code) == ("", 0)
    assert "samovar get" in result.stderr


def test_pause_resume_cancel(agent: FakeAgent) -> None:
    for request, word in ((DownloadPause, "pause"), (DownloadResume, "resume"), (DownloadCancel, "cancel")):
        agent.requests.clear()
        agent.replies[request] = DownloadReply(download=RUNNING)
        result = samovar("downloads", word, "3")
        assert agent.requests == [request(id=3)]
        assert result.stdout.startswith("HuggingFaceTB/SmolLM2@Q4_1: running (25 MB of 100 MB")


def test_an_unknown_download(agent: FakeAgent) -> None:
    agent.replies[DownloadPause] = failure("not_found")
    assert samovar("downloads", "pause", "77").exit_code == 4
    assert samovar("downloads", "pause", "many").exit_code == 2


def test_json(agent: FakeAgent) -> None:
    agent.replies[DownloadLs] = DownloadLsReply(downloads=[RUNNING])
    agent.replies[DownloadPause] = DownloadReply(download=RUNNING)
    [shown] = document(samovar("downloads", "--json"))["downloads"]
    assert shown == document(samovar("downloads", "ls", "--json"))["downloads"][0]
    assert shown == document(samovar("downloads", "pause", "3", "--json"))["download"]
    assert (shown["id"], shown["state"], shown["progress"]["per_second"]) == (3, "running", 5e6)
