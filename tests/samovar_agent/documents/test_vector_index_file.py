import os
from pathlib import Path

import numpy as np
import pytest

from samovar_agent.documents import vector_index
from samovar_agent.documents.vector_index import VectorIndex
from tests.samovar_agent.documents.vector_fakes import FakeStore, like_texts

DIMENSIONS = 70


@pytest.fixture(params=["vectors", "codes"])
def saved(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VectorIndex:
    """An index of either size, saved."""
    if request.param == "codes":
        monkeypatch.setattr(vector_index, "_EXACT_BYTES", 0)
    index = VectorIndex(tmp_path / "vectors" / "x.vectors", DIMENSIONS)
    index.add(range(1, 301), like_texts(300, DIMENSIONS))
    assert index.save()
    assert (index._state.codes is not None) == (request.param == "codes")
    return index


def found(index: VectorIndex) -> list[tuple[int, float]]:
    store = FakeStore(DIMENSIONS)
    store.put(list(range(1, 301)), like_texts(300, DIMENSIONS))
    return index.search(like_texts(1, DIMENSIONS, seed=9)[0], 20, store.vectors_of)


class TestSound:
    def test_what_was_saved_is_read(self, saved: VectorIndex) -> None:
        index = VectorIndex(saved.file, DIMENSIONS)
        assert index.load()
        assert len(index) == 300
        assert found(index) == found(saved) != []

    def test_it_can_be_added_to(self, saved: VectorIndex) -> None:
        index = VectorIndex(saved.file, DIMENSIONS)
        index.load()
        index.add([1000, 5], like_texts(2, DIMENSIONS, seed=4))
        index.remove([7])
        assert index._state.alive_ids().tolist() == [id_ for id_ in range(1, 301) if id_ != 7] + [1000]

    def test_what_was_removed_is_not_in_it(self, saved: VectorIndex) -> None:
        saved.remove([3, 4])
        saved.save()
        index = VectorIndex(saved.file, DIMENSIONS)
        assert index.load()
        assert len(index) == 298

    def test_an_empty_one(self, saved: VectorIndex) -> None:
        saved.remove(range(400))
        saved.save()
        index = VectorIndex(saved.file, DIMENSIONS)
        assert index.load()
        assert len(index) == 0
        index.add([1], like_texts(1, DIMENSIONS))
        assert len(index) == 1

    def test_nothing_is_written_where_nothing_changed(self, saved: VectorIndex) -> None:
        saved.file.unlink()
        assert saved.save()
        assert not saved.file.exists()

    @pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
    def test_only_its_owner_reads_it(self, saved: VectorIndex) -> None:
        assert saved.file.stat().st_mode & 0o777 == 0o600


class TestDamaged:
    def refused(self, saved: VectorIndex, caplog: pytest.LogCaptureFixture) -> None:
        index = VectorIndex(saved.file, DIMENSIONS)
        assert not index.load()
        assert len(index) == 0
        assert "made anew" in caplog.text
        store = FakeStore(DIMENSIONS)
        store.put(list(range(1, 301)), like_texts(300, DIMENSIONS))
        index.rebuild(store.rows())
        assert index.save()
        again = VectorIndex(saved.file, DIMENSIONS)
        assert again.load()
        assert found(again) == found(saved)

    @pytest.mark.parametrize("place", [0, 9, 13, 17, 23, 25, 30, 2000, 4000, -100, -33, -32, -1])
    def test_one_byte(self, saved: VectorIndex, place: int, caplog: pytest.LogCaptureFixture) -> None:
        contents = bytearray(saved.file.read_bytes())
        contents[place] ^= 0x10
        saved.file.write_bytes(contents)
        self.refused(saved, caplog)

    @pytest.mark.parametrize("kept", [0, 1, 27, 28, 100, 3000, -32, -1])
    def test_cut_off(self, saved: VectorIndex, kept: int, caplog: pytest.LogCaptureFixture) -> None:
        saved.file.write_bytes(saved.file.read_bytes()[:kept])
        self.refused(saved, caplog)

    def test_something_at_its_end(self, saved: VectorIndex, caplog: pytest.LogCaptureFixture) -> None:
        saved.file.write_bytes(saved.file.read_bytes() + b"\0")
        self.refused(saved, caplog)

    def test_more_vectors_than_there_is_memory_for(self, saved: VectorIndex, caplog: pytest.LogCaptureFixture) -> None:
        contents = bytearray(saved.file.read_bytes())
        contents[16:24] = (1 << 62).to_bytes(8, "little")
        saved.file.write_bytes(contents)
        self.refused(saved, caplog)

    def test_of_other_dimensions(self, saved: VectorIndex, caplog: pytest.LogCaptureFixture) -> None:
        index = VectorIndex(saved.file, DIMENSIONS + 1)
        assert not index.load()
        assert "70 dimensions instead of 71" in caplog.text

    def test_one_that_is_missing_is_no_matter(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        assert not VectorIndex(tmp_path / "none", DIMENSIONS).load()
        assert caplog.text == ""

    def test_a_folder_in_its_place(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        (tmp_path / "x").mkdir()
        index = VectorIndex(tmp_path / "x", DIMENSIONS)
        assert not index.load()
        index.add([1], like_texts(1, DIMENSIONS))
        assert not index.save()
        assert len(index) == 1
        assert [path.name for path in tmp_path.iterdir()] == ["x"]


class TestInterrupted:
    @pytest.mark.parametrize("at", ["fsync", "replace"])
    def test_the_old_file_stays(
        self, saved: VectorIndex, at: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        before = saved.file.read_bytes()

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(*((os, "fsync", full) if at == "fsync" else (Path, "replace", full)))
            saved.add([500], like_texts(1, DIMENSIONS))
            assert not saved.save()
        assert "No space left" in caplog.text
        assert saved.file.read_bytes() == before
        assert [path.name for path in saved.file.parent.iterdir()] == [saved.file.name]
        assert saved.save(), "it is tried again"
        assert saved.file.read_bytes() != before

    def test_what_a_killed_process_left_is_no_hindrance(self, saved: VectorIndex) -> None:
        leftover = saved.file.with_name(saved.file.name + ".partial")
        leftover.write_bytes(b"half")
        saved.add([500], like_texts(1, DIMENSIONS))
        assert saved.save()
        assert not leftover.exists()
        index = VectorIndex(saved.file, DIMENSIONS)
        assert index.load()
        assert len(index) == 301


def test_numbers_are_what_was_put_in(tmp_path: Path) -> None:
    vectors = like_texts(50, DIMENSIONS)
    index = VectorIndex(tmp_path / "x", DIMENSIONS)
    index.add(range(50), vectors)
    index.save()
    again = VectorIndex(tmp_path / "x", DIMENSIONS)
    again.load()
    assert again._state.vectors is not None
    assert np.array_equal(again._state.vectors, vectors)
