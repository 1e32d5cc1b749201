"""The hub itself: two hosts in a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal
from urllib.parse import quote

from aiohttp import web

from tests.hub_server.files import File
from tests.hub_server.records import Override, Seen
from tests.hub_server.repositories import Repository

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_PAGE = "<!DOCTYPE html><html><body><h1>Welcome to the Hotel Wi-Fi</h1>Accept our terms to go on.</body></html>"
_SIGNATURE = "X-Amz-Signature"


class HubServer:
    """See `tests/hub_server`."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.seen: list[Seen] = []
        self.override: dict[str, Override] = {}
        self.captive_portal = False
        self.dead = False
        self.answers_after = 0.0
        self.endpoint = ""
        self.files_endpoint = ""
        self._limited = 0
        self._retry_after = 1
        self._tokens: set[str] = set()
        self._other_files: dict[str, File] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="hub-server", daemon=True)
        self._started = threading.Event()
        self._stop: asyncio.Event

    def __enter__(self) -> HubServer:
        self._thread.start()
        assert self._started.wait(10), "the hub did not start"
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def add(
        self,
        name: str,
        files: Mapping[str, bytes | Path],
        *,
        gated: Literal["auto", "manual", False] = False,
        private: bool = False,
        downloads: int = 0,
        likes: int = 0,
        tags: list[str] | None = None,
        licence: str | None = None,
        updated_at: str = "2026-01-02T03:04:05.000Z",
    ) -> Repository:
        """A repository with these files; one of this name that is there is replaced."""
        repository = Repository(
            name,
            {path: File(path, content) for path, content in files.items()},
            gated=gated,
            private=private,
            downloads=downloads,
            likes=likes,
            tags=list(tags or []),
            licence=licence,
            updated_at=updated_at,
        )
        self.repositories[name] = repository
        return repository

    def add_file(self, path: str, content: bytes | Path) -> File:
        """A file at any address of the first host. - path: with a leading slash."""
        return self._other_files.setdefault(path, File(path, content))

    def grant(self, token: str, repository: str | None = None) -> None:
        """Make a token known, and give it access to a gated or private repository."""
        self._tokens.add(token)
        if repository:
            self.repositories[repository].access.add(token)

    def limit(self, times: int, retry_after: int = 1) -> None:
        """Answer 429 to the next requests."""
        self._limited, self._retry_after = times, retry_after

    def bytes_sent(self, path: str) -> int:
        """What was sent of a file, over all requests. - path: as in the repository, or its sha256."""
        return sum(seen.bytes_sent for seen in self.seen if seen.path.endswith(f"/{path.lstrip('/')}"))

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        runners = []
        hosts: list[tuple[Literal["hub", "files"], str]] = [("hub", "127.0.0.1"), ("files", "localhost")]
        for host, name in hosts:
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", self._answer_as(host))
            runner = web.AppRunner(app, shutdown_timeout=0, handler_cancellation=True, access_log=None)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            endpoint = f"http://{name}:{runner.addresses[0][1]}"
            if host == "hub":
                self.endpoint = endpoint
            else:
                self.files_endpoint = endpoint
            runners.append(runner)
        self._started.set()
        await self._stop.wait()
        for runner in runners:
            await runner.cleanup()

    def _answer_as(self, host: Literal["hub", "files"]) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            headers = {name.lower(): value for name, value in request.headers.items()}
            seen = Seen(host, request.method, request.path, dict(request.query), headers)
            self.seen.append(seen)
            response = await self._misbehaviour(request, seen)
            if response is None:
                response = await (self._hub if host == "hub" else self._store)(request, seen)
            seen.status = response.status
            if isinstance(response, web.Response) and isinstance(response.body, bytes) and request.method != "HEAD":
                seen.bytes_sent = len(response.body)
            return response

        return answer

    async def _misbehaviour(self, request: web.Request, seen: Seen) -> web.StreamResponse | None:
        await asyncio.sleep(self.answers_after)
        while self.dead:
            await asyncio.sleep(0.05)
        if self.captive_portal:
            return web.Response(text=_PAGE, content_type="text/html")
        if override := self.override.get(request.path):
            return await _send_override(request, seen, override)
        if self._limited > 0:
            self._limited -= 1
            return _refuse(
                429,
                "RateLimited",
                "We had to rate limit you.",
                {"Retry-After": str(self._retry_after), "RateLimit": f'"api";r=0;t={self._retry_after}'},
            )
        return None

    async def _hub(self, request: web.Request, seen: Seen) -> web.StreamResponse:
        token = _token(request)
        if token is not None and token not in self._tokens:
            return _refuse(401, None, "Invalid credentials in Authorization header")
        if file := self._other_files.get(request.path):
            return file.refusal() or await file.send(request, seen, {"ETag": f'"{file.sha256}"'})
        parts = request.path.strip("/").split("/")
        match parts:
            case ["api", "models"]:
                return self._search(request, token)
            case ["api", "models", user, name, *rest]:
                return self._model(request, f"{user}/{name}", rest, token)
            case [user, name, "resolve", revision, *path] if path:
                return await self._resolve(request, seen, f"{user}/{name}", revision, "/".join(path), token)
        return _refuse(404, None, "Sorry, we can't find the page you are looking for.")

    def _search(self, request: web.Request, token: str | None) -> web.Response:
        query = request.query
        words = query.get("search", "").lower().split()
        found = [
            repository
            for repository in self.repositories.values()
            if (not repository.private or token in repository.access)
            and all(word in repository.name.lower() for word in words)
            and all(tag in repository.all_tags() for tag in query.getall("filter", []))
            and query.get("author", repository.name.partition("/")[0]) == repository.name.partition("/")[0]
        ]
        key = {"lastModified": "updated_at", "createdAt": "updated_at", "likes": "likes"}.get(
            query.get("sort", ""), "downloads"
        )
        found.sort(key=lambda repository: getattr(repository, key), reverse=True)
        skip, limit = int(query.get("cursor", 0)), min(int(query.get("limit", 1000)), 1000)
        headers = {}
        if skip + limit < len(found):
            following = request.url.update_query(cursor=skip + limit)
            headers["Link"] = f'<{self.endpoint}{following.path_qs}>; rel="next"'
        expand = query.getall("expand", [])
        return _json([repository.summary(expand) for repository in found[skip : skip + limit]], headers)

    def _model(self, request: web.Request, name: str, rest: list[str], token: str | None) -> web.Response:
        repository = self.repositories.get(name)
        if repository is None or (repository.private and token not in repository.access):
            return _missing_repository(token)
        match rest:
            case []:
                revision, folder, tree = "main", "", False
            case ["revision", revision]:
                folder, tree = "", False
            case ["tree", revision, *folders]:
                folder, tree = "/".join(folders), True
            case _:
                return _refuse(404, None, "Sorry, we can't find the page you are looking for.")
        if revision not in ("main", repository.commit):
            return _refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if tree:
            entries = repository.tree(folder, recursive=request.query.get("recursive", "").lower() in ("true", "1"))
            if entries is None:
                return _refuse(404, "EntryNotFound", f"{folder} does not exist on {revision}")
            return _json(entries)
        return _json(repository.details(blobs=request.query.get("blobs", "").lower() in ("true", "1")))

    async def _resolve(
        self, request: web.Request, seen: Seen, name: str, revision: str, path: str, token: str | None
    ) -> web.StreamResponse:
        repository = self.repositories.get(name)
        if repository is None or (repository.private and token not in repository.access):
            return _missing_repository(token)
        commit = {"X-Repo-Commit": repository.commit}
        if revision not in ("main", repository.commit):
            return _refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if repository.gated and token not in repository.access:
            message = f"Access to model {name} is restricted. " + (
                "You must have access to it and be authenticated to access it. Please log in."
                if token is None
                else "You are not in the authorized list. Visit the model's page to ask for access."
            )
            return _refuse(401 if token is None else 403, "GatedRepo", message, commit)
        file = repository.files.get(path)
        if file is None:
            return _refuse(404, "EntryNotFound", "Entry not found", commit)
        if refusal := file.refusal():
            return refusal
        if file.redirect_to or file.redirect_loop:
            back = f"{self.files_endpoint}/back{request.path}"
            return web.Response(status=302, headers={**commit, "Location": file.redirect_to or back})
        if not file.is_lfs:
            return await file.send(request, seen, {**commit, "ETag": f'"{file.sha256[:40]}"'})
        address = f"{self.files_endpoint}/{name}/{file.sha256}/{quote(path)}?{_SIGNATURE}=1"
        linked = {"X-Linked-Size": str(file.said_size), "X-Linked-Etag": f'"{file.said_sha256}"'}
        headers = {**commit, **linked, "Location": address, "Accept-Ranges": "bytes", "Vary": "Origin, Accept"}
        return web.Response(status=302, headers=headers, text=f"Found. Redirecting to {address}")

    async def _store(self, request: web.Request, seen: Seen) -> web.StreamResponse:
        if request.path.startswith("/back/"):
            return web.Response(status=302, headers={"Location": self.endpoint + request.path.removeprefix("/back")})
        if "Authorization" in request.headers:
            return web.Response(status=400, text="<Error><Code>InvalidArgument</Code></Error>", content_type="text/xml")
        match request.path.strip("/").split("/"):
            case [user, name, digest, *path] if _SIGNATURE in request.query:
                repository = self.repositories.get(f"{user}/{name}")
                file = repository.files.get("/".join(path)) if repository else None
                if file and file.sha256 == digest:
                    return await file.send(request, seen, {"ETag": f'"{file.said_sha256}"'})
        return web.Response(status=403, text="<Error><Code>AccessDenied</Code></Error>", content_type="text/xml")


async def _send_override(request: web.Request, seen: Seen, override: Override) -> web.StreamResponse:
    if not override.endless:
        return web.Response(status=override.status, headers=override.headers, body=override.body)
    response = web.StreamResponse(status=override.status, headers=override.headers)
    await response.prepare(request)
    while True:
        await response.write(override.body)
        seen.bytes_sent += len(override.body)


def _token(request: web.Request) -> str | None:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if kind == "Bearer" else None


def _json(value: object, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(text=json.dumps(value), content_type="application/json", headers=headers)


def _refuse(status: int, code: str | None, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    told = {"X-Error-Message": message, **(headers or {})}
    if code:
        told["X-Error-Code"] = code
    return web.Response(
        status=status, text=json.dumps({"error": message}), content_type="application/json", headers=told
    )


def _missing_repository(token: str | None) -> web.Response:
    return _refuse(401 if token is None else 404, "RepoNotFound", "Repository not found")
