"""Whatever is sent, the answer is a sentence in Ollama's shape, and never the server's fault."""

import json
from typing import Any

import pytest

from samovar_protocol.values import Scope
from tests.samovar_agent.http.ollama.conftest import EMBEDDER, NAME, OllamaAgent, sentence

POSTS = ("chat", "generate", "embed", "embeddings", "show", "pull", "copy", "create", "push", "blobs/sha256:x")
HELLO = [{"role": "user", "content": "Hi"}]
DEEP = "[" * 100_000 + "]" * 100_000
NOT_JSON = [
    b"", b"{", b"null", b"[]", b"1", b'"x"', b"NaN", b"\xff\xfe", b'{"model": "\xff"}', b'{"model": "\\ud800"}',
    b'{"model": NaN}', b'{"model": 1e999}', f'{{"model": {DEEP}}}'.encode(), b'{"model": "' + b"x" * 1000 + b'"}',
]  # fmt: skip

DEEP_SCHEMA: dict[str, Any] = {}
for _ in range(120):
    DEEP_SCHEMA = {"properties": {"x": DEEP_SCHEMA}}

BODIES: list[tuple[str, dict[str, Any]]] = [
    ("chat", {"messages": HELLO}),
    ("chat", {"model": "", "messages": HELLO}),
    ("chat", {"model": 5, "messages": HELLO}),
    ("chat", {"model": "nobody", "messages": HELLO}),
    ("chat", {"model": ":", "messages": HELLO}),
    ("chat", {"model": "../../etc/passwd", "messages": HELLO}),
    ("chat", {"messages": "Hi"}),
    ("chat", {"messages": [5]}),
    ("chat", {"messages": [{"content": "Hi"}]}),
    ("chat", {"messages": [{"role": "oracle", "content": "Hi"}]}),
    ("chat", {"messages": [{"role": "user", "content": 5}]}),
    ("chat", {"messages": [{"role": "user", "content": [{"type": "text"}]}]}),
    ("chat", {"messages": [{"role": "user", "content": "Hi", "images": ["aGk="]}]}),
    ("chat", {"messages": [{"role": "user", "content": "Hi", "images": "aGk="}]}),
    ("chat", {"messages": [{"role": "user", "content": "Hi", "colour": "red"}]}),
    ("chat", {"messages": HELLO * 20_001}),
    ("chat", {"messages": [{"role": "assistant", "tool_calls": [{}]}]}),
    ("chat", {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "x"}}]}]}),
    ("chat", {"messages": HELLO, "tools": {}}),
    ("chat", {"messages": HELLO, "tools": [{"type": "web_search"}]}),
    ("chat", {"messages": HELLO, "tools": [{"type": "function", "function": {"name": ""}}]}),
    ("chat", {"messages": HELLO, "tools": [{"type": "function", "function": {"name": "f", "parameters": 5}}]}),
    ("chat", {"messages": HELLO, "tools": [{"function": {"name": "f", "parameters": DEEP_SCHEMA}}]}),
    ("chat", {"messages": HELLO, "format": "xml"}),
    ("chat", {"messages": HELLO, "format": 5}),
    ("chat", {"messages": HELLO, "format": DEEP_SCHEMA}),
    ("chat", {"messages": HELLO, "think": "a lot"}),
    ("chat", {"messages": HELLO, "think": 1}),
    ("chat", {"messages": HELLO, "stream": "yes"}),
    ("chat", {"messages": HELLO, "keep_alive": "soon"}),
    ("chat", {"messages": HELLO, "keep_alive": True}),
    ("chat", {"messages": HELLO, "keep_alive": []}),
    ("chat", {"messages": [], "keep_alive": "soon"}),
    ("chat", {"messages": HELLO, "options": []}),
    ("chat", {"messages": HELLO, "options": {"num_ctx": 0}}),
    ("chat", {"messages": HELLO, "options": {"num_ctx": 1e300}}),
    ("chat", {"messages": HELLO, "options": {"temperature": "hot"}}),
    ("chat", {"messages": HELLO, "options": {"temperature": -1}}),
    ("chat", {"messages": HELLO, "options": {"seed": 1.5}}),
    ("chat", {"messages": HELLO, "options": {"num_predict": 2**70}}),
    ("chat", {"messages": HELLO, "options": {"stop": [5]}}),
    ("chat", {"messages": HELLO, "options": {"mirostat": 2}}),
    ("chat", {"messages": HELLO, "options": {"warp": 9}}),
    ("chat", {"messages": HELLO, "logprobs": "all"}),
    ("chat", {"messages": HELLO, "top_logprobs": 3}),
    ("chat", {"messages": HELLO, "logprobs": True, "top_logprobs": 21}),
    ("chat", {"messages": HELLO, "logprobs": True, "top_logprobs": -1}),
    ("chat", {"messages": HELLO, "colour": "red"}),
    ("generate", {"prompt": 5}),
    ("generate", {"prompt": "Hi", "raw": "yes"}),
    ("generate", {"prompt": "Hi", "suffix": 5}),
    ("generate", {"prompt": "Hi", "template": "{{ .Prompt }}"}),
    ("generate", {"prompt": "Hi", "context": [1]}),
    ("generate", {"prompt": "Hi", "context": "x"}),
    ("generate", {"prompt": "Hi", "images": ["not base64"]}),
    ("generate", {"prompt": "Hi", "raw": True, "system": "x"}),
    ("generate", {"prompt": "Hi", "width": 2**70}),
    ("embed", {}),
    ("embed", {"input": 5}),
    ("embed", {"input": [5]}),
    ("embed", {"input": [["a"]]}),
    ("embed", {"input": ["a"] * 20_001}),
    ("embed", {"input": "a", "dimensions": 0}),
    ("embed", {"input": "a", "truncate": "no"}),
    ("embed", {"input": "a", "options": {"num_ctx": -5}}),
    ("embed", {"input": "a", "keep_alive": "x"}),
    ("embed", {"input": "a", "model": NAME}),
    ("embeddings", {"prompt": 5}),
    ("embeddings", {"prompt": "a", "input": "a"}),
    ("show", {"model": "x" * 301}),
    ("show", {"model": "nobody"}),
    ("show", {"model": NAME, "name": EMBEDDER}),
    ("show", {"model": NAME, "verbose": True}),
    ("show", {"model": NAME, "system": "x"}),
    ("pull", {"model": 5}),
    ("pull", {"model": "a/b", "insecure": "yes"}),
    ("copy", {"source": NAME}),
    ("copy", {"source": "nobody", "destination": "x"}),
    ("copy", {"source": NAME, "destination": "../../x"}),
    ("copy", {"source": NAME, "destination": "a=b"}),
    ("create", {"from": NAME}),
    ("push", {}),
]


