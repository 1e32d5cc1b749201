"""The control socket with the real client: requests, streams, cancelling, events, shutdown, and bad input."""

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zmq

import samovar
from samovar import SamovarError
from samovar.requests import (
    Cancel,
    Chat,
    ConfigGet,
    ConfigSet,
    Down,
    Hello,
    Message,
    Ping,
    Progress,
    Status,
    Text,
    Unload,
)
from samovar_agent.control import server, sockets
from samovar_protocol import PROTOCOL_VERSION, FailureCode
from samovar_protocol.events import AnyEvent, LibraryChanged, SettingChanged
from samovar_protocol.replies import PingReply
from samovar_protocol.wire import MAX_FRAME_BYTES
from tests.samovar_agent.control.conftest import Agent

CHAT = Chat(messages=[Message(role="user", content="x")])
PING = b'{"v": 1, "id": "1", "request": {"type": "ping"}}'
Until = Callable[..., Any]


def client_of(agent: Agent) -> samovar.Client:
    return samovar.connect(home=agent.places.data, timeout=5)


def raw_socket(agent: Agent, **changes: bytes) -> zmq.Socket[bytes]:
    """A DEALER with the right keys, or with some of them wrong, that sends what no client of ours would."""
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    socket.linger = 0
    socket.curve_serverkey = changes.get("server", agent.keys.server)
    socket.curve_publickey = changes.get("client", agent.keys.client)
    socket.curve_secretkey = changes.get("secret", agent.keys.client_secret)
    socket.connect(agent.server.sockets.control)
    return socket


async def answer_of(socket: zmq.Socket[bytes], seconds: float = 5.0) -> dict[str, Any] | None:
    if not await asyncio.to_thread(socket.poll, int(seconds * 1000)):
        return None
    answer: dict[str, Any] = json.loads(socket.recv())
    return answer


async def test_hello_ping_and_status(agent: Agent) -> None:
    async with client_of(agent) as client:
        hello = await client.call(Hello())
        assert hello.protocol == PROTOCOL_VERSION
        await client.call(Ping())
        assert (await client.call(Status())).network.policy == "online"


async def test_a_stream_brings_its_chunks_and_then_the_reply(agent: Agent) -> None:
    async with client_of(agent) as client:
        async with client.stream(CHAT) as stream:
            pieces = [piece async for piece in stream]
        assert pieces == [Text(text="word ")] * 3
        assert stream.reply.text == "word word word "


async def test_many_requests_at_once_each_get_their_own_answer(agent: Agent) -> None:
    async def ask(client: samovar.Client, number: int) -> str:
        async with client.stream(Chat(model=str(number), messages=[Message(role="user", content="x")])) as stream:
            async for _ in stream:
                pass
        return stream.reply.model

    async with client_of(agent) as one, client_of(agent) as two:
        asked = [ask(client, number) for number, client in enumerate([one, two] * 20)]
        assert await asyncio.gather(*asked) == [str(number) for number in range(40)]


async def test_leaving_a_stream_stops_the_work(agent: Agent) -> None:
    agent.instances.words = None
    async with client_of(agent) as client:
        async with client.stream(CHAT) as stream:
            async for _ in stream:
                break
        await asyncio.wait_for(agent.instances.closed.wait(), 5)
        await client.call(Ping())


async def test_cancelling_a_stream_ends_it_with_a_typed_failure(agent: Agent) -> None:
    agent.instances.words = None
    async with client_of(agent) as client, client.stream(CHAT) as stream:
        with pytest.raises(SamovarError) as raised:
            async for _ in stream:
                stream.cancel()
        assert raised.value.code == FailureCode.CANCELLED
        assert agent.instances.closed.is_set()


async def test_a_cancel_that_comes_together_with_its_request_is_answered(agent: Agent) -> None:
    agent.instances.words = None
    async with client_of(agent) as client:
        for _ in range(20):
            async with client.stream(CHAT) as stream, asyncio.timeout(10):
                stream.cancel()
                with pytest.raises(SamovarError) as raised:
                    async for _ in stream:
                        pass
            assert raised.value.code == FailureCode.CANCELLED


