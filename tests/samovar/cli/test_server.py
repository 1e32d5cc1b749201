from __future__ import annotations

import msgspec

from samovar_protocol.replies import TokenCreateReply, TokenLsReply, TokenRevokeReply
from samovar_protocol.requests import Status, TokenCreate, TokenLs, TokenRevoke
from samovar_protocol.values import HttpInfo, TokenInfo
from tests.samovar.cli.fakes import STATUS, FakeAgent, document, failure, samovar

TOKEN = TokenInfo(name="laptop", scopes=["chat", "models"], created_at=0.0)


def test_status(agent: FakeAgent) -> None:
    result = samovar("server", "status")
    assert (result.exit_code, result.stdout) == (0, "http://127.0.0.1:7266\n")
    told = {"urls": ["http://127.0.0.1:7266"], "problem": None, "unix_socket": None}
    assert document(samovar("server", "status", "--json")) == told


def test_status_shows_the_unix_socket(agent: FakeAgent) -> None:
    http = HttpInfo(urls=["https://127.0.0.1:7266"], unix_socket="/run/samovar/http.sock")
    agent.replies[Status] = msgspec.structs.replace(STATUS, http=http)
    assert samovar("server", "status").stdout == "https://127.0.0.1:7266\nunix:/run/samovar/http.sock\n"


def test_status_of_a_server_that_does_not_listen(agent: FakeAgent) -> None:
    agent.replies[Status] = msgspec.structs.replace(STATUS, http=HttpInfo(problem="Port 7266 is taken."))
    result = samovar("server", "status")
    assert (result.exit_code, result.stdout) == (1, "Port 7266 is taken.\n")


def test_status_starts_no_agent(agent: FakeAgent) -> None:
    agent.running = False
    assert samovar("server", "status").exit_code == 3
    assert agent.starts == 0


def test_create_prints_the_secret_alone_on_stdout(agent: FakeAgent) -> None:
    agent.replies[TokenCreate] = TokenCreateReply(token=TOKEN, secret="sk-samovar-1")
    result = samovar("server", "token", "create", "laptop", "--scope", "models", "--scope", "chat")
    assert agent.requests == [TokenCreate(name="laptop", scopes=["chat", "models"])]
    assert result.stdout == "sk-samovar-1\n"
    assert "not shown again" in result.stderr


def test_create_allows_chat_where_nothing_else_is_said(agent: FakeAgent) -> None:
    agent.replies[TokenCreate] = TokenCreateReply(token=TOKEN, secret="s")
    samovar("server", "token", "create", "laptop")
    assert agent.requests[0].scopes == ["chat"]
    assert samovar("server", "token", "create", "laptop", "--scope", "everything").exit_code == 2


def test_ls(agent: FakeAgent) -> None:
    revoked = msgspec.structs.replace(TOKEN, name="old", revoked_at=5.0)
    agent.replies[TokenLs] = TokenLsReply(tokens=[TOKEN, revoked])
    lines = samovar("server", "token", "ls").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", "laptop", "old"]
    assert [line.split()[-1] for line in lines] == ["STATE", "valid", "revoked"]
    assert "chat,models" in lines[1]


def test_create_with_an_end(agent: FakeAgent) -> None:
    token = msgspec.structs.replace(TOKEN, expires_at=4e9)
    agent.replies[TokenCreate] = TokenCreateReply(token=token, secret="s")
    result = samovar("server", "token", "create", "laptop", "--expires", "30d")
    assert agent.requests == [TokenCreate(name="laptop", scopes=["chat"], lifetime_seconds=30 * 86400)]
    assert "valid until 2096-10-0" in result.stderr
    for wrong in ("soon", "0", "36501d"):
        result = samovar("server", "token", "create", "laptop", "--expires", wrong)
        assert result.exit_code == 2 and "--expires" in result.stderr, wrong
    assert samovar("server", "token", "create", " ").exit_code == 2
    assert len(agent.requests) == 1, "nobody was asked"


def test_ls_tells_what_has_expired(agent: FakeAgent) -> None:
    tokens = [
        msgspec.structs.replace(TOKEN, expires_at=4e9, last_used_at=86400.0 * 365),
        msgspec.structs.replace(TOKEN, expires_at=5.0),
        msgspec.structs.replace(TOKEN, expires_at=5.0, revoked_at=5.0),
        msgspec.structs.replace(TOKEN, expires_at=5.0, revoked_at=4.0),
    ]
    agent.replies[TokenLs] = TokenLsReply(tokens=tokens)
    lines = samovar("server", "token", "ls").stdout.splitlines()
    assert [line.split()[-1] for line in lines[1:]] == ["valid", "expired", "expired", "revoked"]
    assert "2096-10" in lines[1] and "197" in lines[1]


def test_ls_of_none_says_what_to_do_next(agent: FakeAgent) -> None:
    agent.replies[TokenLs] = TokenLsReply(tokens=[])
    result = samovar("server", "token", "ls")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "token create" in result.stderr


def test_revoke(agent: FakeAgent) -> None:
    agent.replies[TokenRevoke] = TokenRevokeReply(token=TOKEN)
    assert samovar("server", "token", "revoke", "laptop").stdout == "laptop is revoked.\n"
    agent.replies[TokenRevoke] = failure("not_found")
    assert samovar("server", "token", "revoke", "none").exit_code == 4


def test_json(agent: FakeAgent) -> None:
    token = {"name": "laptop", "scopes": ["chat", "models"], "created_at": 0.0, "revoked_at": None}
    token |= {"expires_at": None, "last_used_at": None}
    agent.replies[TokenCreate] = TokenCreateReply(token=TOKEN, secret="s")
    agent.replies[TokenLs] = TokenLsReply(tokens=[TOKEN])
    agent.replies[TokenRevoke] = TokenRevokeReply(token=TOKEN)
    assert document(samovar("server", "token", "create", "laptop", "--json")) == {"token": token, "secret": "s"}
    assert document(samovar("server", "token", "ls", "--json")) == {"tokens": [token]}
    assert document(samovar("server", "token", "revoke", "laptop", "--json")) == {"token": token}
