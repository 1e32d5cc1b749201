"""Settings: defaults, the file, changes that keep comments, and files that cannot be read."""

import subprocess
import sys
from pathlib import Path

import pytest

from samovar_agent.settings import ENVIRONMENT, RESTART_NEEDED, Settings, SettingsFile
from samovar_protocol import FailureCode, SamovarError


def settings(path: Path, **environ: str) -> SettingsFile:
    return SettingsFile(path / "config.toml", environ)


def test_no_file_means_defaults(tmp_path: Path) -> None:
    assert settings(tmp_path).current == Settings()
    assert not (tmp_path / "config.toml").exists()


def test_every_setting_is_described_and_listed_in_order(tmp_path: Path) -> None:
    listed = settings(tmp_path).ls()
    assert [setting.key for setting in listed] == sorted(setting.key for setting in listed)
    assert all(setting.about.endswith(".") for setting in listed)
    assert {*ENVIRONMENT.values(), *RESTART_NEEDED} <= {setting.key for setting in listed}


def test_a_change_survives_and_keeps_comments(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("# mine\n[server]\nport = 8000  # because\n")
    file = settings(tmp_path)
    file.set("server.port", 9000)
    file.set("logs.level", "debug")
    text = (tmp_path / "config.toml").read_text()
    assert "# mine" in text
    assert "port = 9000  # because" in text
    again = settings(tmp_path).current
    assert (again.server.port, again.logs.level) == (9000, "debug")


def test_none_returns_to_the_default(tmp_path: Path) -> None:
    file = settings(tmp_path)
    file.set("server.port", 9000)
    assert file.set("server.port", None).value == 7266
    assert "port" not in (tmp_path / "config.toml").read_text()


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("server.port", "8080", 8080),
        ("server.port_fallback", "on", True),
        ("server.port_fallback", "false", False),
        ("models.ttl_minutes", "1.5", 1.5),
        ("models.folders", "/a, /b", ["/a", "/b"]),
        ("network.policy", "offline", "offline"),
    ],
)
def test_text_is_read_as_the_settings_type(tmp_path: Path, key: str, text: str, value: object) -> None:
    assert settings(tmp_path).set(key, text).value == value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("server.port", "many"),
        ("server.port", 70000),
        ("network.policy", "sometimes"),
        ("server.port_fallback", "maybe"),
        ("network.megabytes_per_second", "inf"),
        ("network.megabytes_per_second", "nan"),
    ],
)
def test_a_value_that_does_not_fit_changes_nothing(tmp_path: Path, key: str, value: str | int) -> None:
    file = settings(tmp_path)
    with pytest.raises(SamovarError) as raised:
        file.set(key, value)
    assert raised.value.code == FailureCode.SETTING_INVALID
    assert key in str(raised.value)
    assert file.current == Settings()
    assert not (tmp_path / "config.toml").exists()


@pytest.mark.parametrize("value", ["9" * 10_000_000, ["host"] * 1_000_000])
def test_a_long_value_that_does_not_fit_is_told_in_short(tmp_path: Path, value: str | list[str]) -> None:
    with pytest.raises(SamovarError, match=r"^server\.port cannot be ") as raised:
        settings(tmp_path).set("server.port", value)
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize("key", ["server.prot", "port", "", "a.b.c", "server."])
def test_an_unknown_key_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(SamovarError) as raised:
        settings(tmp_path).set(key, 1)
    assert raised.value.code == FailureCode.SETTING_UNKNOWN


def test_a_near_miss_is_suggested(tmp_path: Path) -> None:
    with pytest.raises(SamovarError, match=r"server\.port"):
        settings(tmp_path).get("server.prot")


