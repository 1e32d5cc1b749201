"""What the hub answered is kept, newest first, and not without end."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from samovar_agent.store import hub_answers
from samovar_agent.store.store import Store


async def test_the_last_answer_stays(store: Store) -> None:
    answers = store.hub_answers
    assert await answers.get("model:a") is None
    await answers.put("model:a", b"1")
    await answers.put("model:a", b"2")
    kept = await answers.get("model:a")
    assert kept is not None
    assert (kept.question, kept.answer) == ("model:a", b"2")


async def test_several_at_once(store: Store) -> None:
    for name in ("model:a", "model:b", "search:a"):
        await store.hub_answers.put(name, name.encode())
    found = await store.hub_answers.get_all(["model:b", "search:a", "model:none"])
    assert {answer.question for answer in found} == {"model:b", "search:a"}
    assert await store.hub_answers.get_all([]) == []
    assert [answer.question for answer in await store.hub_answers.get_like("model:")] == ["model:b", "model:a"]


async def test_searches_never_push_models_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_answers, "_KEPT", 3)
    await store.hub_answers.put("model:a", b"1")
    for number in range(5):
        await store.hub_answers.put(f"search:{number}", b"1")
    assert [answer.question for answer in await store.hub_answers.get_like("search:")] == [
        "search:4",
        "search:3",
        "search:2",
    ]
    assert await store.hub_answers.get("model:a") is not None


async def test_a_clock_that_was_set_back_makes_no_answer_old(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_answers, "_KEPT", 3)
    monkeypatch.setattr(hub_answers, "time", SimpleNamespace(time=lambda: 2e9))
    for number in range(3):
        await store.hub_answers.put(f"search:{number}", b"1")
    monkeypatch.setattr(hub_answers, "time", SimpleNamespace(time=lambda: 1e9))
    await store.hub_answers.put("search:now", b"1")
    assert [answer.question for answer in await store.hub_answers.get_like("search:", limit=2)] == [
        "search:now",
        "search:2",
    ]