async def test_a_client_cannot_cancel_what_another_asked(agent: Agent) -> None:
    agent.instances.words = None
    agent.instances.pace = 0.01
    async with client_of(agent) as one, client_of(agent) as two, one.stream(CHAT) as stream:
        await anext(stream)
        assert not (await two.call(Cancel(target=stream._id))).found
        assert (await one.call(Cancel(target=stream._id))).found


async def test_a_vanished_client_stops_its_work(agent: Agent, until: Until) -> None:
    agent.instances.words = None
    agent.instances.pace = 0.001
    socket = raw_socket(agent)
    socket.send(
        json.dumps(
            {"v": 1, "id": "1", "request": {"type": "chat", "messages": [{"role": "user", "content": "x"}]}}
        ).encode()
    )
    assert await answer_of(socket)
    socket.close(0)
    await until(agent.instances.closed.is_set)


async def test_a_client_that_does_not_read_costs_its_own_request_only(agent: Agent, until: Until) -> None:
    agent.instances.words = None
    socket = raw_socket(agent)
    socket.rcvhwm = 1
    socket.send(
        json.dumps(
            {"v": 1, "id": "1", "request": {"type": "chat", "messages": [{"role": "user", "content": "x"}]}}
        ).encode()
    )
    await until(agent.instances.closed.is_set, 60)
    async with client_of(agent) as client:
        await client.call(Ping())
    answer: dict[str, Any] | None = {"kind": "chunk"}
    while answer is not None and answer["kind"] == "chunk":  # once it reads again, it is told how that ended
        answer = await answer_of(socket)
    assert answer is not None
    assert answer["failure"]["code"] == FailureCode.CANCELLED
    socket.close(0)


