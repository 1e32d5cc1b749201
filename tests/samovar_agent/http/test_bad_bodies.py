"""What no client should send, to every endpoint that takes JSON: told in its dialect's words, and never a defect."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from samovar_agent.http.openapi.document import document
from samovar_agent.http.openapi.examples import EXAMPLES
from tests.samovar_agent.http.conftest import Answer
from tests.samovar_agent.http.failure_shapes import check_failure
from tests.samovar_agent.http.openapi.test_document import table
from tests.samovar_agent.http.openapi.test_examples import known as known
from tests.samovar_agent.http.whole_agent import WholeAgent
from tests.samovar_agent.http.whole_agent import whole as whole

NO_JSON_OBJECT = [
    b"[]",
    b"5",
    b"null",
    b"{",
    b"{} {}",
    b'{"model": "\xff"}',
    '{"model": "x"}'.encode("utf-16"),
    b"{'model': 'x'}",
    b'{"model":' + b"[" * 100_000,
    b'{"model":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
]
NO_JSON_VALUES = ["NaN", "Infinity", "-Infinity", "0x10", "+1", r'"\ud800"', r'["\udfff x"]', r'{"\ud800": 1}']
ODD_VALUES = ["1e999", "-1e999", "1" * 5000, "-" + "9" * 400, "-1", "1e-999", r'"\u0000"', '"' + "x" * 5000 + '"']
WRONG_TYPES = ["true", '{"a": {"b": 1}}', "[[[]]]", "1.5", "5", '"x"', "[null]"]


def taking_json() -> list[tuple[str, dict[str, Any]]]:
    """Operations with a body, and one that is good, as far as an example is known."""
    described = document(table())["paths"]
    operations = [
        f"{method.upper()} {path}"
        for path, methods in described.items()
        for method, operation in methods.items()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    ]
    return [(operation, next(iter(EXAMPLES.get(operation, {}).values()), {})) for operation in operations]


class Sender:
    """Sends bytes to one operation."""

    def __init__(self, whole: WholeAgent, method: str, path: str) -> None:
        self._whole, self._method, self.path = whole, method, path

    async def send(self, body: bytes) -> Answer:
        headers = {"Content-Type": "application/json"}
        return await self._whole.ask(self._method, self.path, data=body, headers=headers)

    async def is_refused(self, body: bytes) -> None:
        answer = await self.send(body)
        assert answer.status == 400, (body[:100], answer.body[:300])
        assert check_failure(self.path, answer, 400, "bad_request")

    async def is_no_defect(self, body: bytes) -> None:
        answer = await self.send(body)
        assert answer.status < 500, (body[:100], answer.body[:300])


@pytest.fixture(params=taking_json(), ids=lambda case: case[0])
async def case(
    request: pytest.FixtureRequest, whole: WholeAgent, known: dict[str, str]
) -> AsyncIterator[tuple[Sender, dict[str, Any]]]:
    """An operation and a good body; after whatever was sent the agent still answers."""
    operation, body = request.param
    method, path = operation.split(" ")
    places = {name[1:-1]: value for name, value in known.items() if name.startswith("{")}
    for name in ("name", "id", "document", "download"):
        places.setdefault(name, "1")
    yield Sender(whole, method, path.format(**places)), body
    assert (await whole.ask("GET", "/health")).status == 200
    assert (await whole.ask("GET", "/v1/models")).status == 200


def test_no_endpoint_with_a_body_is_left_out() -> None:
    described = {operation for operation, _ in taking_json()}
    assert set(EXAMPLES) - described == set() and len(described) > 40


async def test_what_is_no_json_object_is_refused(case: tuple[Sender, dict[str, Any]]) -> None:
    sender, _ = case
    for body in NO_JSON_OBJECT:
        await sender.is_refused(body)


async def test_values_that_are_no_json_are_refused(case: tuple[Sender, dict[str, Any]]) -> None:
    sender, good = case
    for name in good or {"x": 1}:
        for value in NO_JSON_VALUES:
            await sender.is_refused(_with(good, name, value))


async def test_odd_values_and_wrong_types_are_no_defect(case: tuple[Sender, dict[str, Any]]) -> None:
    sender, good = case
    for name in good:
        for value in (*ODD_VALUES, *WRONG_TYPES):
            await sender.is_no_defect(_with(good, name, value))


async def test_a_key_that_is_there_twice_is_no_defect(case: tuple[Sender, dict[str, Any]]) -> None:
    sender, good = case
    for name in good:
        for value in ("null", '"x"', "5"):
            await sender.is_no_defect(b'{"%b": %b, %b' % (name.encode(), value.encode(), json.dumps(good).encode()[1:]))


async def test_missing_fields_are_no_defect(case: tuple[Sender, dict[str, Any]]) -> None:
    sender, good = case
    for missing in good:
        await sender.is_no_defect(json.dumps({name: good[name] for name in good if name != missing}).encode())


async def test_fields_that_nobody_knows_are_named(case: tuple[Sender, dict[str, Any]]) -> None:
    sender, good = case
    answer = await sender.send(json.dumps({**good, "samovar_unknown": 1}).encode())
    assert answer.status == 400 and "samovar_unknown" in check_failure(sender.path, answer, 400, "bad_request")


def _with(good: dict[str, Any], name: str, value: str) -> bytes:
    return json.dumps({**good, name: "HERE"}).replace('"HERE"', value).encode()
