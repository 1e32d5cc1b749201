"""Bodies that nobody should send: each is refused with a 4xx in LM Studio's shape, and nothing is computed."""

import json
from typing import Any

import pytest

from tests.samovar_agent.http.conftest import KEY
from tests.samovar_agent.http.lmstudio.conftest import LmStudio, error

CHAT, LOAD, UNLOAD = "/api/v1/chat", "/api/v1/models/load", "/api/v1/models/unload"
DOWNLOAD, CHAT_0, EMBEDDINGS = "/api/v1/models/download", "/api/v0/chat/completions", "/api/v0/embeddings"
TEXT = "/api/v0/completions"
HI = {"model": KEY, "input": "Hi"}
IMAGE = {"type": "image", "data_url": "data:image/png;base64,AAAA"}

BAD: list[tuple[str, dict[str, Any], str]] = [
    (CHAT, {"model": KEY}, "input"),
    (CHAT, {"input": "Hi"}, "model"),
    (CHAT, {**HI, "model": ""}, "model"),
    (CHAT, {**HI, "model": 5}, "model"),
    (CHAT, {**HI, "input": 5}, "input"),
    (CHAT, {**HI, "input": None}, "input"),
    (CHAT, {**HI, "input": []}, "input"),
    (CHAT, {**HI, "input": ["Hi"]}, "input[0]"),
    (CHAT, {**HI, "input": [{"type": "message"}]}, "input[0].content"),
    (CHAT, {**HI, "input": [{"content": "Hi"}]}, "input[0].type"),
    (CHAT, {**HI, "input": [{"type": "message", "content": 5}]}, "input[0].content"),
    (CHAT, {**HI, "input": [{"type": "message", "content": "Hi", "role": "assistant"}]}, "input[0].role"),
    (CHAT, {**HI, "input": [{"type": "audio", "data": "x"}]}, "input[0].type"),
    (CHAT, {**HI, "input": [{"type": {}}]}, "input[0].type"),
    (CHAT, {**HI, "input": [{"type": "message", "content": "Hi"}, IMAGE]}, "input[1]"),
    (CHAT, {**HI, "input": [{"type": "image"}]}, "input[0].data_url"),
    (CHAT, {**HI, "input": [{"type": "message", "content": "x"}] * 20_001}, "input"),
    (CHAT, {**HI, "system_prompt": ["Be brief."]}, "system_prompt"),
    (CHAT, {**HI, "integrations": ["mcp/playwright"]}, "integrations"),
    (CHAT, {**HI, "integrations": [{"type": "ephemeral_mcp", "server_label": "a", "server_url": "b"}]}, "integrations"),
    (CHAT, {**HI, "integrations": "mcp/x"}, "integrations"),
    (CHAT, {**HI, "integrations": [5]}, "integrations[0]"),
    (CHAT, {**HI, "stream": "yes"}, "stream"),
    (CHAT, {**HI, "temperature": -1}, "temperature"),
    (CHAT, {**HI, "temperature": 1e300}, "temperature"),
    (CHAT, {**HI, "temperature": "hot"}, "temperature"),
    (CHAT, {**HI, "top_p": 2}, "top_p"),
    (CHAT, {**HI, "top_k": -5}, "top_k"),
    (CHAT, {**HI, "top_k": 1.5}, "top_k"),
    (CHAT, {**HI, "top_k": 10**30}, "top_k"),
    (CHAT, {**HI, "min_p": -0.1}, "min_p"),
    (CHAT, {**HI, "repeat_penalty": 0}, "repeat_penalty"),
    (CHAT, {**HI, "max_output_tokens": 0}, "max_output_tokens"),
    (CHAT, {**HI, "max_output_tokens": 10**20}, "max_output_tokens"),
    (CHAT, {**HI, "reasoning": "xhigh"}, "reasoning"),
    (CHAT, {**HI, "reasoning": True}, "reasoning"),
    (CHAT, {**HI, "context_length": 0}, "context_length"),
    (CHAT, {**HI, "context_length": 10**20}, "context_length"),
    (CHAT, {**HI, "store": "no"}, "store"),
    (CHAT, {**HI, "previous_response_id": "thread_1"}, "previous_response_id"),
    (CHAT, {**HI, "previous_response_id": 7}, "previous_response_id"),
    (CHAT, {**HI, "tools": []}, "tools"),
    (CHAT, {**HI, "thread_id": "thread_1"}, "thread_id"),
    (CHAT, {**HI, "messages": []}, "messages"),
    (LOAD, {}, "model"),
    (LOAD, {"model": KEY, "context_length": -1}, "context_length"),
    (LOAD, {"model": KEY, "context_length": "4096"}, "context_length"),
    (LOAD, {"model": KEY, "eval_batch_size": 10**30}, "eval_batch_size"),
    (LOAD, {"model": KEY, "flash_attention": 1}, "flash_attention"),
    (LOAD, {"model": KEY, "num_experts": -1}, "num_experts"),
    (LOAD, {"model": KEY, "echo_load_config": "yes"}, "echo_load_config"),
    (LOAD, {"model": KEY, "ttl": 0}, "ttl"),
    (LOAD, {"model": KEY, "ttl": -5}, "ttl"),
    (LOAD, {"model": KEY, "ttl": 1e300}, "ttl"),
    (LOAD, {"model": KEY, "identifier": ""}, "identifier"),
    (LOAD, {"model": KEY, "force": 1}, "force"),
    (LOAD, {"model": KEY, "config": {"context_length": 1}}, "config"),
    (UNLOAD, {}, "instance_id"),
    (UNLOAD, {"instance_id": None}, "instance_id"),
    (UNLOAD, {"instance_id": KEY, "model": KEY}, "model"),
    (DOWNLOAD, {}, "model"),
    (DOWNLOAD, {"model": ""}, "model"),
    (DOWNLOAD, {"model": "a" * 1501}, "model"),
    (DOWNLOAD, {"model": "a/b", "quantization": ""}, "quantization"),
    (DOWNLOAD, {"model": "a/b", "quantization": "../x"}, "quantization"),
    (DOWNLOAD, {"model": "a/b", "revision": "main"}, "revision"),
    (CHAT_0, {"model": KEY}, "messages"),
    (CHAT_0, {"model": KEY, "messages": []}, "messages"),
    (CHAT_0, {"model": KEY, "messages": [{"role": "robot", "content": "Hi"}]}, "messages[0].role"),
    (CHAT_0, {"model": KEY, "messages": [{"role": "user", "content": "Hi"}], "n": 99}, "n"),
    (TEXT, {"model": KEY}, "prompt"),
    (TEXT, {"model": KEY, "prompt": []}, "prompt"),
    (TEXT, {"model": KEY, "prompt": [-1]}, "prompt[0]"),
    (TEXT, {"model": KEY, "prompt": "a", "n": 99}, "n"),
    (TEXT, {"model": KEY, "prompt": "a", "best_of": 2}, "best_of"),
    (TEXT, {"model": KEY, "prompt": "a", "temperature": -1}, "temperature"),
    (TEXT, {"model": KEY, "prompt": "a", "logit_bias": {"x": 1}}, "logit_bias"),
    (EMBEDDINGS, {"model": KEY}, "input"),
    (EMBEDDINGS, {"model": KEY, "input": [1, "a"]}, "input"),
    (EMBEDDINGS, {"model": KEY, "input": "a", "dimensions": 0}, "dimensions"),
]


