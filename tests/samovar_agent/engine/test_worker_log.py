from pathlib import Path

import pytest

from samovar_agent.engine.worker_log import MAX_BYTES, WorkerLog, safe_name


def test_lines_survive_any_split(tmp_path: Path) -> None:
    log = WorkerLog(tmp_path, "maker/small")
    for byte in b"one\ntwo\n\nthr":
        log.feed(bytes([byte]))
    assert list(log.tail) == ["one", "two", ""]
    assert log.last_line == "two"
    log.finish()
    assert log.last_line == "thr"
    assert log.path == tmp_path / "worker-maker-small.log"
    assert log.path.read_bytes() == b"one\ntwo\n\nthr"


def test_the_file_does_not_grow_without_end(tmp_path: Path) -> None:
    log = WorkerLog(tmp_path, "x")
    for _ in range(40):
        log.feed(b"y" * (MAX_BYTES // 10))
    sizes = [file.stat().st_size for file in tmp_path.iterdir()]
    assert len(sizes) == 2
    assert all(size <= MAX_BYTES for size in sizes)


def test_a_folder_that_cannot_be_written_costs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    log = WorkerLog(tmp_path / "file", "x")
    log.feed(b"a line\n")
    assert log.last_line == "a line"


@pytest.mark.parametrize(
    ("identifier", "name"),
    [
        ("maker/small@Q4", "maker-small-Q4"),
        ("../../etc/passwd", "etc-passwd"),
        ("...", "unnamed"),
        ("a" * 300, "a" * 100),
    ],
)
def test_identifiers_become_file_names(identifier: str, name: str) -> None:
    assert safe_name(identifier) == name
