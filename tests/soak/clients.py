"""Clients that carry out orders, over the control socket and over HTTP, and judge what comes back."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp

import samovar
from samovar import SamovarError
from samovar.requests import Chat, Grammar, JsonSchema, NamedTool, Text, ToolCallArguments
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import Choice, Progress
from tests.soak.orders import Order


@dataclass(frozen=True, slots=True)
class Reply:
    """What arrived. - failure: the code of a typed error. - left: the client went away before the end."""

    texts: tuple[str, ...] = ()
    finish_reasons: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    tokens: int = 0
    failure: str | None = None
    left: bool = False


class Client(Protocol):
    """One of the two ways to the agent."""

    async def carry_out(self, order: Order) -> Reply:
        """Ask, read, perhaps go away."""


class ControlClient:
    """Over the control socket."""

    def __init__(self, client: samovar.Client) -> None:
        self._client = client

    async def carry_out(self, order: Order) -> Reply:
        """Pieces and the whole must be the same text."""
        texts, arguments = [""] * order.chat.options.n, [""] * order.chat.options.n
        try:
            async with self._client.stream(order.chat) as stream:
                pieces = 0
                if order.cancel and order.leave_after == 0:
                    stream.cancel()
                elif order.leave_after == 0:
                    return Reply(left=True)
                async for piece in stream:
                    if isinstance(piece, Progress):
                        continue
                    if isinstance(piece, Text):
                        texts[piece.choice] += piece.text
                    elif isinstance(piece, ToolCallArguments):
                        arguments[piece.choice] += piece.json
                    pieces += 1
                    if pieces == order.leave_after:
                        if not order.cancel:
                            return Reply(left=True)
                        stream.cancel()
        except SamovarError as error:
            assert error.failure.message
            return Reply(failure=error.code)
        whole = stream.reply
        choices: list[ChatReply | Choice] = [whole, *whole.alternatives]
        assert [choice.text for choice in choices] == texts
        assert ["".join(call.arguments for call in choice.tool_calls) for choice in choices] == arguments
        return Reply(
            texts=tuple(texts),
            finish_reasons=tuple(choice.finish_reason for choice in choices),
            calls=tuple(call.arguments for choice in choices for call in choice.tool_calls),
            tokens=whole.stats.completion_tokens,
        )


class HttpClient:
    """Over `/v1/chat/completions`."""

    def __init__(self, session: aiohttp.ClientSession, model: str) -> None:
        self._session, self._model = session, model

    async def carry_out(self, order: Order) -> Reply:
        """A stream must end with `[DONE]`, a refusal must have a code."""
        body = http_body(order.chat, self._model, stream=order.stream or order.leave_after is not None)
        async with self._session.post("/v1/chat/completions", json=body) as response:
            if order.leave_after == 0:
                response.close()
                return Reply(left=True)
            if response.status != 200:
                return Reply(failure=str((await response.json())["error"]["code"]))
            if body["stream"]:
                return await self._read_stream(response, order)
            whole = await response.json()
            messages = [choice["message"] for choice in whole["choices"]]
            return Reply(
                texts=tuple(message.get("content") or "" for message in messages),
                finish_reasons=tuple(choice["finish_reason"] for choice in whole["choices"]),
                calls=tuple(
                    call["function"]["arguments"] for message in messages for call in message.get("tool_calls") or ()
                ),
                tokens=whole["usage"]["completion_tokens"],
            )

    async def _read_stream(self, response: aiohttp.ClientResponse, order: Order) -> Reply:
        texts, reasons = [""] * order.chat.options.n, [""] * order.chat.options.n
        calls: dict[tuple[int, int], str] = {}
        tokens = pieces = 0
        async with contextlib.aclosing(_events(response)) as events:
            async for event in events:
                if "error" in event:
                    return Reply(failure=str(event["error"]["code"]))
                tokens = (event.get("usage") or {}).get("completion_tokens", tokens)
                for choice in event["choices"]:
                    index, delta = choice["index"], choice["delta"]
                    texts[index] += delta.get("content") or ""
                    reasons[index] = choice["finish_reason"] or reasons[index]
                    for call in delta.get("tool_calls") or ():
                        place = (index, call["index"])
                        calls[place] = calls.get(place, "") + call["function"]["arguments"]
                    pieces += bool(delta.get("content"))
                if pieces == order.leave_after:
                    response.close()
                    return Reply(left=True)
        return Reply(texts=tuple(texts), finish_reasons=tuple(reasons), calls=tuple(calls.values()), tokens=tokens)


async def _events(response: aiohttp.ClientResponse) -> AsyncGenerator[dict[str, Any], None]:
    async for line in response.content:
        if line.strip() == b"data: [DONE]":
            return
        if line.startswith(b"data:"):
            yield json.loads(line[5:])
    raise AssertionError("the stream ended without [DONE]")


def judge(order: Order, reply: Reply) -> None:
    """Raise AssertionError where this reply is not right for this order."""
    if reply.left:
        return
    if reply.failure is not None:
        assert reply.failure in order.may_fail, f"failed with {reply.failure}"
        return
    assert not order.must_fail, "got a reply where only a failure is right"
    sampling, options = order.chat.sampling, order.chat.options
    assert len(reply.finish_reasons) == options.n
    assert set(reply.finish_reasons) <= {"stop", "length", "tool_calls"}
    assert sampling.max_tokens is not None
    assert reply.tokens <= sampling.max_tokens * options.n
    assert not any(stop in text for stop in sampling.stop for text in reply.texts), "a stop text is in the reply"
    ended = [text for text, reason in zip(reply.texts, reply.finish_reasons, strict=True) if reason == "stop"]
    match options.reply_format:
        case JsonSchema() if not sampling.stop:
            assert all(set(json.loads(text)) == {"city", "people"} for text in ended)
        case Grammar() if not sampling.stop:
            assert all(text.startswith(("yes", "no")) and text.endswith(".") for text in ended)
        case _:
            pass
    if options.tools and reply.finish_reasons == ("tool_calls",):
        assert all(isinstance(json.loads(arguments), dict) for arguments in reply.calls)
        assert reply.calls


def http_body(chat: Chat, model: str, *, stream: bool) -> dict[str, Any]:
    """The same request as OpenAI's clients write it."""
    sampling, options = chat.sampling, chat.options
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": message.role, "content": message.content} for message in chat.messages],
        "temperature": sampling.temperature,
        "repeat_penalty": sampling.repeat_penalty,
        "dry_multiplier": sampling.dry_multiplier,
        "seed": sampling.seed,
        "stop": sampling.stop or None,
        "max_tokens": sampling.max_tokens,
        "ignore_eos": sampling.ignore_eos,
        "n": options.n,
        "stream": stream,
    }
    if stream:
        body["stream_options"] = {"include_usage": True}
    if options.logprobs:
        body |= {"logprobs": True, "top_logprobs": options.top_logprobs}
    if options.tools:
        body["tools"] = [
            {"type": "function", "function": {"name": tool.name, "parameters": tool.parameters}}
            for tool in options.tools
        ]
        choice = options.tool_choice
        named = {"type": "function", "function": {"name": choice.name}} if isinstance(choice, NamedTool) else choice
        body["tool_choice"] = named
    match options.reply_format:
        case JsonSchema(json_schema=schema):
            body["response_format"] = {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema}}
        case Grammar(gbnf=gbnf):
            body["grammar"] = gbnf
        case _:
            pass
    return body