async def test_a_vanished_client_ends_its_handler_and_not_who_tells_it_of_progress(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    ended = asyncio.Event()
    loading: list[asyncio.Task[None]] = []

    async def tell(on_progress: Callable[[Progress], None]) -> None:
        while not ended.is_set():
            on_progress(Progress(stage="loading"))
            await asyncio.sleep(0.001)

    async def load(name: str, *, on_progress: Callable[[Progress], None], **_: object) -> None:
        loading.append(asyncio.create_task(tell(on_progress)))  # as an engine does, which others wait for too
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    monkeypatch.setattr(agent.instances, "load", load, raising=False)
    socket = raw_socket(agent)
    socket.send(b'{"v": 1, "id": "1", "request": {"type": "load", "name": "m"}}')
    assert await answer_of(socket)
    socket.close(0)
    await until(ended.is_set)
    await loading[0]


async def test_a_send_that_fails_does_not_make_the_agent_deaf(agent: Agent) -> None:
    socket = raw_socket(agent)
    socket.send(PING)
    assert await answer_of(socket)
    socket.send(PING)
    time.sleep(0.2)  # not asyncio's: the message is there and the loop has not looked yet
    with pytest.raises(sockets.PeerGone):
        agent.server.sockets.send(b"nobody", b"")
    assert await answer_of(socket)
    socket.close(0)


async def test_a_flood_of_requests_leaves_everything_else_its_turns(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = turn = most = 0
    receive = agent.server.sockets._on_message

    def count(identity: bytes, frames: list[bytes]) -> None:
        nonlocal read, turn
        read, turn = read + 1, turn + 1
        receive(identity, frames)

    monkeypatch.setattr(agent.server.sockets, "_on_message", count)
    socket = raw_socket(agent)
    socket.send(PING)
    assert await answer_of(socket)
    for number in range(900):
        socket.send(PING.replace(b'"1"', b'"%d"' % number))
    time.sleep(0.2)
    async with asyncio.timeout(10):
        while read < 901:
            turn = 0
            await asyncio.sleep(0)
            most = max(most, turn)
    assert most <= sockets._AT_ONCE
    socket.close(0)


async def test_thousands_of_requests_at_once_are_all_answered(agent: Agent) -> None:
    async with client_of(agent) as client:
        assert await asyncio.gather(*[client.call(Ping()) for _ in range(3000)]) == [PingReply()] * 3000


async def test_clients_that_have_left_are_not_remembered_for_ever(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_REMEMBERED_CLIENTS", 2)
    for _ in range(4):
        async with client_of(agent):
            pass
    assert len(agent.server._clients) == 2


async def test_the_logs_level_changes_at_once(agent: Agent, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)  # and back to what it was at the end
    async with client_of(agent) as client:
        reply = await client.call(ConfigSet(key="logs.level", value="debug"))
    assert logging.getLogger().level == logging.DEBUG
    assert not reply.restart_needed


async def test_a_setting_that_is_written_is_told_although_its_client_gave_up(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    settings = agent.server._services.settings
    write, writing, go_on = settings.set, threading.Event(), threading.Event()
    told: list[AnyEvent] = []

    def slow(*arguments: Any) -> Any:
        writing.set()
        go_on.wait(10)
        return write(*arguments)

    monkeypatch.setattr(settings, "set", slow)
    agent.events.subscribe(lambda _sequence, _time, _cause, event: told.append(event))
    async with client_of(agent) as client:
        asking = asyncio.create_task(client.call(ConfigSet(key="network.policy", value="offline")))
        await until(writing.is_set)
        asking.cancel()
        await client.call(Ping())  # the cancellation has arrived before this
        await until(lambda: not agent.server._tasks)
        go_on.set()
        await until(lambda: any(isinstance(event, SettingChanged) for event in told))


async def test_a_failure_in_the_middle_of_a_stream_arrives_typed(agent: Agent) -> None:
    agent.instances.error = SamovarError(FailureCode.WORKER_CRASHED, "It died.", hint="Try again.")
    async with client_of(agent) as client, client.stream(CHAT) as stream:
        with pytest.raises(SamovarError) as raised:
            async for _ in stream:
                pass
        assert (raised.value.code, raised.value.hint) == (FailureCode.WORKER_CRASHED, "Try again.")


async def test_a_defect_is_reported_without_its_details(agent: Agent, caplog: pytest.LogCaptureFixture) -> None:
    agent.instances.error = ZeroDivisionError("secret")
    async with client_of(agent) as client:
        async with client.stream(CHAT) as stream:
            with pytest.raises(SamovarError) as raised:
                async for _ in stream:
                    pass
        assert raised.value.code == FailureCode.INTERNAL
        assert "secret" not in str(raised.value)
        assert "secret" in caplog.text
        await client.call(Ping())


async def test_handlers_refuse_what_makes_no_sense(agent: Agent) -> None:
    async with client_of(agent) as client:
        with pytest.raises(SamovarError) as raised:
            await client.call(Unload())
        assert raised.value.code == FailureCode.BAD_REQUEST
        with pytest.raises(SamovarError) as raised:
            await client.call(ConfigGet(key="no.such"))
        assert raised.value.code == FailureCode.SETTING_UNKNOWN


async def test_events_name_the_request_that_caused_them(agent: Agent) -> None:
    async with client_of(agent) as client, client.events() as events:
        before = (await client.call(Status())).sequence
        agent.events.publish(LibraryChanged(models=1))
        reply = await client.call(ConfigSet(key="server.require_token", value=True))
        first, second = await anext(events), await anext(events)
        assert (first.sequence, first.cause, first.event) == (before + 1, None, LibraryChanged(models=1))
        assert (second.sequence, second.event) == (before + 2, SettingChanged(setting=reply.setting))
        assert second.cause is not None
        assert second.cause.startswith(client._prefix)
        assert not reply.restart_needed


async def test_giving_up_on_events_leaves_no_listener_behind(agent: Agent) -> None:
    async with client_of(agent) as client:
        entering = asyncio.create_task(client.events().__aenter__())
        await asyncio.sleep(0)
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
        assert not client._events


async def test_down_answers_before_the_agent_goes(agent: Agent) -> None:
    async with client_of(agent) as client:
        await client.call(Down())
    assert agent.stopped


async def test_stopping_ends_streams_and_refuses_new_requests(agent: Agent) -> None:
    agent.instances.words = None
    agent.instances.pace = 0.01
    async with client_of(agent) as client, client.events() as events, client.stream(CHAT) as stream:
        await anext(stream)
        agent.server.refuse_new()
        assert type((await anext(events)).event).__name__ == "Stopping"
        with pytest.raises(SamovarError) as raised:
            await client.call(Ping())
        assert raised.value.code == FailureCode.SHUTTING_DOWN
        stop = asyncio.create_task(agent.server.stop())
        with pytest.raises(SamovarError) as raised:
            async for _ in stream:
                pass
        assert raised.value.code == FailureCode.SHUTTING_DOWN
        await stop
        with pytest.raises(StopAsyncIteration):
            await anext(events)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"", FailureCode.BAD_REQUEST),
        (b"\x00\xff" * 500, FailureCode.BAD_REQUEST),
        (b'{"v": 1, "id": "1", "request": {"type": "teleport"}}', FailureCode.UNKNOWN_REQUEST),
        (b'{"v": 9, "id": "1", "request": {"type": "ping"}}', FailureCode.UNSUPPORTED_VERSION),
    ],
)
async def test_garbage_gets_a_typed_failure_and_one_log_line(
    agent: Agent, caplog: pytest.LogCaptureFixture, frame: bytes, code: str
) -> None:
    socket = raw_socket(agent)
    for _ in range(3):
        socket.send(frame)
        answer = await answer_of(socket)
        assert answer is not None
        assert answer["failure"]["code"] == code
    socket.close(0)
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1
    async with client_of(agent) as client:
        await client.call(Ping())


async def test_several_frames_are_refused(agent: Agent) -> None:
    socket = raw_socket(agent)
    socket.send_multipart([b"{}", b"{}"])
    answer = await answer_of(socket)
    assert answer is not None
    assert answer["failure"]["code"] == FailureCode.BAD_REQUEST
    socket.close(0)


async def test_an_oversized_frame_drops_its_sender_only(agent: Agent) -> None:
    async with client_of(agent) as client:
        socket = raw_socket(agent)
        socket.send(b"x" * (MAX_FRAME_BYTES + 1))
        assert await answer_of(socket, 0.5) is None
        await client.call(Ping())
        socket.close(0)


@pytest.mark.parametrize("wrong", ["server", "client"])
async def test_a_wrong_key_gets_no_answer_and_one_log_line(
    agent: Agent, caplog: pytest.LogCaptureFixture, until: Until, wrong: str
) -> None:
    public, secret = zmq.curve_keypair()
    changes = {"server": public} if wrong == "server" else {"client": public, "secret": secret}
    for _ in range(2):
        socket = raw_socket(agent, **changes)
        socket.send(b'{"v": 1, "id": "1", "request": {"type": "ping"}}')
        assert await answer_of(socket, 0.5) is None
        socket.close(0)
    await until(lambda: "wrong key" in caplog.text)
    assert caplog.text.count("wrong key") == 1
    async with client_of(agent) as client:
        await client.call(Ping())


async def test_a_client_with_a_stale_key_says_so_at_once(agent: Agent) -> None:
    public, _ = zmq.curve_keypair()
    agent.publish(server_key=public.decode())
    with pytest.raises(SamovarError) as raised:
        async with asyncio.timeout(4), client_of(agent):
            pass
    assert raised.value.code == FailureCode.AGENT_NOT_RUNNING


async def test_an_unencrypted_peer_is_not_let_in(agent: Agent) -> None:
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    socket.connect(agent.server.sockets.control)
    socket.send(b'{"v": 1, "id": "1", "request": {"type": "ping"}}')
    assert await answer_of(socket, 0.5) is None
    socket.close(0)


async def test_the_agent_going_away_fails_what_waits(agent: Agent) -> None:
    agent.instances.words = None
    agent.instances.pace = 60
    async with client_of(agent) as client, client.stream(CHAT) as stream:
        await anext(stream)
        await agent.server.sockets.close()  # as `kill -9` would: no last words
        with pytest.raises(SamovarError) as raised:
            async with asyncio.timeout(5):
                await anext(stream)
        assert raised.value.code == FailureCode.AGENT_NOT_RUNNING
        with pytest.raises(SamovarError):
            await client.call(Ping())


async def test_sockets_are_private(agent: Agent, tmp_path: Path) -> None:
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
