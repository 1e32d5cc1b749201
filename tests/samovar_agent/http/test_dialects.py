"""Whose error shape a path has, whatever order they were written in."""

import json

import pytest

from samovar_agent.http import dialects
from samovar_agent.http.dialects import dialect, error_shape
from samovar_protocol import FailureCode, SamovarError

ERROR = SamovarError(FailureCode.NOT_FOUND, "It is not there.", hint="Look elsewhere.")


@pytest.mark.parametrize("path", ["/api/chat", "/api/nothing", "/api/blobs/sha256:00", "/api/"])
def test_ollamas(path: str) -> None:
    assert json.loads(error_shape(path)(ERROR)) == {"error": "It is not there. Look elsewhere."}


@pytest.mark.parametrize("path", ["/v1/models", "/api/samovar/downloads", "/api/samovar/nothing", "/", "/nothing"])
def test_openais_everywhere_else(path: str) -> None:
    assert json.loads(error_shape(path)(ERROR))["error"]["code"] == "not_found"


@pytest.mark.parametrize("path", ["/v1/models", "/v1/files", "/v1/nothing", "/nothing"])
def test_anthropics_header_says_whose_client_it_is(path: str) -> None:
    assert dialect(path, {"anthropic-version"}) == "anthropic"
    assert dialect(path) == ""


@pytest.mark.parametrize("path", ["/api/chat", "/api/v0/models", "/infill", "/api/samovar/models"])
def test_other_paths_stay_what_they_are(path: str) -> None:
    assert error_shape(path, {"anthropic-version"}) is error_shape(path)


def test_the_longest_beginning_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialects, "_SHAPES", (("/a/", lambda error: b"a"), ("/a/b/", lambda error: b"b")))
    assert (error_shape("/a/b/c")(ERROR), error_shape("/a/c")(ERROR)) == (b"b", b"a")
