"""The client without asyncio, against the real agent."""

import threading

import pytest

import samovar
from samovar import SamovarError
from samovar.requests import Chat, Load, Ls, Message, Ping, Progress, Sampling, Text, Unload
from samovar_protocol import FailureCode
from tests.processes.agent import AgentProcess

pytestmark = pytest.mark.processes


def hello(max_tokens: int) -> Chat:
    return Chat(
        messages=[Message(role="user", content="Say hello.")],
        sampling=Sampling(temperature=0, max_tokens=max_tokens, ignore_eos=True),
    )


@pytest.mark.model
def test_calls_and_streams(stocked: AgentProcess) -> None:
    with samovar.connect_sync(home=stocked.home) as client:
        client.call(Unload(all=True))
        assert [model.state for model in client.call(Ls()).models] == ["ready"]
        with client.stream(hello(8)) as stream:
            pieces = list(stream)
        assert any(isinstance(piece, Progress) for piece in pieces), "the model was loaded for it"
        assert "".join(piece.text for piece in pieces if isinstance(piece, Text)) == stream.reply.text
        assert stream.reply.stats.completion_tokens == 8
        with pytest.raises(SamovarError) as raised:
            client.call(Load(name="gpt-99"))
        assert raised.value.code == FailureCode.MODEL_UNKNOWN


@pytest.mark.model
def test_leaving_a_stream_early_stops_the_work_and_the_client_goes_on(stocked: AgentProcess) -> None:
    with samovar.connect_sync(home=stocked.home) as client:
        with client.stream(hello(6000)) as stream:
            next(piece for piece in stream if isinstance(piece, Text))
        with client.stream(hello(2)) as stream:
            list(stream)
        assert stream.reply.stats.completion_tokens == 2


def test_threads_may_share_one_client(standing: AgentProcess) -> None:
    failures: list[BaseException] = []

    def ping(client: samovar.SyncClient) -> None:
        try:
            for _ in range(50):
                client.call(Ping())
        except BaseException as error:
            failures.append(error)

    with samovar.connect_sync(home=standing.home) as client:
        threads = [threading.Thread(target=ping, args=(client,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert failures == []


def test_it_can_start_the_agent(fresh: AgentProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SAMOVAR_HOME", "SAMOVAR_PORT"):
        monkeypatch.setenv(name, fresh.environ[name])
    monkeypatch.delenv("DISPLAY", raising=False)
    told: list[str] = []
    with samovar.connect_sync(start=True, on_start=lambda: told.append("starting")) as client:
        client.call(Ping())
    assert told == ["starting"]
    with samovar.connect_sync(start=True, on_start=lambda: told.append("again")) as client:
        client.call(Ping())
    assert told == ["starting"]
