"""Programs that read the description send what it allows and what it does not, and believe what it says of answers.

    SAMOVAR_FUZZ_EXAMPLES=60 python -m pytest tests/samovar_agent/http/openapi

sends so many requests to each route, valid ones and as many invalid ones; without it a few. Each part of the table is
a test of its own: `-k ollama` tries only that one.
"""

import asyncio
import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import CheckContext, not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.core.transport import Response
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from samovar_agent.http.openapi.examples import EXAMPLES
from tests.samovar_agent.http.conftest import KEY
from tests.samovar_agent.http.whole_agent import EMBEDDER, WholeAgent

_EXAMPLES = int(os.environ.get("SAMOVAR_FUZZ_EXAMPLES", "2"))
_PARTS = {
    "openai": "/v1/",
    "anthropic": "/v1/messages",
    "ollama": "/api/",
    "lmstudio-0": "/api/v0/",
    "lmstudio-1": "/api/v1/",
    "samovar": "/api/samovar/",
    "documents": "/api/samovar/documents",
    "collections": "/api/samovar/collections",
    "others": "/",
}
"""Beginnings of paths; the longest counts."""

_OFFLINE = ("not connected to a network", "set to work offline", "network_offline")
"""What a failure says that is for want of a network, in one dialect or another."""

_ENDLESS = {"/api/samovar/events"}
"""Streams that nobody can wait for the end of; their own tests read them."""


def no_server_error(context: CheckContext, response: Response, case: schemathesis.Case[Any]) -> bool | None:
    """None that is not honest: there is no network here, and one request may have set the policy to work offline."""
    if response.status_code == 503 and any(words in response.text for words in _OFFLINE):
        return None
    return not_a_server_error(context, response, case)


_CHECKS = [
    no_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def _name_models(case: schemathesis.Case[Any]) -> None:
    """Where a model is named, name one that there is, or nothing but its name would ever be tried."""
    if not isinstance(case.body, dict):
        return
    for name in ("model", "name", "source", "instance_id"):
        if isinstance(given := case.body.get(name), str) and len(given) % 4 != 3:
            case.body[name] = EMBEDDER if "embed" in case.path or "rerank" in case.path else KEY


def _as_people_ask(case: schemathesis.Case[Any], number: int) -> None:
    """Of half of the valid ones no more than one field, beside an example's.

    Where any of seventy fields may be refused, a request with twenty of them says nothing of the others.
    """
    examples = [*EXAMPLES.get(f"{case.method} {case.path}", {}).values()]
    if number % 2 or not examples or not isinstance(case.body, dict):
        return
    example = examples[number // 2 % len(examples)]
    others = sorted(case.body.keys() - example.keys())
    case.body = example | {name: case.body[name] for name in others[number % max(1, len(others)) :][:1]}


def _part(path: str) -> str:
    return max((part for part, begin in _PARTS.items() if path.startswith(begin)), key=lambda part: len(_PARTS[part]))


def _can_be_wrong(operation: Any) -> bool:
    """Whether its description forbids anything: any text will do in a path, and to look for another takes seconds."""
    return bool(operation.body or operation.query)


def _try_everything(address: str, part: str, examples: int) -> int:
    """Ask each operation of a part so many times, with valid and with invalid input; returns how many there are."""
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    tried = 0
    failures: list[str] = []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if _part(operation.path) != part:
            continue
        tried += 1
        if operation.path in _ENDLESS:
            continue
        for mode in GenerationMode if _can_be_wrong(operation) else [GenerationMode.POSITIVE]:

            @given(case=operation.as_strategy(generation_mode=mode), number=st.integers(0, 10_000))
            @settings(
                max_examples=examples,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.explicit, Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            )
            def ask(case: schemathesis.Case[Any], number: int) -> None:
                if mode is GenerationMode.POSITIVE:  # noqa: B023 # it is asked before the next one's turn
                    _as_people_ask(case, number)
                _name_models(case)
                case.call_and_validate(base_url=address, checks=_CHECKS, timeout=20)

            try:
                ask()
            except (Exception, FailureGroup) as error:  # all of them at once say more than the first
                failures.append(f"{operation.method.upper()} {operation.path} {mode.value}: {error}")
    assert not failures, "\n\n".join(failures)
    return tried


@pytest.mark.timeout(180 + 60 * _EXAMPLES)
@pytest.mark.parametrize("part", _PARTS)
async def test_no_answer_is_a_server_error_or_undocumented(whole: WholeAgent, part: str) -> None:
    assert await asyncio.to_thread(_try_everything, whole.url, part, _EXAMPLES) > 1
