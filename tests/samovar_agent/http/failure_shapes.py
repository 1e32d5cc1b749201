"""The shape and the code of a failure at any path, in its dialect's words, written down a second time."""

from typing import Any, Protocol

_TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error"}
_LLAMA_CPP = ("/infill", "/tokenize", "/detokenize", "/apply-template")


class Answered(Protocol):
    """A response that was read to its end."""

    status: int

    def json(self) -> Any: ...


def check_failure(path: str, answer: Answered, status: int, code: str) -> str:
    """Assert that the response is this failure in the shape of the path's dialect; returns what it says."""
    assert answer.status == status
    body, type_ = answer.json(), _TYPES.get(status, "invalid_request_error")
    if path.startswith(("/api/v0/", "/api/v1/")):
        (error,) = body.values()
        assert set(body) == {"error"} and set(error) - {"param"} == {"message", "type", "code"}
        assert (error["type"], error["code"]) == ("invalid_request", code)
    elif path.startswith("/api/") and not path.startswith("/api/samovar/"):
        assert set(body) == {"error"}
        error = {"message": body["error"]}
    elif path.startswith("/v1/messages"):
        error = body["error"]
        assert set(body) == {"type", "error", "request_id"} and body["type"] == "error"
        assert set(error) == {"type", "message"} and error["type"] == type_
    elif path.startswith(_LLAMA_CPP):
        error = body["error"]
        assert set(body) == {"error"} and set(error) == {"code", "message", "type", "param"}
        assert (error["code"], error["type"]) == (status, type_)
    else:
        error = body["error"]
        assert set(body) == {"error"} and set(error) == {"message", "type", "param", "code"}
        assert (error["code"], error["type"]) == (code, type_)
    said = error["message"]
    assert isinstance(said, str) and said.strip()
    return said
