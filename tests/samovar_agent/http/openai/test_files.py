"""`/v1/files`, judged by the official client."""

import asyncio
import errno
import functools
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest

from samovar_agent.documents.uploaded_files import UploadedFiles
from samovar_agent.http.openai import file_upload, upload_routes
from tests.samovar_agent.http.conftest import Agent, Browser
from tests.samovar_agent.http.fake_documents import FakeDocuments

PATH = "/v1/files"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "files"


def form(*parts: tuple[str, Any, dict[str, Any]]) -> aiohttp.FormData:
    data = aiohttp.FormData(default_to_multipart=True)
    for name, value, options in parts:
        data.add_field(name, value, **options)
    return data


def upload(data: bytes = b"tea", name: str = "tea.txt", purpose: str = "assistants") -> aiohttp.FormData:
    return form(("file", data, {"filename": name}), ("purpose", purpose, {}))


def kept(folder: Path) -> list[str]:
    """Every file that lies there."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def test_a_file_from_its_upload_to_its_end(client: openai.AsyncOpenAI, folder: Path) -> None:
    data = os.urandom(3_000_000)
    file = await client.files.create(file=("Jahresbericht ü.pdf", data), purpose="assistants")
    assert (file.id, file.bytes, file.filename) == ("file-1", len(data), "Jahresbericht ü.pdf")
    assert (file.purpose, file.status, file.object) == ("assistants", "processed", "file")
    assert kept(folder) == ["1/Jahresbericht ü.pdf"]
    assert (await client.files.retrieve(file.id)) == file
    content = await client.files.content(file.id)
    assert content.content == data
    # A page of somebody's making must not run as one of ours.
    assert content.response.headers["content-type"] == "application/octet-stream"
    assert content.response.headers["content-disposition"] == "attachment"
    deleted = await client.files.delete(file.id)
    assert (deleted.id, deleted.deleted) == (file.id, True)
    assert kept(folder) == []
    for call in (client.files.retrieve, client.files.delete, client.files.content):
        with pytest.raises(openai.NotFoundError):
            await call(file.id)


async def test_ids_are_never_used_twice(client: openai.AsyncOpenAI) -> None:
    first = await client.files.create(file=b"1", purpose="user_data")
    await client.files.delete(first.id)
    assert (await client.files.create(file=b"2", purpose="user_data")).id != first.id


async def test_the_list_in_portions(client: openai.AsyncOpenAI) -> None:
    for number in range(5):
        await client.files.create(
            file=(f"{number}.txt", b"x"), purpose="assistants" if number % 2 == 0 else "user_data"
        )
    assert [file.filename async for file in client.files.list(limit=2)] == [f"{n}.txt" for n in (4, 3, 2, 1, 0)]
    page = await client.files.list(limit=2, order="asc", after="file-1")
    assert [file.id for file in page.data] == ["file-2", "file-3"]
    assert page.has_more
    assert not (await client.files.list(limit=2, order="asc", after="file-3")).has_more
    assert [file.id async for file in client.files.list(purpose="user_data")] == ["file-4", "file-2"]
    assert [file.id async for file in client.files.list(purpose="fine-tune")] == []


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/passwd", "..", "C:\\x.txt", "a\u200bb", "CON", "a" * 300, "x:y", "a/b"]
)
async def test_names_that_are_paths(
    agent: Agent, browser: Browser, documents: FakeDocuments, folder: Path, name: str
) -> None:
    head = f'Content-Disposition: form-data; name="file"; filename="{name}"'.replace("\\", "\\\\").encode()
    body = b"--B\r\n" + head + b"\r\n\r\nx\r\n--B--\r\n"
    answer = await browser.ask("POST", PATH, data=body, headers={"Content-Type": "multipart/form-data; boundary=B"})
    assert (answer.status, answer.error["code"]) == (400, "path_refused")
    assert kept(folder) == []


@pytest.mark.parametrize(
    ("parts", "param"),
    [
        ([("purpose", "assistants", {})], "file"),
        ([("file", b"x", {"filename": "x"})], "purpose"),
        ([("file", "x", {}), ("purpose", "assistants", {})], "file"),
        ([("file", "x", {"filename": ""}), ("purpose", "assistants", {})], "file"),
        ([("purpose", "fine-tune", {}), ("file", b"x", {"filename": "x"})], "purpose"),
        ([("purpose", "a" * 100_000, {}), ("file", b"x", {"filename": "x"})], "purpose"),
        ([("purpose", "assistants", {}), ("purpose", "assistants", {})], "purpose"),
        ([("file", b"x", {"filename": "x"}), ("file", b"x", {"filename": "y"})], "file"),
        ([("file", b"x", {"filename": "x"}), ("purpose", "assistants", {}), ("more", "x", {})], None),
        ([("file", b"x", {"filename": "x"}), ("expires_after[seconds]", "3600", {})], "expires_after"),
    ],
)
async def test_forms_that_are_refused(
    agent: Agent, browser: Browser, documents: FakeDocuments, folder: Path, parts: list[Any], param: str | None
) -> None:
    answer = await browser.ask("POST", PATH, data=form(*parts))
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "bad_request", param)
    assert kept(folder) == []
    assert (await browser.ask("GET", PATH)).json()["data"] == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"--B\r\n",
        b"--B\r\nContent-Disposition: form-data; name=file; filename=x\r\n\r\nhalf of it",
        b"--B\r\nContent-Disposition: form-data; name=file; filename=x\r\nX: "
        + b"y" * 100_000
        + b"\r\n\r\nx\r\n--B--\r\n",
        b"--B\r\nContent-Disposition: form-data; name=file; filename=x\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        b"eA==\r\n--B--\r\n",
        b"--B\r\nContent-Disposition: form-data; name=purpose\r\n\r\n\xff\r\n--B--\r\n",
        b"--B\r\nno header at all\r\n\r\nx\r\n--B--\r\n",
        b"--B\r\n\r\nx\r\n--B--\r\n",
        b"--B\r\nContent-Type: multipart/mixed; boundary=C\r\n\r\n--C\r\n\r\nx\r\n--C--\r\n--B--\r\n",
    ],
)
async def test_broken_forms(
    agent: Agent, browser: Browser, documents: FakeDocuments, folder: Path, body: bytes
) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    answer = await browser.ask("POST", PATH, data=body, headers=headers)
    assert (answer.status, answer.error["code"]) == (400, "bad_request")
    assert kept(folder) == []


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=" + "x" * 71])
async def test_forms_without_a_boundary(agent: Agent, browser: Browser, documents: FakeDocuments, kind: str) -> None:
    answer = await browser.ask("POST", PATH, data=b"--B--", headers={"Content-Type": kind})
    assert (answer.status, answer.error["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=10001", "limit=x", "order=up", "after=7", "after=file-x", "x=1", "limit=1&limit=2"]
)
async def test_parameters_that_are_refused(
    agent: Agent, browser: Browser, documents: FakeDocuments, query: str
) -> None:
    answer = await browser.ask("GET", f"{PATH}?{query}")
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "bad_request", query.partition("=")[0])


@pytest.mark.parametrize("id_", ["file-7", "file-", "7", "file--1", "file-" + "9" * 40, "file-%00", "file-x", "..%2f1"])
async def test_unknown_files(agent: Agent, browser: Browser, documents: FakeDocuments, id_: str) -> None:
    for method, path in (("GET", id_), ("DELETE", id_), ("GET", f"{id_}/content")):
        answer = await browser.ask(method, f"{PATH}/{path}")
        assert (answer.status, answer.error["code"]) == (404, "not_found")


async def test_a_file_that_is_too_large(
    idle_agent: Agent, browser: Browser, documents: FakeDocuments, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_routes, "UploadedFiles", functools.partial(UploadedFiles, most_bytes=1_000_000))
    await idle_agent.start()

    async def unannounced() -> AsyncIterator[bytes]:
        yield bytes(2_000_000)

    for data in (bytes(2_000_000), unannounced()):
        answer = await browser.ask(
            "POST", PATH, data=form(("purpose", "assistants", {}), ("file", data, {"filename": "x"}))
        )
        assert (answer.status, answer.error["code"]) == (413, "too_large")
        assert kept(folder) == []
    assert (await browser.ask("POST", PATH, data=upload(bytes(1_000_000)))).status == 200


async def begin_upload(agent: Agent) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client that has sent a part of its file."""
    reader, writer = await asyncio.open_connection("127.0.0.1", agent.port)
    writer.write(
        b"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=B\r\n"
        b"Content-Length: 10000000\r\n\r\n"
        b"--B\r\nContent-Disposition: form-data; name=file; filename=x.txt\r\n\r\n" + bytes(500_000)
    )
    await writer.drain()
    return reader, writer


