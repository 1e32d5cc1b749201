"""Requests of the protocol over HTTP, against the agent's own parts."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from samovar_protocol import replies
from tests.samovar_agent.http.conftest import KEY
from tests.samovar_agent.http.whole_agent import WholeAgent

BASE = "/api/samovar"


async def asked(whole: WholeAgent, method: str, path: str, reply: Any, /, **body: Any) -> Any:
    answer = await whole.ask(method, BASE + path, **({"json": body} if body or method in ("POST", "PATCH") else {}))
    assert answer.status == 200, answer.body
    return msgspec.json.decode(answer.body, type=reply, strict=True)


async def test_the_state_at_a_glance(whole: WholeAgent) -> None:
    status = await asked(whole, "GET", "/status", replies.StatusReply)
    assert status.http.urls[0] == whole.url
    assert [one.identifier for one in status.instances] == [KEY]
    assert (await asked(whole, "GET", "/instances", replies.PsReply)).instances == status.instances
    doctor = await asked(whole, "GET", "/doctor", replies.DoctorReply)
    assert {"store", "disk", "network"} <= {check.name for check in doctor.checks}


async def test_it_can_be_stopped(whole: WholeAgent) -> None:
    assert (await asked(whole, "POST", "/down", replies.DownReply)).pid > 0
    assert whole.stopped == [None]


async def test_settings_are_read_changed_and_returned(whole: WholeAgent) -> None:
    listed = await asked(whole, "GET", "/settings", replies.ConfigLsReply)
    assert "server.port" in [setting.key for setting in listed.settings]
    path = "/settings/models.context_length"
    before = (await asked(whole, "GET", path, replies.ConfigReply)).setting.value
    assert (await asked(whole, "PATCH", path, replies.ConfigReply, value=4096)).setting.value == 4096
    assert whole.services.settings.current.models.context_length == 4096
    assert (await asked(whole, "PATCH", path, replies.ConfigReply, value=None)).setting.value == before
    for method, wrong, status in (("GET", "no.such", 404), ("PATCH", "models.context_length", 400)):
        body = {"json": {"value": "wide"}} if method == "PATCH" else {}
        assert (await whole.ask(method, f"{BASE}/settings/{wrong}", **body)).status == status


async def test_tokens_are_made_listed_and_revoked(whole: WholeAgent) -> None:
    made = await asked(whole, "POST", "/tokens", replies.TokenCreateReply, name="my phone", scopes=["chat"])
    assert whole.services.store.tokens.check(made.secret) is not None
    listed = await whole.ask("GET", f"{BASE}/tokens")
    assert made.secret not in listed.body.decode()
    gone = await asked(whole, "DELETE", "/tokens/my%20phone", replies.TokenRevokeReply)
    assert gone.token.revoked_at is not None
    assert whole.services.store.tokens.check(made.secret) is None
    assert (await whole.ask("DELETE", f"{BASE}/tokens/my%20phone")).status == 404


@pytest.mark.parametrize("scope", ["chat", "embed", "documents", "models"])
async def test_only_administrators_make_tokens_and_change_settings(whole: WholeAgent, scope: Any) -> None:
    _, secret = await whole.services.store.tokens.create("weak", [scope])
    whole.services.settings.set("server.require_token", True)
    for method, path, body in (
        ("POST", "/tokens", {"name": "x", "scopes": ["admin"]}),
        ("PATCH", "/settings/server.require_token", {"value": False}),
        ("PATCH", "/network", {"policy": "online"}),
        ("POST", "/down", {}),
    ):
        answer = await whole.ask(method, BASE + path, json=body, headers={"x-api-key": secret})
        assert (answer.status, answer.error["code"]) == (403, "forbidden")
    assert not whole.stopped
    assert whole.services.settings.current.server.require_token


async def test_the_network_policy_and_its_journal_in_portions(whole: WholeAgent) -> None:
    assert (await whole.ask("PATCH", f"{BASE}/network", json={"policy": "offline"})).json() == {
        "policy": "offline",
        "connected": False,
    }
    assert whole.services.gate.info().policy == "offline"
    assert (await whole.ask("PATCH", f"{BASE}/network", json={"policy": "sometimes"})).status == 400
    journal = whole.services.store.journal
    rows = [await journal.begin("search" if n % 2 else "catalog", f"host{n}", "test") for n in range(5)]
    first = await asked(whole, "GET", "/network/journal?limit=2", replies.NetworkJournalReply)
    assert [entry.id for entry in first.entries] == [rows[4], rows[3]]
    second = await asked(whole, "GET", f"/network/journal?limit=2&before={rows[3]}", replies.NetworkJournalReply)
    assert [entry.id for entry in second.entries] == [rows[2], rows[1]]
    path = f"/network/journal?purpose=search&before={rows[3]}"
    searches = await asked(whole, "GET", path, replies.NetworkJournalReply)
    assert [entry.id for entry in searches.entries] == [rows[1]]


async def test_models_are_loaded_estimated_and_unloaded(whole: WholeAgent) -> None:
    loaded = await asked(whole, "POST", "/models/load", replies.LoadReply, name="smollm")
    assert loaded.instance is not None
    answer = await whole.ask("POST", f"{BASE}/models/load", json={"name": "smollm", "stream": True})
    progress, reply, done = answer.events
    assert (progress["stage"], reply["instance"]["identifier"], done) == ("loading", KEY, "[DONE]")
    estimate = await asked(whole, "POST", "/models/estimate", replies.LoadReply, name="smollm", context=77)
    assert (estimate.instance, estimate.estimate.context_length) == (None, 77)
    assert (await asked(whole, "POST", "/models/unload", replies.UnloadReply, all=True)).identifiers == [KEY]
    assert (await whole.ask("POST", f"{BASE}/models/unload", json={})).status == 400


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/models/load", {"name": "x", "contextt": 1}, "contextt"),
        ("/models/load", {"name": "x", "context": "wide"}, "context"),
        ("/models/load", {"name": "x", "stream": "yes"}, "stream"),
        ("/models/load", {}, "name"),
        ("/models/estimate", {"name": "x", "force": True}, "force"),
        ("/models/estimate", {"name": "x", "stream": True}, "stream"),
        ("/models/import", {"path": "/x.gguf", "mode": "steal"}, "mode"),
        ("/tokens", {"name": "x", "scopes": ["root"]}, "scopes[0]"),
        ("/tokens", {"name": "x", "scopes": []}, "scopes"),
    ],
)
async def test_what_is_wrong_is_named(whole: WholeAgent, path: str, body: Any, param: str) -> None:
    answer = await whole.ask("POST", BASE + path, json=body)
    assert answer.status == 400, answer.body
    assert answer.error["param"] == param


@pytest.mark.parametrize(
    "path", ["/search?limit=0", "/search?limit=1&limit=2", "/search?queri=x", "/network/journal?before=x"]
)
async def test_wrong_parameters_are_refused(whole: WholeAgent, path: str) -> None:
    assert (await whole.ask("GET", BASE + path)).status == 400


async def test_models_come_and_go(whole: WholeAgent, tmp_path: Path, small_model: Path) -> None:
    before = await asked(whole, "GET", "/models", replies.LsReply)
    imported = await asked(whole, "POST", "/models/import", replies.ImportReply, path=str(small_model), name="me/tiny")
    listed = await asked(whole, "GET", "/models", replies.LsReply)
    come = {model.key for model in listed.models} - {model.key for model in before.models}
    assert come == {imported.model.key} == {"me/tiny"}
    answer = await whole.ask("POST", f"{BASE}/models/verify", json={"name": "me/tiny", "stream": True})
    *progress, reply, done = answer.events
    assert all(one["type"] == "progress" for one in progress) and progress
    assert (reply["models"][0]["outcome"], done) == ("recorded", "[DONE]")
    removed = await asked(whole, "DELETE", "/models/me/tiny", replies.RmReply)
    assert (removed.key, small_model.is_file()) == ("me/tiny", True)
    assert (await whole.ask("DELETE", f"{BASE}/models/me/tiny")).error["code"] == "model_unknown"
    missing = await whole.ask("POST", f"{BASE}/models/import", json={"path": str(tmp_path / "none.gguf")})
    assert missing.status in (400, 404)


async def test_what_can_be_downloaded_is_known_without_a_network(whole: WholeAgent) -> None:
    catalog = await asked(whole, "GET", "/catalog", replies.CatalogReply)
    assert catalog.models
    found = await asked(whole, "GET", "/search?query=smollm2&limit=3", replies.SearchReply)
    assert found.results and found.note
    options = await asked(whole, "GET", f"/catalog/options?name={catalog.models[0].key}", replies.OptionsReply)
    assert options.entry.files
    refused = await whole.ask("POST", f"{BASE}/catalog/refresh", json={})
    assert (refused.status, refused.error["code"]) == (503, "network_offline")
