from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from samovar_protocol.replies import DocsAddReply
from samovar_protocol.requests import DocsAdd
from samovar_protocol.values import Progress
from tests.samovar.cli.docs.examples import ADDED, EVIL, FAILED, HARMLESS, NOTES, READY
from tests.samovar.cli.fakes import HANG, FakeAgent, document, failure, samovar


@pytest.fixture
def folder(tmp_path: Path, agent: FakeAgent) -> Path:
    """A folder to add, with one file; the agent adds two documents."""
    agent.replies[DocsAdd] = ADDED
    path = tmp_path / "papers"
    path.mkdir()
    (path / "tea.pdf").write_bytes(b"%PDF")
    return path


def test_a_folder(agent: FakeAgent, folder: Path) -> None:
    result = samovar("docs", "add", str(folder))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "notes: 2 documents added.\n", "")
    assert agent.requests == [DocsAdd(paths=[str(folder)])]
    assert agent.requests[0].collection == "documents"


def test_options(agent: FakeAgent, folder: Path) -> None:
    options = ["-c", "notes", "--exclude", "*.log", "--exclude", "build/", "--no-watch", "--no-wait"]
    result = samovar("docs", "add", str(folder), *options)
    assert agent.requests == [
        DocsAdd(collection="notes", paths=[str(folder)], excludes=["*.log", "build/"], watch=False, wait=False)
    ]
    assert result.stdout == "notes: 2 documents queued.\n"


