"""Why the other side did not give us what we asked for, in words that a person can act on."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Protocol

import aiohttp
from yarl import URL

from samovar_protocol import FailureCode, SamovarError

_LONGEST_WAIT = 24 * 3600.0
_RATE_LIMIT_RESET = re.compile(r";\s*t\s*=\s*(\d{1,9})")

Details = dict[str, int | float | str | list[str]]


class Answered(Protocol):
    """What is looked at of an answer. - headers: case-insensitive."""

    status: int
    headers: Mapping[str, str]
    url: str


def refusal_of(response: Answered, what: str) -> SamovarError:
    """The failure that a status which is no success means. - what: the thing that was asked for, as people call it.

    `gated` (with where to go), `not_found`, or `network_failed` with `status` and, where the server says when to come
    back, `retry_after_seconds` in its details.
    """
    status, host = response.status, URL(response.url).host or "the server"
    details: Details = {"status": status, "host": host}
    code = response.headers.get("X-Error-Code", "")
    if code == "GatedRepo":
        return _gated(status, what, details)
    if status in (404, 410, 451) or code in ("RepoNotFound", "RevisionNotFound", "EntryNotFound"):
        return _not_found(host, what, code, details)
    if status == 401 and "invalid credentials" in response.headers.get("X-Error-Message", "").lower():
        return SamovarError(
            FailureCode.GATED,
            f"{host} does not accept the token in HF_TOKEN.",
            hint="Correct it or remove it, and start Samovar again.",
            details=details,
        )
    if status in (401, 403):
        return SamovarError(
            FailureCode.GATED,
            f"{host} does not give out {what} without permission (status {status}).",
            hint="If it is a private one of yours, set HF_TOKEN to a token that may read it.",
            details=details,
        )
    return _failed(response, host, what, details)


def web_page(response: Answered) -> SamovarError | None:
    """The failure where a web page came instead of data, as from the login page of a hotel's network; else None."""
    if response.headers.get("Content-Type", "").partition(";")[0].strip().lower() not in ("text/html", "text/xhtml"):
        return None
    host = URL(response.url).host or "the server"
    return SamovarError(
        FailureCode.NETWORK_FAILED,
        f"A web page came instead of what {host} should have sent.",
        hint="Perhaps this network wants you to log in: open a browser, then try again.",
        details={"status": response.status, "host": host},
    )


def mismatch(name: str, expected: str, got: str) -> SamovarError:
    """The failure where something came that is not the file. - expected, got: a digest, a size or the like."""
    return SamovarError(
        FailureCode.DIGEST_MISMATCH,
        f"{name} is not the file that it should be: expected {expected}, got {got}.",
        hint="What came has been deleted; try again, or try another source.",
        details={"file": name, "expected": expected, "got": got},
    )


def connection_failure(host: str, error: BaseException) -> SamovarError:
    """The failure that an error of the network library means. - host: whom we talked to."""
    told, hint = _words(host, error)
    return SamovarError(FailureCode.NETWORK_FAILED, told, hint=hint, details={"host": host})


def retry_after_seconds(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """When the server wants us back, at most a day; None where it does not say. - now: Unix seconds."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST_WAIT)
    if text:
        try:
            wait = parsedate_to_datetime(text).timestamp() - (time.time() if now is None else now)
        except (ValueError, OverflowError):
            return None
        return min(max(wait, 0.0), _LONGEST_WAIT)
    if reset := _RATE_LIMIT_RESET.search(headers.get("RateLimit", "")[:1000]):
        return min(float(reset[1]), _LONGEST_WAIT)
    return None


def _gated(status: int, what: str, details: Details) -> SamovarError:
    if status == 401:
        return SamovarError(
            FailureCode.GATED,
            f"The publisher of {what} asks you to accept an agreement first.",
            hint="Accept it on the model's page, set HF_TOKEN to a token of yours, and start Samovar again.",
            details=details,
        )
    return SamovarError(
        FailureCode.GATED,
        f"Your token has no access to {what}.",
        hint="Ask the publisher for access on the model's page; some decide themselves, which may take days.",
        details=details,
    )


def _not_found(host: str, what: str, code: str, details: Details) -> SamovarError:
    if code == "RevisionNotFound":
        return SamovarError(
            FailureCode.NOT_FOUND,
            f"{what} has no such revision on {host}.",
            hint="Use 'main', or the name of a branch or commit that its page shows.",
            details=details,
        )
    private = code == "RepoNotFound"
    return SamovarError(
        FailureCode.NOT_FOUND,
        f"{host} has no {what}{', or it is private' if private else ''}.",
        hint="Check the name"
        + ("; for a private one set HF_TOKEN to a token that may read it." if private else " and try again."),
        details=details,
    )


def _failed(response: Answered, host: str, what: str, details: Details) -> SamovarError:
    status = response.status
    wait = retry_after_seconds(response.headers)
    if wait is not None:
        details["retry_after_seconds"] = wait
    when = f"in {wait:.0f} s" if wait else "later"
    if status == 407:
        told, hint = "The proxy wants a password.", "Write it into HTTPS_PROXY: http://user:password@host:port."
    elif status == 429:
        told, hint = f"{host} gets too many requests from us.", f"Try again {when}."
    elif status >= 500:
        told, hint = f"{host} is in trouble itself (status {status}).", f"Try again {when}."
    else:
        told, hint = f"{host} did not give us {what} (status {status}).", "Try another source."
    return SamovarError(FailureCode.NETWORK_FAILED, told, hint=hint, details=details)


def _words(host: str, error: BaseException) -> tuple[str, str]:
    retry = "Check the network and try again."
    match error:
        case aiohttp.ClientConnectorDNSError():
            return f"Nobody knows an address of {host}.", "Check the name, and this machine's name server."
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            return (
                f"The certificate of {host} is not valid, so somebody else may be answering.",
                "If your company inspects traffic, point SSL_CERT_FILE to its certificate; in a hotel, log in first.",
            )
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return f"No secure connection to {host} came about.", retry
        case aiohttp.ClientProxyConnectionError():
            return "The proxy could not be reached.", "Check HTTPS_PROXY, or unset it."
        case aiohttp.ClientHttpProxyError(status=407):
            return "The proxy wants a password.", "Write it into HTTPS_PROXY: http://user:password@host:port."
        case aiohttp.ClientHttpProxyError():
            return f"The proxy did not connect us to {host} (status {error.status}).", "Ask who runs it."
        case aiohttp.ConnectionTimeoutError():
            return f"{host} could not be reached in time.", retry
        case TimeoutError():
            return f"{host} fell silent.", "Try again; what has come is kept."
        case aiohttp.ClientConnectorError() | ConnectionRefusedError():
            return f"{host} could not be reached.", retry
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | ConnectionError():
            return f"{host} hung up in the middle.", "Try again; what has come is kept."
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return f"{str(error)[:200]!r} is not an address that we can ask.", "Use one that begins with https://."
        case aiohttp.ClientResponseError():
            return f"{host} did not answer as a web server does.", "Check the address."
        case _:
            return f"The connection to {host} failed ({type(error).__name__}).", retry
