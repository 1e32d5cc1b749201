"""What strangers and broken clients may do to the running agent's control socket: nothing."""

import asyncio
import json
from typing import Any

import psutil
import pytest
import zmq

from samovar.requests import Ping
from samovar_protocol.wire import MAX_FRAME_BYTES
from tests.processes.agent import AgentProcess, soon

pytestmark = pytest.mark.processes


def connect(agent: AgentProcess, context: zmq.Context[Any], *, server: bytes, keys: tuple[bytes, bytes]) -> Any:
    socket = context.socket(zmq.DEALER)
    socket.linger = 0
    socket.curve_serverkey = server
    socket.curve_publickey, socket.curve_secretkey = keys
    socket.connect(agent.endpoint.control)
    return socket


async def test_wrong_keys_garbage_and_oversized_frames_cost_nobody_else_anything(agent: AgentProcess) -> None:
    endpoint = agent.endpoint
    right = (endpoint.client_key.encode(), endpoint.client_secret.encode())
    server = endpoint.server_key.encode()
    ping = b'{"v": 1, "id": "1", "request": {"type": "ping"}}'
    context: zmq.Context[Any] = zmq.Context()
    async with agent.client() as bystander:
        strangers = [
            connect(agent, context, server=server, keys=zmq.curve_keypair()),
            connect(agent, context, server=zmq.curve_keypair()[0], keys=right),
        ]
        rude, huge, polite = (connect(agent, context, server=server, keys=right) for _ in range(3))
        for socket in (*strangers, polite):
            socket.send(ping)
        for _ in range(1000):
            rude.send_multipart([b"\xde\xad\xbe\xef" * 10])
            rude.send_multipart([b"a", b"b", b"c"])
        before = agent.process().memory_info().rss
        huge.send(bytes(MAX_FRAME_BYTES + 1))
        assert await asyncio.to_thread(polite.poll, 10_000)
        assert json.loads(polite.recv())["kind"] == "done"
        assert await asyncio.to_thread(rude.poll, 10_000)
        assert json.loads(rude.recv())["failure"]["code"] == "bad_request"
        await bystander.call(Ping())
        assert not any(socket.poll(0) for socket in (*strangers, huge))
        await soon(lambda: "wrong key" in agent.logs())
        assert agent.logs().count("wrong key") == 1
        assert agent.logs().count("was refused") == 2  # one line for the keys, one for the messages
        assert agent.process().memory_info().rss < before + 3 * MAX_FRAME_BYTES
    context.destroy(0)


async def test_many_connections_do_not_lock_the_owner_out(agent: AgentProcess) -> None:
    context: zmq.Context[Any] = zmq.Context()
    for _ in range(200):
        connect(agent, context, server=zmq.curve_keypair()[0], keys=zmq.curve_keypair())
    async with agent.client() as client:
        await client.call(Ping())
    context.destroy(0)
    process: psutil.Process = agent.process()
    await soon(lambda: process.num_fds() < 100)