def test_a_relative_path_means_the_same_to_the_agent(
    agent: FakeAgent, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    samovar("docs", "add", "tea.pdf", ".", "../papers/tea.pdf")
    assert agent.requests[0].paths == [str(folder / "tea.pdf"), str(folder), str(folder / "tea.pdf")]


def test_a_path_that_is_not_there_is_named_before_anything_is_sent(agent: FakeAgent, folder: Path) -> None:
    agent.running = False
    result = samovar("docs", "add", str(folder), str(folder / "none.pdf"))
    assert result.exit_code == 2
    assert "none.pdf' does not exist" in result.stderr
    assert (agent.requests, agent.starts) == ([], 0)


def test_a_text(agent: FakeAgent, folder: Path) -> None:
    samovar("docs", "add", "--text", "Tea is hot.", "--name", "Tea")
    samovar("docs", "add", "--text", "-", stdin="B\u00fccher\nund Tee".encode())
    assert [(request.text, request.name) for request in agent.requests] == [
        ("Tea is hot.", "Tea"),
        ("B\u00fccher\nund Tee", None),
    ]


@pytest.mark.parametrize("arguments", [(), ("--name", "Tea"), ("--text", " \n"), ("--text", "-")])
def test_nothing_to_add_is_a_usage_error(agent: FakeAgent, arguments: tuple[str, ...]) -> None:
    assert samovar("docs", "add", *arguments).exit_code == 2
    assert agent.requests == []


def test_a_name_without_a_text_is_a_usage_error(agent: FakeAgent, folder: Path) -> None:
    assert samovar("docs", "add", str(folder), "--name", "Tea").exit_code == 2
    assert agent.requests == []


def test_what_came_of_it(agent: FakeAgent, folder: Path) -> None:
    full = msgspec.structs.replace(NOTES, problem="The disk is full.", hint="It goes on by itself.")
    agent.replies[DocsAdd] = DocsAddReply(
        collection=full,
        added=1200,
        unchanged=3,
        skipped=1,
        failed=[FAILED],
        problems={"/home/me/secret": "It may not be read."},
    )
    result = samovar("docs", "add", str(folder))
    # What fails inside of a folder is told; the rest was done.
    assert result.exit_code == 0
    assert result.stdout == (
        "notes: 1,200 documents added, 3 unchanged, 1 file of kinds that are not read, 1 of the documents cannot"
        " be read.\n"
    )
    assert result.stderr == (
        "Warning: /home/me/locked.pdf: It needs a password. Save it without one.\n"
        "Warning: /home/me/secret: It may not be read.\n"
        "Warning: The disk is full. It goes on by itself.\n"
    )


def test_a_folder_without_anything_to_read(agent: FakeAgent, folder: Path) -> None:
    agent.replies[DocsAdd] = DocsAddReply(collection=NOTES, added=0)
    assert samovar("docs", "add", str(folder)).stdout == "notes: nothing is there to be read.\n"
    agent.replies[DocsAdd] = DocsAddReply(collection=NOTES, added=0, unchanged=1)
    assert samovar("docs", "add", str(folder)).stdout == "notes: 0 documents added, 1 unchanged.\n"


def test_more_failures_than_the_agent_names(agent: FakeAgent, folder: Path) -> None:
    agent.replies[DocsAdd] = DocsAddReply(collection=NOTES, added=500, failed=[FAILED] * 100)
    assert (
        samovar("docs", "add", str(folder)).stdout
        == "notes: 500 documents added, at least 100 of the documents cannot be read.\n"
    )


def test_many_failures_are_not_all_shown(agent: FakeAgent, folder: Path) -> None:
    agent.replies[DocsAdd] = DocsAddReply(collection=NOTES, added=1, failed=[FAILED] * 25)
    lines = samovar("docs", "add", str(folder)).stderr.splitlines()
    assert len(lines) == 21
    assert "5 more" in lines[-1]
    assert "docs ls --failed" in lines[-1]


def test_what_was_named_and_failed_has_an_exit_code(agent: FakeAgent, folder: Path) -> None:
    agent.replies[DocsAdd] = DocsAddReply(collection=NOTES, added=1, documents=[READY, FAILED], failed=[FAILED])
    assert samovar("docs", "add", str(folder / "tea.pdf")).exit_code == 1
    agent.replies[DocsAdd] = DocsAddReply(collection=NOTES, added=0, problems={str(folder): "It may not be read."})
    assert samovar("docs", "add", str(folder)).exit_code == 1
    assert samovar("docs", "add", str(folder), "--json").exit_code == 1


def test_ctrl_c_leaves_the_work_to_the_agent(agent: FakeAgent, folder: Path) -> None:
    agent.replies[DocsAdd] = HANG
    result = samovar("docs", "add", str(folder))
    assert (result.exit_code, agent.cancelled) == (130, 1)
    assert "The agent goes on" in result.stderr
    assert "docs collections" in result.stderr


def test_ctrl_c_before_the_agent_was_told(agent: FakeAgent, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def press(**_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("samovar.cli.session.open_client", press)
    result = samovar("docs", "add", str(folder))
    assert result.exit_code == 130
    assert "Nothing was added." in result.stderr


def test_progress_counts_documents(agent: FakeAgent, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samovar.cli.progress.DELAY", -1)
    agent.chunks[DocsAdd] = [Progress(stage="reading", done=done, total=1200, unit="documents") for done in (1, 2)] + [
        Progress(stage="embedding", done=1, total=40, unit="passages")
    ]
    result = samovar("docs", "add", str(folder), "-c", "notes")
    assert result.stderr == "reading notes (1,200 documents)\nembedding notes (40 passages)\n"


def test_a_name_cannot_steer_the_terminal(agent: FakeAgent, folder: Path) -> None:
    evil = msgspec.structs.replace(FAILED, path=EVIL, problem=EVIL, hint=EVIL)
    agent.replies[DocsAdd] = DocsAddReply(
        collection=msgspec.structs.replace(NOTES, name=EVIL), added=1, failed=[evil], problems={EVIL: EVIL}
    )
    result = samovar("docs", "add", str(folder))
    assert result.stdout == f"{HARMLESS}: 1 document added, 1 of the documents cannot be read.\n"
    assert f"Warning: {HARMLESS}: {HARMLESS} {HARMLESS}\n" in result.stderr
    assert "\x1b" not in result.output


def test_failures(agent: FakeAgent, folder: Path) -> None:
    agent.replies[DocsAdd] = failure("disk_full", "There is no room.")
    result = samovar("docs", "add", str(folder), "--json")
    assert result.exit_code == 1
    assert document(result)["error"]["code"] == "disk_full"


def test_json(agent: FakeAgent, folder: Path) -> None:
    agent.replies[DocsAdd] = msgspec.structs.replace(ADDED, documents=[READY])
    shown = document(samovar("docs", "add", str(folder), "--json"))
    assert shown == msgspec.to_builtins(agent.replies[DocsAdd])
    assert set(shown) == {"collection", "added", "unchanged", "skipped", "documents", "failed", "problems"}
