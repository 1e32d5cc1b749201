"""Where files are: SAMOVAR_HOME wins, socket paths stay short."""

from pathlib import Path

import pytest

from samovar_protocol import Places


def test_samovar_home_holds_everything(tmp_path: Path) -> None:
    places = Places.find({"SAMOVAR_HOME": str(tmp_path)})
    assert places.config_file == tmp_path / "config.toml"
    assert places.database_file == tmp_path / "samovar.db"
    assert places.log_file == tmp_path / "logs" / "agent.log"
    assert places.endpoint_file == tmp_path / "run" / "endpoint.json"


def test_a_relative_home_does_not_depend_on_later_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert Places.find({"SAMOVAR_HOME": "here"}).data == tmp_path / "here"


def test_without_it_the_system_decides(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    places = Places.find({})
    assert places.data == tmp_path / "data" / "samovar"
    assert places.config_file == tmp_path / "config" / "samovar" / "config.toml"


def test_sockets_lie_in_run_where_the_path_is_short() -> None:
    places = Places.find({"SAMOVAR_HOME": "/home/ada"})
    assert places.socket_folder() == Path("/home/ada/run")


def test_a_deep_home_gets_a_short_socket_folder_of_its_own() -> None:
    deep = Places.find({"SAMOVAR_HOME": "/" + "deep/" * 40 + "a"})
    other = Places.find({"SAMOVAR_HOME": "/" + "deep/" * 40 + "b"})
    assert len(str(deep.socket_folder())) < 80
    assert deep.socket_folder() != other.socket_folder()
