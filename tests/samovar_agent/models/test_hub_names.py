"""What a name stands for; and names that nobody who means well would use."""

from __future__ import annotations

from pathlib import Path

import pytest

from samovar_agent.models.hub_names import (
    CatalogName,
    HubName,
    LocalPath,
    WebAddress,
    check_file,
    check_repository,
    parse,
)
from samovar_protocol import FailureCode, SamovarError

HUB = "https://huggingface.co"
REPOSITORY = "bartowski/phi-4-GGUF"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("smollm2-135m", CatalogName("smollm2-135m")),
        (" smollm2-135m@q4_1 ", CatalogName("smollm2-135m", "q4_1")),
        (REPOSITORY, HubName(REPOSITORY)),
        (f"{REPOSITORY}@Q6_K", HubName(REPOSITORY, quantization="Q6_K")),
        (f"{REPOSITORY}:Q6_K", HubName(REPOSITORY, quantization="Q6_K")),
        (f"hf:{REPOSITORY}:Q6_K", HubName(REPOSITORY, quantization="Q6_K")),
        (f"hf:{REPOSITORY}/phi-4-Q6_K.gguf", HubName(REPOSITORY, file="phi-4-Q6_K.gguf")),
        (f"hf.co/{REPOSITORY}:Q6_K", HubName(REPOSITORY, quantization="Q6_K")),
        (f"huggingface.co/{REPOSITORY}", HubName(REPOSITORY)),
        (f"https://huggingface.co/{REPOSITORY}", HubName(REPOSITORY)),
        (f"https://hf.co/{REPOSITORY}/", HubName(REPOSITORY)),
        (f"https://huggingface.co/{REPOSITORY}/tree/main", HubName(REPOSITORY)),
        (f"https://huggingface.co/{REPOSITORY}/tree/main/Q8_0", HubName(REPOSITORY, folder="Q8_0")),
        (
            f"https://huggingface.co/{REPOSITORY}/resolve/main/phi-4-Q6_K.gguf?download=true",
            HubName(REPOSITORY, file="phi-4-Q6_K.gguf"),
        ),
        (
            f"https://huggingface.co/{REPOSITORY}/blob/ab810cf/Q8_0/phi-4-Q8_0-00001-of-00002.gguf",
            HubName(REPOSITORY, "ab810cf", file="Q8_0/phi-4-Q8_0-00001-of-00002.gguf"),
        ),
        (
            f"https://huggingface.co/{REPOSITORY}/resolve/refs%2Fpr%2F1/phi-4-Q6_K.gguf",
            HubName(REPOSITORY, "refs/pr/1", file="phi-4-Q6_K.gguf"),
        ),
        ("https://example.org/m/a%20b.gguf", WebAddress("https://example.org/m/a%20b.gguf", "a b.gguf")),
        ("http://10.0.0.7:8000/x.gguf?t=1", WebAddress("http://10.0.0.7:8000/x.gguf?t=1", "x.gguf")),
        ("/mnt/models/x.gguf", LocalPath(Path("/mnt/models/x.gguf"))),
        ("~/models", LocalPath(Path.home() / "models")),
        ("file:///mnt/my%20models/x.gguf", LocalPath(Path("/mnt/my models/x.gguf"))),
    ],
)
def test_names(name: str, meant: object) -> None:
    assert parse(name, hub=HUB) == meant


@pytest.mark.parametrize("hub", ["http://mirror.lan:8080", "http://mirror.lan:8080/hf/"])
def test_a_mirror_speaks_for_the_hub(hub: str) -> None:
    assert parse(f"{hub.rstrip('/')}/{REPOSITORY}/resolve/main/a.gguf", hub=hub) == HubName(REPOSITORY, file="a.gguf")
    assert parse(f"{hub.rstrip('/')}/{REPOSITORY}", hub=hub) == HubName(REPOSITORY)
    assert isinstance(parse("http://mirror.lan:9/u/r/resolve/main/a.gguf", hub=hub), WebAddress)
    assert parse(f"https://huggingface.co/{REPOSITORY}", hub=hub) == HubName(REPOSITORY)


HOSTILE = [
    "",
    " ",
    "\0",
    "a\0b",
    "x" * 2001,
    "smollm2\u200b",
    "smollm2\u202e",
    "../x",
    "../../etc/passwd",
    "user/..",
    "user/../other",
    "user/.git",
    "-user/repo",
    "user\\repo",
    "..\\..\\x",
    "C:\\models\\x.gguf",
    "\\\\server\\share\\x.gguf",
    f"user/{'r' * 300}",
    "CON/x",
    "user/nul",
    "user/repo.",
    "bartowsk\u0456/phi-4-GGUF",  # a Cyrillic letter
    "user/repo/../../x.gguf",
    "user/repo/resolve/main/../../x.gguf",
    "user/repo/x.exe",
    "user/repo@",
    "datasets/user/repo",
    "https://huggingface.co/user/repo/resolve/main/..%2f..%2fx.gguf",
    "https://huggingface.co/user/repo/resolve/main/a%5cb.gguf",
    "https://huggingface.co/user/repo/resolve/main/%00.gguf",
    "https://huggingface.co/user/repo/resolve/main/nul.gguf",
    "https://huggingface.co/user/repo/resolve/..%2f..%2fmain/a.gguf",
    "https://huggingface.co/user/repo/tree/main/..%2f..",
    "https://huggingface.co/user",
    "https://user:secret@example.org/x.gguf",
    "https:///x.gguf",
    "https://[::1/x.gguf",
    "https://example.org:99999/x.gguf",
    "https://example.org/",
    "https://example.org/x.zip",
    "https://example.org/..%5cx.gguf",
    "https://example.org/%2e%2e%2fx.gguf%00.gguf",
    "ftp://example.org/x.gguf",
    "file://server/share/x.gguf",
    "file:models/x.gguf",
    "~nobody-of-this-name/x.gguf",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused(name: str) -> None:
    with pytest.raises(SamovarError) as caught:
        parse(name, hub=HUB)
    assert caught.value.code in {FailureCode.BAD_REQUEST, FailureCode.PATH_REFUSED}
    assert caught.value.hint
    assert caught.value.failure.message.isprintable()


@pytest.mark.parametrize(
    "path",
    [
        "../x.gguf",
        "a/../x.gguf",
        "/x.gguf",
        "a//x.gguf",
        "a\\x.gguf",
        "C:x.gguf",
        "x.gguf:stream.gguf",
        "x.gguf.",
        "x.GGUF ",
        "con.gguf",
        "a/lpt1/x.gguf",
        "x\n.gguf",
        f"{'x' * 300}.gguf",
        "x.gguf.exe",
        "\uff0e\uff0e/x.gguf",  # full-width dots
        "a\uff3cb.gguf",  # a full-width backslash
        "a\uff0fb.gguf",
        "x\u202efugg.gguf",
        "",
    ],
)
def test_hostile_files_of_a_repository_are_refused(path: str) -> None:
    with pytest.raises(SamovarError) as caught:
        check_file(path)
    assert caught.value.code == FailureCode.PATH_REFUSED


@pytest.mark.parametrize("path", ["x.gguf", "Q8_0/x-Q8_0.gguf", "模型.gguf", "a b (1).gguf"])
def test_other_files_are_not(path: str) -> None:
    assert check_file(path) == path


def test_repositories() -> None:
    assert check_repository("a/b.c_d-e") == "a/b.c_d-e"
    for wrong in ("a", "a/b/c", "a/b\n", "a/..b", "aux/b", "a/b@c", "\u0430/b"):
        with pytest.raises(SamovarError):
            check_repository(wrong)