@pytest.mark.parametrize(
    "content",
    [b"[server\n", b"[server]\nport = 'x'\n", b"server = 3\n", b"[server]\nport = 99999\n", b"# gr\xfc\xdfe\n"],
)
def test_a_broken_file_is_named_and_never_overwritten(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.toml").write_bytes(content)
    for environ in ({}, {"SAMOVAR_PORT": "1"}) if b"port" not in content else ({},):
        with pytest.raises(SamovarError) as raised:
            settings(tmp_path, **environ)
        assert raised.value.code == FailureCode.SETTING_INVALID
        assert "config.toml" in str(raised.value)
    assert (tmp_path / "config.toml").read_bytes() == content


@pytest.mark.parametrize("content", [b"[server\n", b"server = 3\n", b"# gr\xfc\xdfe\n"])
@pytest.mark.parametrize("value", [1, None])
def test_a_file_that_was_broken_meanwhile_is_not_overwritten(tmp_path: Path, content: bytes, value: int | None) -> None:
    file = settings(tmp_path)
    (tmp_path / "config.toml").write_bytes(content)
    with pytest.raises(SamovarError) as raised:
        file.set("server.port", value)
    assert raised.value.code == FailureCode.SETTING_INVALID
    assert (tmp_path / "config.toml").read_bytes() == content
    assert file.current == Settings()


def test_a_file_that_notepad_saved_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xef\xbb\xbf[server]\r\nport = 1\r\n")
    assert settings(tmp_path).current.server.port == 1


@pytest.mark.skipif(sys.platform == "win32", reason="links and modes are POSIX's")
def test_a_linked_and_private_file_stays_so(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "samovar.toml"
    real.parent.mkdir()
    real.write_text("# mine\n")
    real.chmod(0o600)
    (tmp_path / "config.toml").symlink_to(real)
    settings(tmp_path).set("server.port", 9000)
    assert (tmp_path / "config.toml").is_symlink()
    assert "# mine" in real.read_text() and "port = 9000" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_made_is_a_typed_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SamovarError):
        SettingsFile(tmp_path / "file" / "config.toml", {}).set("server.port", 1)


def test_unknown_keys_in_the_file_are_kept_and_reported(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[server]\nprot = 1\n[future]\nx = 1\n")
    file = settings(tmp_path)
    assert sorted(file.unknown) == ["future.x", "server.prot"]
    file.set("server.port", 1)
    assert "prot = 1" in (tmp_path / "config.toml").read_text()


def test_the_environment_wins_for_this_run_and_is_not_written(tmp_path: Path) -> None:
    file = settings(tmp_path, SAMOVAR_NETWORK="offline", SAMOVAR_PORT="0")
    assert (file.current.network.policy, file.current.server.port) == ("offline", 0)
    file.set("logs.level", "debug")
    assert file.current.network.policy == "offline"
    assert "offline" not in (tmp_path / "config.toml").read_text()


def test_what_the_environment_holds_is_not_said_to_be_set(tmp_path: Path) -> None:
    file = settings(tmp_path, SAMOVAR_NETWORK="online")
    with pytest.raises(SamovarError, match="SAMOVAR_NETWORK"):
        file.set("network.policy", "offline")
    assert not file.path.exists()
    assert file.set("network.policy", "online").value == "online"


@pytest.mark.processes
def test_a_full_disk_leaves_the_old_settings_intact(tmp_path: Path) -> None:
    inner = """
import os, pathlib, sys
from samovar_agent.settings import SettingsFile
from samovar_protocol import SamovarError
root = pathlib.Path(sys.argv[1])
file = SettingsFile(root / "config.toml", {})
file.set("server.port", 8001)
before = (root / "config.toml").read_bytes()
try:
    (root / "filler").write_bytes(b"x" * 10_000_000)
except OSError:
    pass
try:
    file.set("models.folders", ["/" + "long" * 3000])
except SamovarError as error:
    assert error.code == "disk_full", error.code
else:
    sys.exit("the disk was not full")
assert (root / "config.toml").read_bytes() == before
assert sorted(os.listdir(root)) == ["config.toml", "filler"]
assert file.current.server.port == 8001 and file.current.models.folders == []
assert SettingsFile(root / "config.toml", {}).current == file.current
"""
    mount = f'mount -t tmpfs -o size=64k none "{tmp_path}" && exec "$0" -c "$1" "{tmp_path}"'
    run = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount, sys.executable, inner], capture_output=True, text=True, timeout=60
    )
    if "unshare" in run.stderr or "mount:" in run.stderr:
        pytest.skip(f"needs a mount namespace: {run.stderr.strip()}")
    assert run.returncode == 0, run.stderr
