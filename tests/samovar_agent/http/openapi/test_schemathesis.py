"""Programs that read the description send what it allows and what it does not, and believe what it says of answers.

    SAMOVAR_FUZZ_EXAMPLES=60 python -m pytest tests/samovar_agent/http/openapi

sends so many requests to each route, valid ones and as many invalid ones; without it a few.
"""

import asyncio
import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
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

from tests.samovar_agent.http.whole_agent import WholeAgent

_EXAMPLES = int(os.environ.get("SAMOVAR_FUZZ_EXAMPLES", "2"))
_ENDLESS = {"/api/samovar/events"}
"""Streams that nobody can wait for the end of; their own tests read them."""


def no_server_error(context: CheckContext, response: Response, case: schemathesis.Case[Any]) -> bool | None:
    """None that is not honest: there is no network here."""
    if response.status_code == 503 and "not connected to a network" in response.text:
        return None
    return not_a_server_error(context, response, case)


_CHECKS = [
    no_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def _try_everything(address: str, examples: int) -> int:
    """Ask each operation so many times, with valid and with invalid input; returns how many operations there are."""
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    tried = 0
    failures: list[str] = []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        tried += 1
        if operation.path in _ENDLESS:
            continue
        for mode in GenerationMode:

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(
                max_examples=examples,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.explicit, Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            )
            def ask(case: schemathesis.Case[Any]) -> None:
                case.call_and_validate(base_url=address, checks=_CHECKS, timeout=20)

            try:
                ask()
            except Unsatisfiable:
                pass  # nothing can be wrong about a request that has nothing in it
            except (Exception, FailureGroup) as error:  # all of them at once say more than the first
                failures.append(f"{operation.method.upper()} {operation.path} {mode.value}: {error}")
    assert not failures, "\n\n".join(failures)
    return tried


@pytest.mark.timeout(180 + 60 * _EXAMPLES)
async def test_no_answer_is_a_server_error_or_undocumented(whole: WholeAgent) -> None:
    assert await asyncio.to_thread(_try_everything, whole.url, _EXAMPLES) > 80
