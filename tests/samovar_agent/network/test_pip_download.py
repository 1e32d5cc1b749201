"""What pip says, read from texts as its versions write them."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

from samovar_agent.network import pip_download
from samovar_agent.network.pip_download import hosts, reason
from samovar_protocol import FailureCode, SamovarError

CONNECTED = """\
Looking in indexes: https://me:****@index.example/simple
Getting page https://index.example/simple/p/
Starting new HTTPS connection (1): index.example:443
https://index.example:443 "GET /simple/p/ HTTP/1.1" 200 2483
  Found link https://files.example/p-1.whl (from https://index.example/simple/p/)
Collecting p==1
  Starting new HTTP connection (1): files.example:80
  Starting new HTTPS connection (2): index.example:443
"""


def test_hosts_are_those_that_were_connected_to_in_order() -> None:
    assert hosts(CONNECTED) == ["index.example", "files.example"]


def test_without_a_connection_line_the_first_link_is_better_than_nothing() -> None:
    assert hosts("Looking in indexes: https://me:****@index.example:8443/simple, https://b.example") == [
        "index.example"
    ]


def test_a_file_on_this_machine_has_no_host() -> None:
    assert hosts("Looking in links: /wheels\nProcessing /wheels/p-1.whl\n  Found link file:///wheels/p-1.whl\n") == []
    assert hosts("Ignoring indexes: https://index.example/simple\nProcessing /wheels/p-1.whl\n") == []
    assert hosts("") == []


def test_the_reason_is_the_page_that_failed_before_the_error_that_follows_from_it() -> None:
    output = "Could not fetch URL https://index.example/simple/p/: connection error: refused - skipping\n"
    errors = "WARNING: x\nERROR: Could not find a version\nERROR: No matching distribution found for p==1\n"
    assert reason(output, errors) == "could not fetch https://index.example/simple/p/: connection error: refused"
    assert reason("", errors) == "No matching distribution found for p==1"
    assert reason("", "Traceback\n  somewhere\nKilled\n\n") == "Killed"
    assert reason("", "") == "no reason given"


async def test_without_pip_the_hint_is_the_command_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SamovarError) as caught:
        await pip_download.download("p==1", tmp_path, limit=None, on_change=lambda here, hosts: None)
    assert caught.value.code == FailureCode.NETWORK_FAILED
    assert "-m ensurepip" in caught.value.hint


def test_a_folder_that_pip_removes_meanwhile_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in ("unpacked", 10), ("unpacked/deep", 20), ("kept", 30):
        (tmp_path / "pip" / name).mkdir(parents=True)
        (tmp_path / "pip" / name / "p-1-py3-none-any.whl").write_bytes(bytes(size))
    (tmp_path / "pip" / "kept" / "p.metadata").write_bytes(bytes(90))
    scandir = os.scandir

    def removed_first(path: Any) -> Any:
        if Path(path).name == "unpacked":
            Path(path).rename(tmp_path / "gone")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", removed_first)
    assert pip_download._largest_wheel(tmp_path / "pip") == 30