@pytest.mark.parametrize(("path", "body", "param"), BAD)
async def test_bad_fields_are_named(lm: LmStudio, path: str, body: dict[str, Any], param: str) -> None:
    answer = await lm.browser.ask("POST", path, json=body)
    assert answer.status == 400
    failure = error(answer)
    kind = "not_implemented" if param == "integrations" and isinstance(body[param], list) else "invalid_request"
    assert (failure.get("param"), failure["type"]) == (param, kind), failure["message"]
    assert not lm.instances.calls and not lm.instances.loads and not lm.agent.downloads.asked


@pytest.mark.parametrize("path", [CHAT, LOAD, UNLOAD, DOWNLOAD, CHAT_0, EMBEDDINGS, TEXT])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b'{"model": NaN}',
        b'{"model": "\xff"}',
        b'{"model": 1e999}',
        b'{"model":' * 5000,
        b'{"model": "x", "input": [' + b"[" * 5000,
        b"\x00",
    ],
)
async def test_what_is_no_json_object_is_refused(lm: LmStudio, path: str, data: bytes) -> None:
    answer = await lm.browser.ask("POST", path, data=data, headers={"Content-Type": "application/json"})
    assert answer.status == 400
    assert error(answer)["type"] == "invalid_request"


@pytest.mark.parametrize("path", [CHAT, LOAD, UNLOAD, DOWNLOAD, CHAT_0, EMBEDDINGS, TEXT])
async def test_forms_of_strangers_change_nothing(lm: LmStudio, path: str) -> None:
    body = json.dumps(HI).encode()
    answer = await lm.browser.ask("POST", path, data=body, headers={"Content-Type": "text/plain"})
    assert 400 <= answer.status < 500 and error(answer)
    answer = await lm.browser.ask("POST", path, json=HI, headers={"Host": "evil.test"})
    assert answer.status == 403 and error(answer)
    answer = await lm.browser.ask("POST", path, json=HI, headers={"Origin": "https://evil.test"})
    assert answer.status == 403 and "Access-Control-Allow-Origin" not in answer.headers
    assert not lm.instances.calls and not lm.instances.loads


@pytest.mark.parametrize(
    "data",
    [
        b'{"model": "a", "model": "%b", "input": "Hi"}' % KEY.encode(),
        b'{"model": "%b", "input": "\\ud800 alone"}' % KEY.encode(),
        b'{"model": "%b", "input": "\\u0000"}' % KEY.encode(),
        b'{"model": "\\ud800", "input": "Hi"}',
        b'{"model": "%b", "input": [{"type": "message", "content": "x", "content": "y"}]}' % KEY.encode(),
    ],
)
async def test_odd_texts_are_no_defect(lm: LmStudio, data: bytes) -> None:
    answer = await lm.browser.ask("POST", CHAT, data=data, headers={"Content-Type": "application/json"})
    assert answer.status < 500
