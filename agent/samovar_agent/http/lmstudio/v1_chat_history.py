"""What a chat of `/api/v1/chat` goes on from, and how it is kept: in the table of `/v1/responses`, as a response.

So either endpoint goes on from what the other kept, and `GET /v1/responses/{id}` shows both.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import msgspec

from samovar_agent.http.lmstudio.v1_chat_reply import InvalidToolCall, Message, Output
from samovar_agent.http.lmstudio.v1_chat_request import ChatRequest
from samovar_agent.http.openai.accounting import response_usage, timings
from samovar_agent.http.openai.responses_conversation import conversation
from samovar_agent.http.openai.responses_history import History, history
from samovar_agent.http.openai.responses_items import item_id, new_response_id
from samovar_agent.http.openai.responses_reply import (
    IncompleteDetails,
    Ours,
    OutputItem,
    OutputMessage,
    OutputText,
    ReasoningItem,
    ReasoningText,
    begun,
)
from samovar_agent.http.openai.responses_request import Reasoning as Effort
from samovar_agent.http.openai.responses_request import ResponseRequest
from samovar_agent.store.responses import ResponseRow, Responses
from samovar_protocol import values
from samovar_protocol.replies import ChatReply
from samovar_protocol.values import Sampling


class Chat(NamedTuple):
    """A request with what came before it. - asked: it as one of `/v1/responses`. - id: what it is kept as."""

    id: str
    asked: ResponseRequest
    history: History
    messages: list[values.Message]

    def row(self, reply: ChatReply, output: Output, sampling: Sampling) -> ResponseRow:
        """What is kept of it."""
        whole, now = reply.finish_reason != "length", int(time.time())
        response = msgspec.structs.replace(
            begun(self.asked, sampling, id=self.id, created_at=now, model=reply.model),
            status="completed" if whole else "incomplete",
            completed_at=now if whole else None,
            incomplete_details=None if whole else IncompleteDetails("max_output_tokens"),
            output=_items(output, self.id),
            usage=response_usage(reply.stats, output.reasoning_tokens),
            samovar=Ours(**msgspec.structs.asdict(timings(reply.stats))),
        )
        return ResponseRow(
            id=self.id,
            created_at=now,
            previous=self.asked.previous_response_id,
            input=self.history.kept(self.id),
            response=msgspec.to_builtins(response),
        )


async def chat_of(body: ChatRequest, texts: list[str], store: Responses) -> Chat:
    """The request with all before it; raises `not_found` for what is not stored.

    - texts: what the person says. The system prompt of a chat stays until another one is given.
    """
    effort = {None: None, "off": "none", "on": None}.get(body.reasoning, body.reasoning)
    asked = ResponseRequest(
        model=body.model,
        input=[{"role": "user", "content": [{"type": "input_text", "text": text} for text in texts]}],
        instructions=body.system_prompt,
        previous_response_id=body.previous_response_id,
        max_output_tokens=body.max_output_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        reasoning=None if effort is None else msgspec.convert({"effort": effort}, Effort),
    )
    before = await history(asked, store)
    if asked.instructions is None and before.chain:
        instructions = (await store.get(before.chain[-1])).response["instructions"]
        asked = msgspec.structs.replace(asked, instructions=instructions)
    messages = conversation(before.earlier, before.items, asked.instructions)
    return Chat(new_response_id(), asked, before, messages)


def _items(output: Output, response: str) -> list[OutputItem]:
    """The output as a response's items. Calls of what nobody offered are left out: nothing could answer them."""
    items: list[OutputItem] = []
    for item in output.items:
        place = str(len(items))
        if isinstance(item, InvalidToolCall):
            continue
        if isinstance(item, Message):
            text = [OutputText(text=item.content)]
            items.append(OutputMessage(id=item_id("msg", response, place), status="completed", content=text))
        else:
            thoughts = [ReasoningText(text=item.content)]
            items.append(
                ReasoningItem(id=item_id("rs", response, place), status="completed", summary=[], content=thoughts)
            )
    return items