async def test_a_client_that_goes_away_leaves_nothing_behind(
    agent: Agent, documents: FakeDocuments, folder: Path, until: Any
) -> None:
    _, writer = await begin_upload(agent)
    await until(lambda: bool(kept(folder)))
    writer.transport.abort()
    await until(lambda: not kept(folder))


async def test_a_client_that_stops_sending_is_told_and_leaves_nothing_behind(
    agent: Agent, documents: FakeDocuments, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_upload, "STALLED_SECONDS", 0.2)
    reader, writer = await begin_upload(agent)
    async with asyncio.timeout(10):
        assert b" 408 " in await reader.readline()
    writer.close()
    assert kept(folder) == []


async def test_a_shutdown_ends_an_upload(agent: Agent, documents: FakeDocuments, folder: Path, until: Any) -> None:
    reader, writer = await begin_upload(agent)
    await until(lambda: bool(kept(folder)))
    await agent.server.stop()
    async with asyncio.timeout(10):
        assert b" 503 " in await reader.readline()
    writer.close()
    await until(lambda: not kept(folder))  # by a thread, which may be a moment behind


async def test_a_full_disk(
    agent: Agent, browser: Browser, documents: FakeDocuments, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for broken in ("os.fsync", "tempfile.mkstemp", "pathlib.Path.rename"):
        with monkeypatch.context() as patch:
            patch.setattr(broken, full)
            answer = await browser.ask("POST", PATH, data=upload())
        assert (answer.status, answer.error["code"]) == (507, "disk_full")
        assert "Free some room" in answer.error["message"]
        assert answer.headers["x-should-retry"] == "false"
        assert kept(folder) == []
        assert (await browser.ask("GET", PATH)).json()["data"] == []
    assert (await browser.ask("POST", PATH, data=upload())).status == 200


async def test_what_an_agent_that_died_left_behind_goes(
    agent: Agent, browser: Browser, documents: FakeDocuments, folder: Path
) -> None:
    for name in ("incoming/half", "9/deleted.txt"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(b"x")
    assert (await browser.ask("POST", PATH, data=upload())).status == 200
    assert kept(folder) == ["1/tea.txt"]


async def test_a_file_that_somebody_removed(
    agent: Agent, browser: Browser, documents: FakeDocuments, folder: Path
) -> None:
    await browser.ask("POST", PATH, data=upload())
    (folder / "1" / "tea.txt").unlink()
    answer = await browser.ask("GET", f"{PATH}/file-1/content")
    assert (answer.status, answer.error["code"]) == (404, "not_found")


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
async def test_only_forms_are_taken(agent: Agent, browser: Browser, documents: FakeDocuments, kind: str) -> None:
    assert (await browser.ask("POST", PATH, data=b"{}", headers={"Content-Type": kind})).status == 415


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "evil.example"},
    ],
)
async def test_a_page_that_nobody_allowed_uploads_nothing(
    agent: Agent, browser: Browser, documents: FakeDocuments, folder: Path, headers: dict[str, str]
) -> None:
    answer = await browser.ask("POST", PATH, data=upload(), headers=headers)
    assert (answer.status, answer.error["code"]) == (403, "forbidden")
    assert kept(folder) == []


async def test_a_page_that_is_allowed_uploads(agent: Agent, browser: Browser, documents: FakeDocuments) -> None:
    agent.settings.set("server.allowed_origins", ["http://editor.example"])
    headers = {"Origin": "http://editor.example", "Sec-Fetch-Site": "cross-site"}
    assert (await browser.ask("POST", PATH, data=upload(), headers=headers)).status == 200


async def test_tokens_need_the_scope(agent: Agent, browser: Browser, documents: FakeDocuments) -> None:
    agent.settings.set("server.require_token", True)
    for secret, status in ((agent.tokens.add("c", "chat"), 403), (agent.tokens.add("d", "documents"), 200)):
        headers = {"Authorization": f"Bearer {secret}"}
        assert (await browser.ask("POST", PATH, data=upload(), headers=headers)).status == status
        assert (await browser.ask("GET", PATH, headers=headers)).status == status