def _name(case: tuple[str, dict[str, Any]]) -> str:
    return f"{case[0]} {json.dumps(case[1])[:60]}"


@pytest.mark.parametrize("case", BODIES, ids=_name)
async def test_bodies(served: OllamaAgent, case: tuple[str, dict[str, Any]]) -> None:
    path, body = case
    models = {"embed": EMBEDDER, "embeddings": EMBEDDER}
    named = path in ("chat", "generate", "embed", "embeddings") and body != {"messages": HELLO}
    answer = await served.post(path, **({"model": models.get(path, NAME)} if named else {}) | body)
    assert answer.status in (400, 404), answer.body
    assert sentence(answer) and "Traceback" not in sentence(answer)
    assert not served.instances.calls and not served.instances.completed and not served.instances.others
    assert not served.downloads.asked


@pytest.mark.parametrize("path", [*POSTS, "delete"])
async def test_what_is_no_body(served: OllamaAgent, path: str) -> None:
    method = "DELETE" if path == "delete" else "POST"
    for data in NOT_JSON:
        answer = await served.browser.ask(
            method, f"/api/{path}", data=data, headers={"Content-Type": "application/json"}
        )
        assert 400 <= answer.status < 500 and sentence(answer), (data[:30], answer.body)


@pytest.mark.parametrize("path", POSTS)
async def test_other_pages_and_other_names_of_this_machine(served: OllamaAgent, path: str) -> None:
    url = f"/api/{path}"
    for headers in ({"Host": "evil.test"}, {"Origin": "https://evil.test"}, {"Origin": "null"}):
        answer = await served.browser.ask("POST", url, json={"model": NAME}, headers=headers)
        assert answer.status == 403 and sentence(answer)
        assert "Access-Control-Allow-Origin" not in answer.headers
    answer = await served.browser.ask("POST", url, data=b"{}", headers={"Content-Type": "text/plain"})
    assert answer.status == 415 and sentence(answer)
    assert not served.instances.calls and not served.downloads.asked


async def test_a_token_must_allow_it(served: OllamaAgent) -> None:
    served.agent.settings.set("server.require_token", True)
    needs: dict[str, Scope] = {
        "chat": "chat", "generate": "chat", "embed": "embed", "embeddings": "embed", "pull": "models", "copy": "models",
        "create": "models", "push": "models",
    }  # fmt: skip
    every: list[Scope] = ["chat", "embed", "documents", "models"]
    for path, scope in needs.items():
        others = [one for one in every if one != scope]
        for secret, scopes, status in (("few", others, 403), ("right", [scope], None)):
            headers = {"Authorization": f"Bearer {served.agent.tokens.add(secret, *scopes)}"}
            answer = await served.browser.ask("POST", f"/api/{path}", json={}, headers=headers)
            assert answer.status == (status or 400), path
    for path in ("/", "/api/version"):
        assert (await served.browser.ask("GET", path)).status == 200
    for path in ("/api/tags", "/api/ps"):
        assert (await served.browser.ask("GET", path)).status == 401
