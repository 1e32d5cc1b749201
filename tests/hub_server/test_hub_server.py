"""The judge of this hub is the real client: what it can do with the real hub, it must be able to do here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.hub_server import HubServer
from tests.hub_server.fixtures import hub_server as hub_server

SCRIPT = """
import json, sys
from huggingface_hub import HfApi, hf_hub_download

api = HfApi(token=False)
told = {}
told["found"] = [model.id for model in api.list_models(search="tiny", filter="gguf", sort="downloads", limit=1)]
told["pages"] = [model.id for model in api.list_models(limit=None)]
info = api.model_info("someone/tiny-GGUF", files_metadata=True)
told["files"] = {file.rfilename: [file.size, file.lfs and file.lfs.sha256] for file in info.siblings}
told["tree"] = [entry.path for entry in api.list_repo_tree("someone/tiny-GGUF", recursive=True)]
for name in ("tiny.gguf", "config.json"):
    told[name] = open(hf_hub_download("someone/tiny-GGUF", name, cache_dir=sys.argv[1], token=False), "rb").read().hex()
def error(function):
    try:
        function()
    except Exception as error:
        return type(error).__name__
def fetch(repository, name, token=False, revision=None):
    return lambda: hf_hub_download(repository, name, cache_dir=sys.argv[1], token=token, revision=revision)
told["errors"] = [
    error(fetch("some/gated", "a.gguf")),
    error(fetch("some/gated", "a.gguf", "hf_stranger")),
    error(fetch("some/gated", "a.gguf", "hf_friend")),
    error(fetch("no/such", "a.gguf")),
    error(fetch("me/private", "a.gguf")),
    error(fetch("someone/tiny-GGUF", "no.gguf")),
    error(fetch("someone/tiny-GGUF", "tiny.gguf", revision="no-such")),
    error(lambda: api.model_info("no/such")),
]
print(json.dumps(told))
"""


def test_the_real_client_is_at_home_here(hub_server: HubServer, tmp_path: Path) -> None:
    content = bytes(range(256)) * 10
    hub_server.add("someone/tiny-GGUF", {"tiny.gguf": content, "config.json": b"{}", "d/x.gguf": b"x"}, downloads=5)
    hub_server.add("else/tiny", {"a.gguf": b"1"}, downloads=3)
    hub_server.add("some/gated", {"a.gguf": b"secret"}, gated="auto")
    hub_server.add("me/private", {"a.gguf": b"secret"}, private=True)
    hub_server.grant("hf_stranger")
    hub_server.grant("hf_friend", "some/gated")
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        env={
            "HF_ENDPOINT": hub_server.endpoint,
            "HF_HOME": str(tmp_path),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "PATH": "/usr/bin:/bin",
        },
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    file = hub_server.repositories["someone/tiny-GGUF"].file("tiny.gguf")
    assert told["found"] == ["someone/tiny-GGUF"]
    assert told["pages"] == ["someone/tiny-GGUF", "else/tiny", "some/gated"]
    assert told["files"]["tiny.gguf"] == [len(content), file.sha256]
    assert told["files"]["config.json"] == [2, None]
    assert told["tree"] == ["config.json", "d", "d/x.gguf", "tiny.gguf"]
    assert told["tiny.gguf"] == content.hex()
    assert told["config.json"] == b"{}".hex()
    assert told["errors"] == [
        "GatedRepoError",
        "GatedRepoError",
        None,
        "RepositoryNotFoundError",
        "RepositoryNotFoundError",
        "RemoteEntryNotFoundError",
        "RevisionNotFoundError",
        "RepositoryNotFoundError",
    ]
    files = [seen for seen in hub_server.seen if seen.host == "files"]
    assert files
    assert all(seen.authorization is None for seen in files)
    assert hub_server.bytes_sent("tiny.gguf") == len(content)
