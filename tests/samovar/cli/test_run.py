from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from samovar.cli import terminal
from samovar_protocol.requests import Chat
from samovar_protocol.values import ChatOptions, JsonSchema, Sampling
from tests.samovar.cli.fakes import ANSWER, HANG, FakeAgent, document, failure, samovar


def _prompt(agent: FakeAgent) -> str:
    content: str = agent.requests[-1].messages[-1].content
    return content


def test_the_reply_is_on_stdout_alone(agent: FakeAgent) -> None:
    result = samovar("run", "smol", "What is the capital of France?")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "Paris.\n", "")
    assert agent.requests[0].model == "smol"
    assert _prompt(agent) == "What is the capital of France?"


def test_the_prompt_needs_no_quotes(agent: FakeAgent) -> None:
    samovar("run", "smol", "Why", "is", "the", "sky", "blue?")
    assert _prompt(agent) == "Why is the sky blue?"


def test_what_is_piped_in_stands_behind_the_prompt(agent: FakeAgent) -> None:
    samovar("run", "smol", "Summarise:", stdin="A long text.\n")
    assert _prompt(agent) == "Summarise:\n\nA long text."
    samovar("run", "smol", stdin="Only this.\n")
    assert _prompt(agent) == "Only this."


def test_bytes_that_are_no_text_do_not_cost_the_question(agent: FakeAgent) -> None:
    samovar("run", "smol", stdin=b"caf\xe9\n")
    assert _prompt(agent) == "caf�"


def test_no_prompt_at_all_is_a_usage_error(agent: FakeAgent) -> None:
    assert samovar("run", "smol", stdin=" \n").exit_code == 2
    assert agent.requests == []


def test_every_option_reaches_the_model(agent: FakeAgent) -> None:
    options = "--temperature 0 --top-p 0.5 --max-tokens 7 --seed 3 --stop END --stop ### --system Brief."
    samovar("run", "smol", "Hello", *options.split())
    request = agent.requests[0]
    assert request.sampling == Sampling(temperature=0.0, top_p=0.5, max_tokens=7, seed=3, stop=["END", "###"])
    assert request.messages[0].role == "system"
    samovar("run", "smol", "Hello")
    assert agent.requests[1].sampling == Sampling()


def test_a_schema_and_thinking(agent: FakeAgent, tmp_path: Path) -> None:
    schema = tmp_path / "person.json"
    schema.write_text('{"type": "object"}')
    samovar("run", "smol", "Hello", "--schema", str(schema), "--no-think")
    expected = ChatOptions(reply_format=JsonSchema(json_schema={"type": "object"}), thinking=False)
    assert agent.requests[0].options == expected
    samovar("chat", "smol", "-p", "Hello", "--think")
    assert agent.requests[1].options == ChatOptions(thinking=True)
    samovar("run", "smol", "Hello")
    assert agent.requests[2].options == ChatOptions()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"5", b'"object"', b"\xff", b"[" * 100_000])
def test_what_is_no_schema_is_a_usage_error(agent: FakeAgent, tmp_path: Path, content: bytes) -> None:
    schema = tmp_path / "person.json"
    schema.write_bytes(content)
    result = samovar("run", "smol", "Hello", "--schema", str(schema))
    assert result.exit_code == 2
    assert "is not a JSON Schema" in result.stderr
    assert samovar("run", "smol", "Hello", "--schema", str(tmp_path / "none.json")).exit_code == 2
    assert agent.requests == []


@pytest.mark.parametrize("options", [["--temperature", "-1"], ["--top-p", "2"], ["--max-tokens", "0"], ["--seed", "x"]])
def test_values_out_of_range_are_usage_errors(agent: FakeAgent, options: list[str]) -> None:
    assert samovar("run", "smol", "Hello", *options).exit_code == 2
    assert agent.requests == []


def test_the_help_names_the_protocols_defaults() -> None:
    shown = samovar("run", "--help").stdout
    assert f"0 is greedy. Default {Sampling().temperature}." in shown
    assert f"1 is off. Default {Sampling().top_p}." in " ".join(shown.split())


def test_a_pipe_that_nobody_closes_is_explained() -> None:
    code = "from samovar.cli.main import main; main()"
    arguments = [sys.executable, "-c", code, "run", "smol", "Hello", "--no-start"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(arguments, **pipes) as process:  # type: ignore[call-overload]
        assert b"Waiting for the end of stdin" in process.stderr.readline()
        process.stdin.close()
        assert process.wait(timeout=20) == 3


def test_stats_are_on_stderr(agent: FakeAgent) -> None:
    result = samovar("run", "smol", "Hello", "--stats")
    assert result.stdout == "Paris.\n"
    assert result.stderr.startswith("first token after 0.75 s")


def test_json(agent: FakeAgent) -> None:
    result = samovar("run", "smol", "Hello", "--json")
    assert document(result) == {
        "model": "smol",
        "text": "Paris.",
        "finish_reason": "stop",
        "stop_text": None,
        "stats": {
            "prompt_tokens": 20,
            "cached_tokens": 12,
            "completion_tokens": 3,
            "drafted_tokens": 0,
            "accepted_tokens": 0,
            "queue_seconds": 0.0,
            "load_seconds": 0.5,
            "prompt_seconds": 0.25,
            "decode_seconds": 0.04,
        },
        "reasoning": "",
        "tool_calls": [],
        "logprobs": [],
        "alternatives": [],
    }


def test_a_full_context_is_said(agent: FakeAgent) -> None:
    import msgspec

    agent.replies[Chat] = msgspec.structs.replace(ANSWER, finish_reason="length")
    assert "context is full" in samovar("run", "smol", "Hello").stderr
    assert samovar("run", "smol", "Hello", "--max-tokens", "2").stderr == ""


def test_ctrl_c_stops_the_answer_in_the_agent_too(agent: FakeAgent) -> None:
    agent.replies[Chat] = HANG
    result = samovar("run", "smol", "Hello")
    assert (result.exit_code, agent.cancelled) == (130, 1)
    assert result.stdout == "Paris.\n"


def test_a_failure_after_the_first_words_starts_on_a_line_of_its_own(agent: FakeAgent) -> None:
    agent.replies[Chat] = failure("worker_crashed", "The worker ended.")
    result = samovar("run", "smol", "Hello")
    assert result.exit_code == 1
    assert result.output == "Paris.\nError: The worker ended.\nTry this.\n"


def test_at_a_terminal_without_a_prompt_it_is_a_chat(agent: FakeAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    from samovar.cli import repl

    seen: list[object] = []
    monkeypatch.setattr(repl.Repl, "run", lambda self: seen.append(self._conversation))
    monkeypatch.setattr(terminal, "stdin_is_terminal", lambda: True)
    assert samovar("run", "smol").exit_code == 0
    assert len(seen) == 1
    assert samovar("run", "smol", "--json").exit_code == 2
