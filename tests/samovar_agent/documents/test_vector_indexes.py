import os
from pathlib import Path

import pytest

from samovar_agent.documents.vector_indexes import VectorIndexes
from tests.samovar_agent.documents.vector_fakes import FakeStore, like_texts


def test_a_model_change_fills_one_while_the_other_serves(tmp_path: Path) -> None:
    """Of other dimensions, too."""
    indexes = VectorIndexes(tmp_path / "vectors")
    old_store, new_store = FakeStore(32), FakeStore(48)
    old_store.put(list(range(100)), like_texts(100, 32))
    new_store.put(list(range(100)), like_texts(100, 48))
    old = indexes.get("acme/old", 32)
    old.rebuild(old_store.rows())
    new = indexes.get("acme/new", 48)
    new.add(range(50), like_texts(100, 48)[:50])
    query = like_texts(1, 32, seed=3)[0]
    assert dict(old.search(query, 5, old_store.vectors_of)) == pytest.approx(dict(old_store.best(query, 5)))
    assert indexes.save()

    indexes = VectorIndexes(tmp_path / "vectors")
    old, new = indexes.get("acme/old", 32), indexes.get("acme/new", 48)
    assert old.load() and new.load()
    assert (len(old), len(new)) == (100, 50)
    assert new.catch_up(range(100), new_store.vectors_of) == 50
    indexes.keep_only({"acme/new"})
    assert indexes.save()
    assert [path.name for path in (tmp_path / "vectors").iterdir()] == [new.file.name]
    assert indexes.get("acme/new", 48) is new
    assert not indexes.get("acme/old", 32).load()


def test_a_name_is_no_path(tmp_path: Path) -> None:
    indexes = VectorIndexes(tmp_path / "vectors")
    index = indexes.get("../../etc/passwd\0:\\", 8)
    index.add([1], like_texts(1, 8))
    assert indexes.save()
    assert index.file.parent == tmp_path / "vectors"


def test_leftovers_go_and_other_files_stay(tmp_path: Path) -> None:
    indexes = VectorIndexes(tmp_path)
    kept = indexes.get("acme/kept", 8)
    kept.add([1], like_texts(1, 8))
    indexes.save()
    being_written = kept.file.with_name(kept.file.name + ".partial")
    for name in ("gone.vectors", "gone.vectors.partial", "notes.txt", being_written.name):
        (tmp_path / name).write_bytes(b"x")
    indexes.keep_only(["acme/kept"])
    assert sorted(os.listdir(tmp_path)) == sorted([kept.file.name, being_written.name, "notes.txt"])


def test_without_a_folder(tmp_path: Path) -> None:
    VectorIndexes(tmp_path / "none").keep_only([])
    assert VectorIndexes(tmp_path / "none").save()
