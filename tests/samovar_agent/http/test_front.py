"""Who asks, as the journal and the list of downloads name them."""

from __future__ import annotations

import asyncio

import pytest

from samovar_agent.http import front
from tests.samovar_agent.http.conftest import Agent


async def test_a_program_whose_name_is_no_text(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real = front._client

    def client(*arguments: object) -> str:
        seen.append(real(*arguments))  # type: ignore[arg-type]
        return seen[-1]

    monkeypatch.setattr(front, "_client", client)
    reader, writer = await asyncio.open_connection("127.0.0.1", agent.port)
    writer.write(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nUser-Agent: caf\xe9\r\nConnection: close\r\n\r\n")
    await reader.read()
    writer.close()
    assert seen
    assert seen[0].encode().startswith(b"http 127.0.0.1 caf")
