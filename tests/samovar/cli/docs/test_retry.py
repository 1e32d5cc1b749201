from __future__ import annotations

from samovar_protocol.replies import DocsRetryReply
from samovar_protocol.requests import DocsRetry
from tests.samovar.cli.fakes import FakeAgent, document, failure, samovar


def test_all_of_a_collection_or_some(agent: FakeAgent) -> None:
    agent.replies[DocsRetry] = DocsRetryReply(queued=1)
    assert samovar("docs", "retry").stdout == "1 document queued.\n"
    assert samovar("docs", "retry", "-c", "notes", "--id", "8").exit_code == 0
    assert agent.requests == [DocsRetry(), DocsRetry(collection="notes", documents=[8])]


def test_nothing_to_retry_is_no_failure(agent: FakeAgent) -> None:
    agent.replies[DocsRetry] = DocsRetryReply(queued=0)
    assert samovar("docs", "retry").stdout == "0 documents queued.\n"
    agent.replies[DocsRetry] = failure("not_found")
    assert samovar("docs", "retry", "-c", "none").exit_code == 4


def test_json(agent: FakeAgent) -> None:
    agent.replies[DocsRetry] = DocsRetryReply(queued=3)
    assert document(samovar("docs", "retry", "--json")) == {"queued": 3}
