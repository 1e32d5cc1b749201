"""The real `huggingface_hub` against a hub that speaks its protocol, and against what may answer instead."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from samovar_agent.network.http import Http
from samovar_agent.network.hub import Hub
from samovar_protocol import FailureCode, SamovarError
from tests.hub_server import HubServer, Override
from tests.samovar_agent.network.conftest import Network

REPOSITORY = "someone/tiny-GGUF"
GGUF = b"GGUF" + bytes(1000)
SHA256 = hashlib.sha256(GGUF).hexdigest()
OFFLINE = FailureCode.NETWORK_OFFLINE
ASKED: dict[str, Any] = {"requester": "samovar search", "asked": True}


@pytest.fixture
def server(hub_server: HubServer, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    hub_server.add(
        REPOSITORY,
        {"tiny-Q4_0.gguf": GGUF, "README.md": b"# Tiny", "parts/tiny-Q8_0.gguf": GGUF + b"x"},
        licence="apache-2.0",
        downloads=500,
        likes=7,
        tags=["conversational", "en"],
    )
    hub_server.add("someone/safe", {"model.safetensors": b"s"}, downloads=9000)
    return hub_server


@pytest_asyncio.fixture
async def hub(network: Network, server: HubServer) -> AsyncIterator[Hub]:
    network.settings.set("network.hub", server.endpoint)
    http = Http(network.settings, connect_seconds=2, stall_seconds=2)
    yield Hub(network.gate, network.settings, http, environ={})
    await http.close()


async def fails(awaitable: Any, code: str = FailureCode.NETWORK_FAILED) -> SamovarError:
    with pytest.raises(SamovarError) as caught:
        await awaitable
    assert caught.value.code == code, caught.value
    assert caught.value.hint
    return caught.value


async def test_a_model_with_size_and_digest_of_each_file(hub: Hub, server: HubServer, network: Network) -> None:
    model = await hub.model(REPOSITORY, **ASKED)
    assert model.repository == REPOSITORY
    assert model.commit == server.repositories[REPOSITORY].commit
    assert (model.gated, model.downloads, model.likes, model.licence) == (False, 500, 7, "apache-2.0")
    assert model.updated_at == 1767323045.0
    assert "conversational" in model.tags
    files = {file.path: (file.size_bytes, file.sha256) for file in model.files}
    assert files["tiny-Q4_0.gguf"] == (len(GGUF), SHA256)
    assert files["README.md"] == (6, None)
    assert files["parts/tiny-Q8_0.gguf"][0] == len(GGUF) + 1
    row = await network.only_row()
    assert (row.purpose, row.host, row.requester, row.outcome) == ("catalog", "127.0.0.1", "samovar search", "ok")
    assert row.bytes_received is not None
    assert row.bytes_received > 500
    assert row.bytes_sent
    assert row.detail == REPOSITORY


async def test_search_finds_gguf_only_in_the_order_asked_for(hub: Hub, server: HubServer, network: Network) -> None:
    server.add("else/tiny-two-GGUF", {"a.gguf": b"a"}, downloads=900, likes=1, updated_at="2020-01-01T00:00:00.000Z")
    found = await hub.search("tiny", **ASKED)
    assert [model.repository for model in found] == ["else/tiny-two-GGUF", REPOSITORY]
    assert (found[1].downloads, found[1].licence, found[1].files) == (500, "apache-2.0", [])
    assert (await hub.search("tiny", sort="likes", **ASKED))[0].repository == REPOSITORY
    assert (await hub.search("tiny", sort="updated", **ASKED))[0].repository == REPOSITORY
    assert len(await hub.search(sort="trending", limit=1, **ASKED)) == 1
    assert await hub.search("nothing is called this", **ASKED) == []
    assert {row.purpose for row in await network.store.journal.ls()} == {"search"}
    assert all(seen.query["filter"] == "gguf" for seen in server.seen)


async def test_nothing_is_asked_that_nobody_asked_for(hub: Hub, server: HubServer) -> None:
    await hub.search("tiny", **ASKED)
    await hub.model(REPOSITORY, **ASKED)
    assert [seen.path for seen in server.seen] == ["/api/models", f"/api/models/{REPOSITORY}/revision/main"]
    assert all(set(seen.headers) <= {"host", "user-agent", "accept", "accept-encoding"} for seen in server.seen)


def test_importing_and_asking_connects_to_the_configured_hub_only(server: HubServer, tmp_path: Path) -> None:
    """In a fresh process, with every connection and every look-up of a name watched from inside."""
    script = """
