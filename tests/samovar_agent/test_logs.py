"""The log: JSON lines, capped, without surprises for what cannot be encoded."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from samovar_agent import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_is_an_object_with_what_extra_brought(tmp_path: Path) -> None:
    logs.configure(tmp_path / "logs" / "agent.log", level="info")
    logging.getLogger("samovar.x").info("loaded %s", "m", extra={"model": Path("m"), "seconds": 1.5})
    logging.getLogger("samovar.x").debug("not kept")
    try:
        raise ValueError("boom\nsecond line")
    except ValueError:
        logging.getLogger("samovar.x").exception("failed")
    first, second = map(json.loads, (tmp_path / "logs" / "agent.log").read_text().splitlines())
    assert (first["level"], first["logger"], first["message"]) == ("info", "samovar.x", "loaded m")
    assert (first["model"], first["seconds"]) == ("m", 1.5)
    assert first["time"] > 1_700_000_000
    assert "boom" in second["traceback"]


def test_a_name_that_is_not_text_is_logged_all_the_same(tmp_path: Path) -> None:
    logs.configure(tmp_path / "agent.log", level="info")
    logging.getLogger("samovar.x").info("found %s", "a\udcff.gguf")
    assert json.loads((tmp_path / "agent.log").read_text())["message"] == "found a\udcff.gguf"


def test_the_level_changes_while_it_runs(tmp_path: Path) -> None:
    logs.configure(tmp_path / "agent.log", level="warning")
    logging.getLogger("samovar.x").info("too little")
    logs.set_level("info")
    logging.getLogger("samovar.x").info("enough")
    assert "enough" in (tmp_path / "agent.log").read_text()
    assert "too little" not in (tmp_path / "agent.log").read_text()


def test_the_log_is_capped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_FILE_BYTES", 10_000)
    logs.configure(tmp_path / "agent.log", level="info")
    for number in range(2_000):
        logging.getLogger("samovar.x").info("line %d", number)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 4
    assert sum(file.stat().st_size for file in files) <= 40_000
    assert "line 1999" in (tmp_path / "agent.log").read_text()
