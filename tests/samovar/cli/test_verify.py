from __future__ import annotations

from samovar_protocol.replies import VerifyReply
from samovar_protocol.requests import Verify
from samovar_protocol.values import VerifiedModel
from tests.samovar.cli.fakes import FakeAgent, document, failure, samovar

OK = VerifiedModel(key="a/b", outcome="ok", sha256="ab" * 32, expected="ab" * 32)
CHANGED = VerifiedModel(
    key="a/c", outcome="changed", sha256="cd" * 32, expected="ab" * 32, problem="x.gguf has other bytes than expected."
)


def test_one_or_all(agent: FakeAgent) -> None:
    agent.replies[Verify] = VerifyReply(models=[OK])
    result = samovar("verify")
    assert result.stdout.splitlines()[1].split() == ["a/b", "ok", "abababababababab"]
    assert samovar("verify", "a/b").exit_code == 0
    assert agent.requests == [Verify(), Verify(name="a/b")]


def test_damage_has_an_exit_code_and_a_sentence(agent: FakeAgent) -> None:
    agent.replies[Verify] = VerifyReply(models=[OK, CHANGED])
    result = samovar("verify")
    assert result.exit_code == 1
    assert "a/c: x.gguf has other bytes than expected." in result.stderr


def test_nothing_to_verify(agent: FakeAgent) -> None:
    agent.replies[Verify] = VerifyReply(models=[])
    assert samovar("verify").exit_code == 0
    agent.replies[Verify] = failure("model_unknown")
    assert samovar("verify", "zz").exit_code == 4


def test_json(agent: FakeAgent) -> None:
    agent.replies[Verify] = VerifyReply(models=[CHANGED])
    result = samovar("verify", "--json")
    assert result.exit_code == 1
    assert document(result)["models"][0]["outcome"] == "changed"
