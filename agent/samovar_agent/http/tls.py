"""The server's certificate: read at the start, or a sentence that says what is wrong with it."""

from __future__ import annotations

import _ssl
import ssl
import time
from pathlib import Path

SOON_DAYS = 14


class CertificateError(Exception):
    """What is wrong, as a sentence."""


def context(certificate: str, key: str) -> ssl.SSLContext | None:
    """What makes TLS of a connection; None where neither file is named. Raises `CertificateError`.

    - certificate, key: paths of PEM files.
    """
    if not certificate and not key:
        return None
    if not certificate or not key:
        lacking, given = (
            ("server.tls_key", "server.tls_certificate")
            if certificate
            else ("server.tls_certificate", "server.tls_key")
        )
        raise CertificateError(f"The setting {given} is there and {lacking} is not; TLS needs both.")
    for path in (certificate, key):
        _check_file(path)
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.minimum_version = ssl.TLSVersion.TLSv1_2
    found.set_alpn_protocols(["http/1.1"])
    try:
        found.load_cert_chain(Path(certificate).expanduser(), Path(key).expanduser(), password=_no_passphrase)
    except CertificateError as error:
        raise CertificateError(f"The private key {key} has a passphrase, and nobody is there to type it.") from error
    except ssl.SSLError as error:
        raise CertificateError(_what_is_wrong(error, certificate, key)) from error
    except OSError as error:
        raise CertificateError(f"{certificate} or {key} cannot be read: {error.strerror or error}.") from error
    return found


def validity_problem(certificate: str) -> str | None:
    """What is wrong with the time for which it is valid, as a sentence. The server works all the same, to those who
    do not look. - certificate: path of a PEM file that `context` could read.
    """
    try:
        # Private, and the only thing in Python's library that reads a certificate's dates.
        dates = _ssl._test_decode_cert(str(Path(certificate).expanduser()))  # type: ignore[attr-defined]
        begins, ends = (ssl.cert_time_to_seconds(dates[name]) for name in ("notBefore", "notAfter"))
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None
    now = time.time()
    if now >= ends:
        return f"The certificate {certificate} has expired, on {_day(ends)}, so clients refuse it. {_RENEW}."
    if now < begins:
        return f"The certificate {certificate} is valid only from {_day(begins)} on; is this machine's clock right?"
    if ends - now < SOON_DAYS * 86400:
        return f"The certificate {certificate} expires soon, on {_day(ends)}. {_RENEW}."
    return None


_RENEW = "Renew it, then `samovar down` and `samovar up`"


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(moment))


def _check_file(path: str) -> None:
    try:
        with Path(path).expanduser().open("rb") as file:
            file.read(1)
    except OSError as error:
        raise CertificateError(f"{path} cannot be read: {error.strerror or error}.") from error


def _no_passphrase() -> str:
    # Without this, OpenSSL would ask on the terminal.
    raise CertificateError


def _what_is_wrong(error: ssl.SSLError, certificate: str, key: str) -> str:
    match error.reason:
        case "KEY_VALUES_MISMATCH":
            return f"The private key {key} does not belong to the certificate {certificate}."
        case "EE_KEY_TOO_SMALL" | "CA_MD_TOO_WEAK" | "CA_KEY_TOO_SMALL":
            return f"The certificate {certificate} is too weak for today's rules ({error.reason})."
    for path, label in ((certificate, b"CERTIFICATE-----"), (key, b"PRIVATE KEY-----")):
        if label not in Path(path).expanduser().read_bytes():
            what = "certificate" if path == certificate else "private key"
            return f"{path} has no {what} in PEM format."
    return f"{certificate} and {key} cannot be used for TLS: {error.reason or error}."
