"""A model hub on this machine that speaks the real hub's protocol, and misbehaves on demand.

    def test_it(hub_server: HubServer) -> None:
        repository = hub_server.add("someone/tiny-GGUF", {"tiny-Q4_0.gguf": b"GGUF...", "config.json": b"{}"})
        settings = SettingsFile(path, environ={"HF_ENDPOINT": hub_server.endpoint})
        ...
        assert hub_server.seen[-1].path == "/someone/tiny-GGUF/resolve/main/tiny-Q4_0.gguf"

The fixture `hub_server` (in `tests/hub_server/fixtures.py`) starts one for each test; `with HubServer() as hub_server:`
does the same. It runs in a thread, so the agent under test may be this process or another one (give that HF_ENDPOINT).

What it answers, as the real one does:

- `GET /api/models?search=&sort=&limit=&filter=&author=`: search, with a `Link` header to the next page.
- `GET /api/models/{repository}[/revision/{revision}]?blobs=true`: files with size, and LFS size and sha256.
- `GET /api/models/{repository}/tree/{revision}[/{folder}]?recursive=true`
- `HEAD` and `GET /{repository}/resolve/{revision}/{path}`: GGUF and safetensors are LFS files, so the answer has
  `X-Repo-Commit`, `X-Linked-Size`, `X-Linked-Etag` and redirects to a second host, `hub_server.files_endpoint`, with a
  signed address; small files are answered at once. Byte ranges both ways.
- Gated: `hub_server.add(..., gated="auto")`: files are 401 `GatedRepo` without a token, 403 with one without access;
  `hub_server.grant(token)` makes a token known, `hub_server.grant(token, repository)` gives it access. Private and
  missing repositories are 401 without a token and 404 with one. An unknown token is 401 everywhere.
- The second host answers 400 to a request that carries an `Authorization`, as a signed address of a real store does.

Misbehaviour of one file, by `repository.file(path)`, which may be changed at any time:

    file = repository.file("tiny-Q4_0.gguf")
    file.drop_after = 1000          # hang up after so many bytes of each answer; file.drops = 3 only thrice
    file.bytes_per_second = 50_000  # slow
    file.stall_after = 1000         # send so many bytes, then nothing, with the connection open
    file.ignore_ranges = True       # answer 200 and all of it
    file.shift_range = 100          # send bytes of another place than Content-Range says
    file.wrong_content_range = True # Content-Range names another place than was asked for; the bytes are right
    file.flip = 2000                # send this byte damaged; file.flips = 1 only once
    file.say_size = 99              # lie about the size in API and LFS headers
    file.say_sha256 = "0" * 64      # lie about the digest there
    file.content_length = 10        # lie about the length of the answer
    file.redirect_loop = True       # resolve redirects to itself, by way of the second host
    file.redirect_to = "http://..." # resolve redirects there
    file.status, file.times, file.headers = 429, 2, {"Retry-After": "1"}  # answer so, so many times (None: always)
    file.content = b"..."           # another file under the same name from now on, as when a repository is updated

Misbehaviour of the whole server:

    hub_server.limit(times=2, retry_after=1)     # 429 to the next two requests
    hub_server.captive_portal = True             # 200 and a page of HTML, whatever is asked for
    hub_server.answers_after = 0.1               # seconds, as a hub on another continent
    hub_server.dead = True                       # accept, read, and never answer
    hub_server.override["/api/models"] = Override(body=b"[" * 100_000)   # or endless=True, status=500, headers={...}
    hub_server.add_file("/catalog.json", b"{}")  # any file at any address: hub_server.endpoint + "/catalog.json"

What was asked: `hub_server.seen`, a list of `Seen(host, method, path, query, headers, status, bytes_sent)`, with host
"hub" or "files"; `hub_server.bytes_sent(path)` sums what was sent of a file.
"""

from tests.hub_server.files import File
from tests.hub_server.records import Override, Seen
from tests.hub_server.repositories import Repository
from tests.hub_server.server import HubServer

__all__ = ["File", "HubServer", "Override", "Repository", "Seen"]
