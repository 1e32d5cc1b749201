from __future__ import annotations

import msgspec

from samovar_protocol.replies import DocsLsReply
from samovar_protocol.requests import DocsLs
from tests.samovar.cli.docs.examples import EVIL, FAILED, FOLDER, HARMLESS, READY
from tests.samovar.cli.fakes import FakeAgent, document, failure, samovar


def test_documents(agent: FakeAgent) -> None:
    agent.replies[DocsLs] = DocsLsReply(sources=[FOLDER], documents=[READY])
    lines = samovar("docs", "ls").stdout.splitlines()
    assert lines[0].split() == ["ID", "DOCUMENT", "COLLECTION", "STATE", "PAGES", "SIZE", "CHANGED"]
    assert lines[1].split()[:7] == ["7", "/home/me/tea.pdf", "notes", "ready", "4", "12", "kB"]
    assert agent.requests == [DocsLs()]


def test_what_failed_says_why(agent: FakeAgent) -> None:
    agent.replies[DocsLs] = DocsLsReply(sources=[FOLDER], documents=[READY, FAILED])
    lines = samovar("docs", "ls", "-c", "notes", "--failed").stdout.splitlines()
    assert agent.requests == [DocsLs(collection="notes", state="failed")]
    assert lines[0].endswith("PROBLEM")
    assert lines[1].endswith("  -")
    assert lines[2].endswith("  It needs a password. Save it without one.")


def test_all_portions_come(agent: FakeAgent) -> None:
    ids = list(range(1, 8))

    def portion(request: DocsLs) -> DocsLsReply:
        left = [id_ for id_ in ids if id_ > request.after]
        documents = [msgspec.structs.replace(READY, id=id_) for id_ in left[:3]]
        return DocsLsReply(sources=[FOLDER], documents=documents, more=len(left) > 3)

    agent.replies[DocsLs] = portion
    shown = document(samovar("docs", "ls", "--json"))
    assert [found["id"] for found in shown["documents"]] == ids
    assert [request.after for request in agent.requests] == [0, 3, 6]


def test_sources(agent: FakeAgent) -> None:
    text = msgspec.structs.replace(FOLDER, path=None, kind="text", watch=False, excludes=[])
    agent.replies[DocsLs] = DocsLsReply(sources=[FOLDER, text], documents=[READY], more=True)
    result = samovar("docs", "ls", "--sources")
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[1] == ["/home/me", "notes", "folder", "present", "yes", "2", "*.log"]
    assert rows[2] == ["(text)", "notes", "text", "present", "no", "2", "-"]
    assert len(agent.requests) == 1
    assert samovar("docs", "ls", "--sources", "--failed").exit_code == 2


def test_nothing_is_no_failure(agent: FakeAgent) -> None:
    agent.replies[DocsLs] = DocsLsReply(sources=[], documents=[])
    for options, said in ((), "docs add"), (("--failed",), "No document has failed"), (("--sources",), "docs add"):
        result = samovar("docs", "ls", *options)
        assert (result.exit_code, result.stdout) == (0, "")
        assert said in result.stderr


def test_an_unknown_collection(agent: FakeAgent) -> None:
    agent.replies[DocsLs] = failure("not_found")
    assert samovar("docs", "ls", "-c", "none").exit_code == 4


def test_a_name_cannot_steer_the_terminal(agent: FakeAgent) -> None:
    evil = msgspec.structs.replace(FAILED, path=f"/{EVIL}\n", collection=EVIL, problem=EVIL)
    source = msgspec.structs.replace(FOLDER, path=f"/{EVIL}\n", excludes=[EVIL])
    agent.replies[DocsLs] = DocsLsReply(sources=[source], documents=[evil])
    for options in (), ("--sources",):
        shown = samovar("docs", "ls", *options).stdout
        assert f"/{HARMLESS} " in shown
        assert "\x1b" not in shown
        assert len(shown.splitlines()) == 2


def test_json(agent: FakeAgent) -> None:
    agent.replies[DocsLs] = DocsLsReply(sources=[FOLDER], documents=[READY])
    shown = document(samovar("docs", "ls", "--json"))
    assert shown == {"sources": [msgspec.to_builtins(FOLDER)], "documents": [msgspec.to_builtins(READY)]}
    assert document(samovar("docs", "ls", "--sources", "--json")) == {"sources": [msgspec.to_builtins(FOLDER)]}
