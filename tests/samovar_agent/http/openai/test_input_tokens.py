"""How long a response's prompt would be, asked by the official client."""

from typing import Any

import openai
import pytest
from openai.types.responses import input_token_count_params

from samovar_agent.http.openai.input_tokens import InputTokensRequest
from tests.samovar_agent.http.conftest import KEY
from tests.samovar_agent.http.openai.conftest import ResponsesAgent


def test_every_documented_parameter_is_known() -> None:
    documented = set(input_token_count_params.InputTokenCountParams.__annotations__)
    assert documented >= {"model", "input"}
    assert documented <= set(InputTokensRequest.__struct_fields__)


async def test_the_whole_conversation_counts(sdk: openai.AsyncOpenAI, responses: ResponsesAgent) -> None:
    first = await sdk.responses.create(model=KEY, input="Hello?")
    count = await sdk.responses.input_tokens.count(
        model=KEY, input="More", instructions="Be brief.", previous_response_id=first.id
    )
    text = "<system>Be brief.<user>Hello?<assistant>Hi there<user>More"
    assert (count.object, count.input_tokens) == ("response.input_tokens", len(text))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": None}, "input"),
        ({"personality": "friendly"}, "personality"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"truncation": "auto"}, "truncation"),
        ({"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}, "tools"),
        ({"temperature": 1}, "temperature"),
    ],
)
async def test_wrong_fields_are_named(responses: ResponsesAgent, body: dict[str, Any], param: str) -> None:
    whole = {"model": KEY, "input": "x", **body}
    answer = await responses.browser.ask("POST", "/v1/responses/input_tokens", json=whole)
    assert (answer.status, answer.error["param"]) == (400, param)