import asyncio, json, socket, sys
watched, threads = [], []
def watch(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        watched.append([event, repr(arguments[1])])
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        watched.append([event, str(arguments[0])])
    elif event in ("subprocess.Popen", "os.posix_spawn", "os.exec"):
        watched.append([event, str(arguments[0])])
sys.addaudithook(watch)
from pathlib import Path
from samovar_agent.events import EventBus
from samovar_agent.network.connectivity import Connectivity
from samovar_agent.network.gate import Gate
from samovar_agent.network.hub import Hub
from samovar_agent.network.http import Http
from samovar_agent.settings import SettingsFile
from samovar_agent.store.store import Store

class Plugged(Connectivity):
    def connected(self):
        return True

async def main():
    home = Path(sys.argv[1])
    settings = SettingsFile(home / "config.toml", environ={"HF_ENDPOINT": sys.argv[2]})
    store = await Store.open(home / "samovar.db")
    http = Http(settings)
    hub = Hub(Gate(settings, store, Plugged(), EventBus()), settings, http)
    assert "huggingface_hub" not in sys.modules, "imported when needed"
    found = await hub.search("tiny", requester="t", asked=True)
    model = await hub.model("someone/tiny-GGUF", requester="t", asked=True)
    assert len(found) == 1 and len(model.files) == 3
    import huggingface_hub
    try:
        huggingface_hub.HfApi(endpoint="http://127.0.0.1:1").model_info("x/y")
    except PermissionError as error:
        print("refused", error, file=sys.stderr)
    else:
        raise AssertionError("whoever else uses the library must not get out")
    await http.close()
    await store.close()
    print(json.dumps(watched))
asyncio.run(main())
"""
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), server.endpoint],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:2"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    port = int(server.endpoint.rpartition(":")[2])
    watched = json.loads(run.stdout)
    assert watched, "the hook sees what happens"
    assert {tuple(entry) for entry in watched} == {("socket.connect", repr(("127.0.0.1", port)))}
    assert "refused" in run.stderr


async def test_the_token_goes_to_the_hub_and_no_other_host(network: Network, server: HubServer, tmp_path: Path) -> None:
    network.settings.set("network.hub", server.endpoint)
    server.grant("hf_secret")
    server.override[f"/api/models/{REPOSITORY}/revision/main"] = Override(
        status=302, headers={"Location": f"{server.files_endpoint}/elsewhere"}
    )
    http = Http(network.settings)
    hub = Hub(network.gate, network.settings, http, environ={"HF_TOKEN": " hf_secret\n"})
    await fails(hub.model(REPOSITORY, **ASKED), FailureCode.GATED)
    first, second = server.seen
    assert (first.host, first.authorization) == ("hub", "Bearer hf_secret")
    assert (second.host, second.authorization) == ("files", None)
    assert "hf_secret" not in str(second)
    await http.close()


async def test_a_next_page_on_another_host_is_not_asked_for(network: Network, server: HubServer) -> None:
    network.settings.set("network.hub", server.endpoint)
    server.grant("hf_secret")
    server.override["/api/models"] = Override(
        body=b"[]",
        headers={"Link": f'<{server.files_endpoint}/api/models>; rel="next"', "Content-Type": "application/json"},
    )
    http = Http(network.settings)
    hub = Hub(network.gate, network.settings, http, environ={"HF_TOKEN": "hf_secret"})
    started = time.monotonic()
    await fails(hub.search(**ASKED))
    assert time.monotonic() - started < 5, "the library does not try again and again"
    assert [seen.host for seen in server.seen] == ["hub"]
    await http.close()


async def test_pages_of_our_hub_are_followed(hub: Hub, server: HubServer) -> None:
    server.override["/api/models"] = Override(
        body=json.dumps([{"id": "a/b"}]).encode(),
        headers={"Link": f'<{server.endpoint}/api/models/page2>; rel="next"', "Content-Type": "application/json"},
    )
    server.override["/api/models/page2"] = Override(body=json.dumps([{"id": "c/d"}]).encode())
    assert [model.repository for model in await hub.search(limit=5, **ASKED)] == ["a/b", "c/d"]


def test_tokens_are_found_where_people_have_them(network: Network, tmp_path: Path) -> None:
    def token(**environ: str) -> str | None:
        return Hub(network.gate, network.settings, environ=environ).token

    cache = tmp_path / "huggingface"
    cache.mkdir()
    (cache / "token").write_text("hf_file\n")
    assert token(XDG_CACHE_HOME=str(tmp_path)) == "hf_file"
    assert token(HF_HOME=str(cache)) == "hf_file"
    assert token(HF_TOKEN_PATH=str(cache / "token")) == "hf_file"
    assert token(HF_HOME=str(cache), HF_TOKEN="hf_environ") == "hf_environ"
    assert token(HF_HOME=str(cache), HF_HUB_DISABLE_IMPLICIT_TOKEN="1") is None
    assert token(HF_HOME=str(tmp_path / "nowhere")) is None
    assert token(HF_HOME=str(tmp_path), HF_TOKEN="two words\r\nX-Evil: 1") is None
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    assert token(HF_HOME=str(tmp_path)) is None


@pytest.mark.parametrize(
    ("repository", "token", "code", "words"),
    [
        ("no/such", None, FailureCode.NOT_FOUND, "no/such"),
        ("no/such", "hf_known", FailureCode.NOT_FOUND, "no/such"),
        ("me/private", None, FailureCode.NOT_FOUND, "private"),
        ("me/private", "hf_wrong", FailureCode.GATED, "HF_TOKEN"),
        ("someone", None, FailureCode.BAD_REQUEST, "someone"),
        ("a/b/c", None, FailureCode.BAD_REQUEST, "a/b/c"),
        ("../../etc", None, FailureCode.BAD_REQUEST, "etc"),
        ("a/b?x=1", None, FailureCode.BAD_REQUEST, "a/b"),
        ("a\\b/c", None, FailureCode.BAD_REQUEST, "c"),
        ("a/b\n", None, FailureCode.BAD_REQUEST, "a/b"),
        ("а/b", None, FailureCode.BAD_REQUEST, "/b"),  # a Cyrillic letter
        ("a/b\x00", None, FailureCode.BAD_REQUEST, "a/b"),
        ("", None, FailureCode.BAD_REQUEST, "repository"),
    ],
)
async def test_what_cannot_be_had_says_why(
    network: Network, server: HubServer, repository: str, token: str | None, code: str, words: str
) -> None:
    network.settings.set("network.hub", server.endpoint)
    server.add("me/private", {"a.gguf": b"1"}, private=True)
    server.grant("hf_known")
    http = Http(network.settings)
    hub = Hub(network.gate, network.settings, http, environ={"HF_TOKEN": token} if token else {})
    error = await fails(hub.model(repository, **ASKED), code)
    assert words in error.failure.message
    await http.close()


async def test_a_gated_model_is_shown_as_such(hub: Hub, server: HubServer) -> None:
    server.add("some/gated-GGUF", {"a.gguf": b"1"}, gated="manual")
    assert (await hub.model("some/gated-GGUF", **ASKED)).gated


async def test_a_revision_that_is_not_there(hub: Hub, server: HubServer) -> None:
    commit = server.repositories[REPOSITORY].commit
    assert (await hub.model(REPOSITORY, commit, **ASKED)).commit == commit
    error = await fails(hub.model(REPOSITORY, "v9", **ASKED), FailureCode.NOT_FOUND)
    assert "revision" in error.failure.message


async def test_too_many_requests_say_when_to_come_back_and_are_not_repeated(hub: Hub, server: HubServer) -> None:
    server.limit(times=9, retry_after=17)
    error = await fails(hub.search(**ASKED))
    assert error.failure.details["retry_after_seconds"] == 17
    assert len(server.seen) == 1, "the library's own retries would hold up whoever waits"


async def test_a_hub_in_trouble_is_not_pressed(hub: Hub, server: HubServer) -> None:
    server.override["/api/models"] = Override(status=503, headers={"Retry-After": "5"})
    error = await fails(hub.search(**ASKED))
    assert error.failure.details == {"status": 503, "host": "127.0.0.1", "retry_after_seconds": 5.0}
    assert len(server.seen) == 1


async def test_the_login_page_of_a_hotel(hub: Hub, server: HubServer) -> None:
    server.captive_portal = True
    for question in (hub.search(**ASKED), hub.model(REPOSITORY, **ASKED)):
        error = await fails(question)
        assert "web page" in error.failure.message
        assert "log in" in error.hint


async def test_a_hub_that_is_silent(hub: Hub, server: HubServer) -> None:
    server.dead = True
    hub._http._stall_seconds = hub._http._connect_seconds = 0.2
    started = time.monotonic()
    await fails(hub.search(**ASKED))
    assert time.monotonic() - started < 10


def model_json(**changes: object) -> bytes:
    file = {"rfilename": "a.gguf", "size": 5, "lfs": {"sha256": "a" * 64, "size": 5, "pointerSize": 1}}
    return json.dumps({"id": "a/b", "sha": "c" * 40, "tags": [], "siblings": [file]} | changes).encode()


def sibling(**changes: object) -> list[dict[str, object]]:
    return [{"rfilename": "a.gguf", "size": 5, "lfs": {"sha256": "a" * 64, "size": 5, "pointerSize": 1}} | changes]


def lfs(**changes: object) -> list[dict[str, object]]:
    return sibling(lfs={"sha256": "a" * 64, "size": 5, "pointerSize": 1} | changes)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"{",
        b'"text"',
        b"\xff\xfe",
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b"[" + b"1," * 100 + b"1]",
        model_json(id=None),
        model_json(id="../../x"),
        model_json(id=["a/b"]),
        model_json(sha="../x"),
        model_json(downloads="many"),
        model_json(downloads=-1),
        model_json(likes=1.5),
        model_json(tags="text"),
        model_json(tags=[1]),
        model_json(tags=["x" * 1000]),
        model_json(tags=["x"] * 3000),
        model_json(tags=["license:" + "x" * 300]),
        model_json(lastModified="yesterday"),
        model_json(lastModified=5),
        model_json(lastModified="0001-01-01T00:00:00.000Z"),
        model_json(siblings="files"),
        model_json(siblings={"rfilename": "x"}),
        model_json(siblings=[None]),
        model_json(siblings=[{}]),
        model_json(siblings=sibling(size="5", lfs=None)),
        model_json(siblings=sibling(size=-5, lfs=None)),
        model_json(siblings=lfs(size=-1)),
        model_json(siblings=lfs(size="5")),
        model_json(siblings=lfs(size=1e30)),
        model_json(siblings=lfs(sha256="a" * 63)),
        model_json(siblings=lfs(sha256="a" * 65)),
        model_json(siblings=lfs(sha256="../" + "a" * 61)),
        model_json(siblings=lfs(sha256="A" * 64)),
        model_json(siblings=lfs(sha256="a" * 63 + "\x00")),
        model_json(siblings=lfs(sha256="a" * 64 + "\n")),
        model_json(siblings=lfs(sha256=None)),
        model_json(siblings=lfs(sha256=5)),
    ],
)
async def test_answers_that_make_no_sense(hub: Hub, server: HubServer, body: bytes) -> None:
    server.override["/api/models/a/b/revision/main"] = Override(body=body)
    await fails(hub.model("a/b", **ASKED))


async def test_a_sound_answer_of_this_form_is_taken(hub: Hub, server: HubServer) -> None:
    server.override["/api/models/a/b/revision/main"] = Override(body=model_json())
    (file,) = (await hub.model("a/b", **ASKED)).files
    assert (file.path, file.size_bytes, file.sha256) == ("a.gguf", 5, "a" * 64)


@pytest.mark.parametrize(
    "path",
    [
        "../a.gguf",
        "a/../../b.gguf",
        "/etc/x.gguf",
        "a\\b.gguf",
        "a\x00.gguf",
        "a//b.gguf",
        "./a.gguf",
        "",
        "x" * 1001,
        5,
    ],
)
async def test_files_with_names_that_lead_elsewhere_are_left_out(hub: Hub, server: HubServer, path: object) -> None:
    server.override["/api/models/a/b/revision/main"] = Override(
        body=model_json(siblings=[*sibling(rfilename=path), *sibling()])
    )
    assert [file.path for file in (await hub.model("a/b", **ASKED)).files] == ["a.gguf"]


@pytest.mark.parametrize("announced", [True, False])
async def test_an_answer_of_a_hundred_megabytes_is_refused_unread(
    hub: Hub, server: HubServer, network: Network, announced: bool
) -> None:
    if announced:
        server.override["/api/models"] = Override(body=b"[" * 20_000_000)
    else:
        server.override["/api/models"] = Override(body=b"[" * 65_536, endless=True)
    error = await fails(hub.search(**ASKED))
    assert "4,000,000" in error.failure.message
    row = await network.only_row()
    assert row.bytes_received is not None
    assert row.bytes_received < 4_500_000


async def test_the_policy_decides(hub: Hub, server: HubServer, network: Network) -> None:
    network.set_policy("offline")
    await fails(hub.search(**ASKED), FailureCode.NETWORK_OFFLINE)
    network.set_policy("ask")
    await fails(hub.search(requester="scheduler", asked=False), FailureCode.NETWORK_OFFLINE)
    assert server.seen == []
    await hub.search(**ASKED)
    assert len(server.seen) == 1


async def test_going_offline_cuts_a_question_that_runs(hub: Hub, server: HubServer, network: Network) -> None:
    server.dead = True
    task = asyncio.create_task(fails(hub.search(**ASKED), FailureCode.NETWORK_OFFLINE))
    async with asyncio.timeout(10):
        while not server.seen:
            await asyncio.sleep(0.01)
    started = time.monotonic()
    network.set_policy("offline")
    await asyncio.wait_for(task, 5)
    assert time.monotonic() - started < 1
    assert (await network.only_row()).outcome == "failed: Samovar is set to work offline."


async def test_who_no_longer_wants_the_answer_leaves_at_once(hub: Hub, server: HubServer, network: Network) -> None:
    server.dead = True
    task = asyncio.create_task(hub.search(**ASKED))
    async with asyncio.timeout(10):
        while not server.seen:
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 1)
    assert (await network.only_row()).outcome == "cancelled"


async def test_questions_at_the_same_time_do_not_mix(hub: Hub, server: HubServer, network: Network) -> None:
    for number in range(10):
        server.add(f"user/model-{number}", {f"{number}.gguf": b"x" * number})
    models = await asyncio.gather(*(hub.model(f"user/model-{number}", **ASKED) for number in range(10)))
    assert [model.files[0].path for model in models] == [f"{number}.gguf" for number in range(10)]
    assert len(await network.store.journal.ls()) == 10


async def test_many_questions_take_turns_and_people_do_not_wait_for_the_scheduler(
    hub: Hub, server: HubServer, network: Network
) -> None:
    server.dead = True
    unasked = [asyncio.create_task(fails(hub.search(requester="s", asked=False), OFFLINE)) for _ in range(5)]
    async with asyncio.timeout(10):
        while not server.seen:
            await asyncio.sleep(0.01)
    asked = [asyncio.create_task(fails(hub.search(**ASKED), OFFLINE)) for _ in range(9)]
    async with asyncio.timeout(10):
        while len(server.seen) < 5:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    assert len(server.seen) == 5, "one unasked, four asked"
    network.set_policy("offline")
    await asyncio.wait_for(asyncio.gather(*unasked, *asked), 5)
    assert len(server.seen) == 5


async def test_a_mirror_below_a_path(network: Network, server: HubServer) -> None:
    network.settings.set("network.hub", f"{server.endpoint}/mirrors/hub/")
    server.override["/mirrors/hub/api/models"] = Override(body=json.dumps([{"id": "a/b"}]).encode())
    http = Http(network.settings)
    hub = Hub(network.gate, network.settings, http, environ={})
    assert [model.repository for model in await hub.search(**ASKED)] == ["a/b"]
    assert hub.address("a/b", "d/x y.gguf", "refs/pr/1") == (
        f"{server.endpoint}/mirrors/hub/a/b/resolve/refs%2Fpr%2F1/d/x%20y.gguf"
    )
    await http.close()


@pytest.mark.parametrize(
    "address", ["", "hub.example", "ftp://hub.example", "file:///etc", "http://", "https://h/?x=1"]
)
async def test_an_address_that_is_none(network: Network, address: str) -> None:
    network.settings.set("network.hub", address)
    hub = Hub(network.gate, network.settings, environ={})
    await fails(hub.search(**ASKED), FailureCode.SETTING_INVALID)
    assert await network.store.journal.ls() == []


@pytest.mark.parametrize("user", ["me:secret@", "secret@", ":secret@", "me%40x:secret@", "@"])
async def test_an_address_with_a_password_in_it(network: Network, server: HubServer, user: str) -> None:
    network.settings.set("network.hub", server.endpoint.replace("http://", f"http://{user}"))
    hub = Hub(network.gate, network.settings, environ={"HF_TOKEN": "hf_known"})
    for question in (hub.search(**ASKED), hub.model(REPOSITORY, **ASKED)):
        error = await fails(question, FailureCode.SETTING_INVALID)
        assert "password" in error.failure.message
        assert "HF_TOKEN" in error.hint
        assert "secret" not in str(error)
    with pytest.raises(SamovarError, match="password"):
        hub.address(REPOSITORY, "tiny-Q4_0.gguf")
    assert (server.seen, await network.store.journal.ls()) == ([], [])
