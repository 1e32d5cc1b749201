"""The certificate: what is made of good files, and what is said of bad ones."""

import ssl
import subprocess
import time
import warnings
from pathlib import Path

import pytest

from samovar_agent.http import server, tls
from samovar_agent.http.tls import CertificateError, context
from tests.samovar_agent.http.certificates import Certificate, make
from tests.samovar_agent.http.conftest import Agent
from tests.samovar_agent.http.raw import ask, connected, request


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make(tmp_path_factory.mktemp("certificate"))


def test_without_files_there_is_no_tls() -> None:
    assert context("", "") is None


def test_old_versions_are_refused(certificate: Certificate) -> None:
    found = context(str(certificate.certificate), str(certificate.key))
    assert found is not None and found.minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("certificate_text", "key_text", "says"),
    [
        ("{good}", "", "server.tls_certificate is there and server.tls_key is not"),
        ("", "{good}", "server.tls_key is there and server.tls_certificate is not"),
        ("/nothing/here.pem", "{good}", "/nothing/here.pem cannot be read: No such file"),
        ("{good}", "/nothing/here.pem", "/nothing/here.pem cannot be read: No such file"),
        ("{nonsense}", "{good}", "has no certificate in PEM format"),
        ("{good}", "{nonsense}", "has no private key in PEM format"),
        ("{good}", "{other}", "does not belong to the certificate"),
        ("{good}", "{locked}", "has a passphrase"),
        ("{folder}", "{good}", "cannot be read: Is a directory"),
    ],
)
def test_what_is_wrong_is_said(
    certificate: Certificate, tmp_path: Path, certificate_text: str, key_text: str, says: str
) -> None:
    nonsense, locked = tmp_path / "nonsense.pem", tmp_path / "locked.pem"
    nonsense.write_text("nonsense")
    subprocess.run(
        ["openssl", "pkey", "-in", certificate.key, "-aes256", "-passout", "pass:secret", "-out", locked],
        check=True,
        capture_output=True,
    )
    other = make(tmp_path / "other").key
    paths = {"nonsense": nonsense, "other": other, "locked": locked, "folder": tmp_path}
    with pytest.raises(CertificateError, match=says):
        context(
            certificate_text.format(good=certificate.certificate, **paths),
            key_text.format(good=certificate.key, **paths),
        )


async def test_the_server_speaks_it(idle_agent: Agent, certificate: Certificate) -> None:
    idle_agent.settings.set("server.tls_certificate", str(certificate.certificate))
    idle_agent.settings.set("server.tls_key", str(certificate.key))
    info = await idle_agent.start()
    assert info.urls[0] == f"https://127.0.0.1:{idle_agent.port}" and info.problem is None

    trusting = ssl.create_default_context(cafile=certificate.certificate)
    assert (await ask(idle_agent.port, request("GET", "/health"), trusting)).status == 200
    own = await ask(idle_agent.port, request("GET", "/health", f"Origin: {info.urls[0]}"), trusting)
    assert own.headers["access-control-allow-origin"] == info.urls[0]
    plain = f"Origin: http://127.0.0.1:{idle_agent.port}"
    assert (await ask(idle_agent.port, request("GET", "/health", plain), trusting)).status == 403
    assert (await ask(idle_agent.port, request("GET", "/health", host="evil.test"), trusting)).status == 403

    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that it is old is the point
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await ask(idle_agent.port, request("GET", "/health"), old)


async def test_a_bad_certificate_does_not_mean_plain_http(idle_agent: Agent, tmp_path: Path) -> None:
    idle_agent.settings.set("server.tls_certificate", str(tmp_path / "none.pem"))
    idle_agent.settings.set("server.tls_key", str(tmp_path / "none.pem"))
    idle_agent.settings.set("server.unix_socket", True)
    info = await idle_agent.start()
    assert info.urls == []
    assert info.problem is not None
    assert "none.pem cannot be read" in info.problem and "server.tls_certificate" in info.problem
    assert info.unix_socket is not None
    assert (await ask(Path(info.unix_socket), request("GET", "/health"))).status == 200


async def test_a_certificate_that_expires_soon_is_told_and_used(idle_agent: Agent, tmp_path: Path) -> None:
    made = make(tmp_path / "old", days=3)
    idle_agent.settings.set("server.tls_certificate", str(made.certificate))
    idle_agent.settings.set("server.tls_key", str(made.key))
    info = await idle_agent.start()
    assert info.problem is not None and str(made.certificate) in info.problem
    assert f"expires soon, on {time.strftime('%Y')[:2]}" in info.problem
    trusting = ssl.create_default_context(cafile=made.certificate)
    assert (await ask(idle_agent.port, request("GET", "/health"), trusting)).status == 200


def test_one_that_has_expired_is_told(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    later = time.time() + 31 * 86400
    monkeypatch.setattr(time, "time", lambda: later)
    assert "has expired, on 20" in (tls.validity_problem(str(certificate.certificate)) or "")


def test_a_certificate_of_tomorrow_points_to_the_clock(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tls.validity_problem(str(certificate.certificate)) is None
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
    assert "clock" in (tls.validity_problem(str(certificate.certificate)) or "")


def test_what_cannot_be_read_has_no_dates(tmp_path: Path) -> None:
    (tmp_path / "nonsense.pem").write_text("nonsense")
    assert tls.validity_problem(str(tmp_path / "nonsense.pem")) is None


async def test_who_begins_no_handshake_is_dropped(
    idle_agent: Agent, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HANDSHAKE_SECONDS", 0.1)
    idle_agent.settings.set("server.tls_certificate", str(certificate.certificate))
    idle_agent.settings.set("server.tls_key", str(certificate.key))
    await idle_agent.start()
    async with connected(idle_agent.port) as silent, connected(idle_agent.port) as plain:
        plain.send(request("GET", "/health"))
        assert await plain.ended() == b""
        assert await silent.ended() == b""
