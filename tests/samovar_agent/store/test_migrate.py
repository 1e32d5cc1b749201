"""Versions of the database file: every one that was ever released opens; newer ones are refused untouched.

`data/v<N>.db` was written by the program of version N and is never made anew.
"""

from __future__ import annotations

import shutil
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from samovar_agent.store import connection
from samovar_agent.store import store as store_module
from samovar_agent.store.migrate import MIGRATIONS, Migration, migrate
from samovar_agent.store.models import ModelRow
from samovar_agent.store.store import Store
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.documents import Attachment, Citation

DATA = Path(__file__).parent / "data"
SECRET = "sk-samovar-7mF3q0bV1yXo9cZ2nR8tKpLw4hJ6sDgA5eUiBxQvMYk"


def schema(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
    return [(name, " ".join(sql.split())) for name, sql in rows]


def version(path: Path) -> int | None:
    with closing(sqlite3.connect(path)) as db:
        number: int | None = db.execute("SELECT max(number) FROM migrations").fetchone()[0]
    return number


def test_numbers_and_names_follow_the_files() -> None:
    folder = Path(str(store_module.__file__)).parent / "migrations"
    files = sorted(path.stem for path in folder.glob("m*.py"))
    assert files == [f"m{migration.number:04}_{migration.name}" for migration in MIGRATIONS]
    assert [migration.number for migration in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))
    assert [migration.migrate.__module__.rpartition(".")[2] for migration in MIGRATIONS] == files


def test_every_version_has_a_frozen_file() -> None:
    assert {path.name for path in DATA.iterdir()} == {f"v{migration.number}.db" for migration in MIGRATIONS}


async def test_a_fresh_file_has_the_newest_version_and_no_copy(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "samovar.db")
    await store.close()
    assert version(tmp_path / "samovar.db") == len(MIGRATIONS)
    assert {path.name for path in tmp_path.iterdir()} - {"samovar.db-reserve"} == {"samovar.db"}


@pytest.mark.parametrize("number", [migration.number for migration in MIGRATIONS])
async def test_a_frozen_file_opens_with_everything_in_it(tmp_path: Path, number: int) -> None:
    path = tmp_path / "samovar.db"
    shutil.copy(DATA / f"v{number}.db", path)
    store = await Store.open(path)
    models, journal, tokens = await store.models.ls(), await store.journal.ls(), await store.tokens.ls()
    live = store.tokens.check(SECRET)
    await store.close()

    assert models == [
        ModelRow(
            key="publisher/imported",
            path="/home/me/Downloads/imported.gguf",
            publisher="publisher",
            name="imported",
            origin="link",
            size_bytes=123,
            added_at=1700000000.0,
        ),
        ModelRow(
            key="publisher/small",
            path="/data/models/publisher/small/small.gguf",
            publisher="publisher",
            name="small",
            origin="library",
            size_bytes=98_362_432,
            added_at=1700000001.5,
            sha256="ab" * 32,
            source='{"package": "p==1"}',
        ),
    ]
    assert [(row.purpose, row.host, row.bytes_received, row.outcome) for row in journal] == [
        ("catalog", "", None, "interrupted"),
        ("model-download", "mirror.example", 92, "ok"),
    ]
    assert [(token.name, token.scopes, token.revoked_at) for token in tokens] == [
        ("editor", ["chat", "embed"], None),
        ("editor", ["admin"], 1700000003.0),
    ]
    assert live == tokens[0]


@pytest.mark.parametrize("number", [migration.number for migration in MIGRATIONS if migration.number >= 4])
async def test_expiring_tokens_of_a_frozen_file(tmp_path: Path, number: int) -> None:
    path = tmp_path / "samovar.db"
    shutil.copy(DATA / f"v{number}.db", path)
    store = await Store.open(path)
    tokens = await store.tokens.ls()
    await store.close()
    assert [(token.expires_at, token.last_used_at) for token in tokens] == [(4e9, 1700000009.0), (None, None)]


@pytest.mark.parametrize("number", [migration.number for migration in MIGRATIONS if migration.number >= 3])
async def test_documents_and_conversations_of_a_frozen_file(tmp_path: Path, number: int) -> None:
    path = tmp_path / "samovar.db"
    shutil.copy(DATA / f"v{number}.db", path)
    store = await Store.open(path)
    letters, collection = await store.collections.ls()
    [source] = await store.sources.ls(collection.id)
    tea, broken, later = await store.documents.ls(collection=collection.id)
    chunks = await store.chunks.of_content(tea.content or 0)
    found = await store.chunks.words("boiling")
    vectors = await store.vectors.get("minilm", [1, 2])
    [talk] = await store.conversations.ls()
    question, answer = await store.conversations.messages(talk.id)
    await store.chunks.check_words()
    await store.close()

    assert (collection.name, collection.model, collection.settings) == ("papers", "minilm", {"chunk_tokens": 256})
    assert (collection.next_model, collection.words_only) == ("maker/larger", False)
    assert (letters.name, letters.model, letters.next_model, letters.words_only) == ("Letters (2)", None, None, True)
    assert source.own_disk
    assert (source.kind, source.path, source.excludes, source.watch) == ("folder", "/home/me/papers", ["*.tmp"], True)
    assert (tea.path, tea.state, tea.sha256, tea.title, tea.pages, tea.mtime) == (
        "/home/me/papers/tea.pdf",
        "ready",
        "cd" * 32,
        "On Tea",
        2,
        1700000000.5,
    )
    assert (broken.state, broken.problem) == ("failed", '{"reason": "damaged", "message": "It ends too early."}')
    assert (later.state, later.content) == ("queued", None)
    assert [(chunk.text, chunk.heading, chunk.page, chunk.start, chunk.end) for chunk in chunks] == [
        ("A samovar boils water.", "Tea › Water", 1, 0, 22),
        ("Tea is made of it.", "Tea", 2, 23, 41),
    ]
    assert [chunk for chunk, _ in found] == [1]
    assert vectors == {1: struct.pack("<2f", 0.6, 0.8), 2: struct.pack("<2f", 0.6, 0.8)}
    assert (talk.title, talk.collections, talk.model) == ("Tea", [collection.id], "smollm2")
    assert (question.message.content, question.attachments) == (
        "What boils?",
        [Attachment(name="tea.pdf", document=tea.id)],
    )
    assert answer.citations == [
        Citation(
            number=1, at=16, until=19, name="tea.pdf", quote="boils water", document=tea.id, page=1, start=10, end=21
        )
    ]


@pytest.mark.parametrize("number", [migration.number for migration in MIGRATIONS if migration.number >= 3])
async def test_files_and_responses_of_a_frozen_file(tmp_path: Path, number: int) -> None:
    path = tmp_path / "samovar.db"
    shutil.copy(DATA / f"v{number}.db", path)
    store = await Store.open(path)
    letters = await store.collections.find("Letters (2)")
    shown = await store.vector_stores.get(letters.id)
    letter, gone = await store.attachments.all(letters.id)
    files = {row.id: row for row in await store.files.find([letter.file, gone.file])}
    batch = await store.attachments.find_batch(gone.batch or 0)
    hello, and_ = await store.responses.chain("resp_2")
    await store.close()

    assert (shown.name, shown.description, shown.metadata) == ("Letters", "of an uncle", {"owner": "me"})
    assert (shown.counts, shown.size) == ({"completed": 1, "cancelled": 1}, 15)
    assert (letter.status, letter.batch, letter.name) == ("completed", None, "letter.txt")
    assert letter.attributes == {"year": 1901, "kept": True, "by": "Anna", "weight": 0.5}
    assert (gone.status, gone.document, gone.name) == ("cancelled", None, "gone.txt")
    assert [(row.purpose, row.size, row.sha256) for _, row in sorted(files.items())] == [
        ("assistants", 12, "ef" * 32),
        ("user_data", 3, "12" * 32),
    ]
    assert batch is not None and batch.cancelled and batch.counts == {"cancelled": 1}
    assert (hello.id, hello.created_at, hello.input[0]["content"][0]["text"]) == ("resp_1", 1700000005.0, "Hello")
    assert hello.response["output"][0]["content"][0]["text"] == "Hi"
    assert (and_.previous, and_.response["output"]) == ("resp_1", [])


@pytest.mark.parametrize("number", [migration.number for migration in MIGRATIONS])
def test_every_table_of_a_frozen_file_has_rows(number: int) -> None:
    with closing(sqlite3.connect(f"file:{DATA / f'v{number}.db'}?immutable=1", uri=True)) as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        empty = [name for name in tables if db.execute(f'SELECT NOT EXISTS (SELECT 1 FROM "{name}")').fetchone()[0]]
    assert empty == []


@pytest.mark.parametrize("number", [migration.number for migration in MIGRATIONS])
async def test_a_migrated_file_has_the_schema_of_a_fresh_one(tmp_path: Path, number: int) -> None:
    old, fresh = tmp_path / "old.db", tmp_path / "fresh.db"
    shutil.copy(DATA / f"v{number}.db", old)
    for path in (old, fresh):
        await (await Store.open(path)).close()
    assert schema(old) == schema(fresh)


@pytest.mark.parametrize("number", [migration.number for migration in MIGRATIONS])
def test_released_migrations_still_make_what_they_made(tmp_path: Path, number: int) -> None:
    path = tmp_path / "samovar.db"
    db = connection.connect(path)
    migrate(db, path, MIGRATIONS[:number])
    db.close()
    assert schema(path) == schema(DATA / f"v{number}.db")


async def test_a_newer_file_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "samovar.db"
    shutil.copy(DATA / "v1.db", path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("INSERT INTO migrations VALUES (?, 'from the future', 0)", [len(MIGRATIONS) + 1])
    before = path.read_bytes()
    with pytest.raises(SamovarError) as caught:
        await Store.open(path)
    assert caught.value.code == FailureCode.STORE_TOO_NEW
    assert "Update Samovar" in caught.value.hint
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["samovar.db"]


def test_a_step_that_fails_leaves_nothing_behind_but_the_copy(tmp_path: Path) -> None:
    path = tmp_path / "samovar.db"
    shutil.copy(DATA / "v1.db", path)
    before = schema(path)

    def half(db: Database) -> None:
        db.execute("CREATE TABLE half (x)")
        db.execute("UPDATE models SET publisher = 'changed'")
        raise RuntimeError("the power of this step is gone")

    steps = (*MIGRATIONS[:1], Migration(2, "half", half))
    db = connection.connect(path)
    with pytest.raises(RuntimeError, match="the power"):
        migrate(db, path, steps)
    db.close()
    assert schema(path) == before
    assert version(path) == 1
    with closing(sqlite3.connect(path)) as plain:
        assert plain.execute("SELECT count(*) FROM models WHERE publisher = 'changed'").fetchone() == (0,)


def test_an_older_file_is_copied_before_the_step(tmp_path: Path) -> None:
    path = tmp_path / "samovar.db"
    shutil.copy(DATA / "v1.db", path)
    steps = (*MIGRATIONS[:1], Migration(2, "drop", lambda db: db["models"].drop()))
    db = connection.connect(path)
    migrate(db, path, steps)
    db.close()
    copy = tmp_path / "samovar.db.v1"
    assert version(path) == 2
    assert version(copy) == 1
    assert schema(copy) == schema(DATA / "v1.db")
    assert copy.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(copy)) as plain:
        assert plain.execute("SELECT count(*) FROM models").fetchone() == (2,)
    assert {file.name for file in tmp_path.iterdir()} == {"samovar.db", "samovar.db.v1"}


def test_several_steps_each_commit_with_their_record(tmp_path: Path) -> None:
    path = tmp_path / "samovar.db"
    seen: list[list[int]] = []

    def record(db: Database) -> None:
        seen.append([row[0] for row in db.execute("SELECT number FROM migrations ORDER BY number")])

    steps = (Migration(1, "one", record), Migration(2, "two", record), Migration(3, "three", record))
    db = connection.connect(path)
    migrate(db, path, steps)
    migrate(db, path, steps)
    db.close()
    assert seen == [[], [1], [1, 2]]
    assert version(path) == 3


@pytest.mark.parametrize("number", [migration.number for migration in MIGRATIONS if migration.number >= 5])
async def test_scripts_without_spaces_of_a_frozen_file(tmp_path: Path, number: int) -> None:
    path = tmp_path / "samovar.db"
    shutil.copy(DATA / f"v{number}.db", path)
    store = await Store.open(path)
    before = await store.chunks.words("都庁")
    while await store.chunks.renew_words():
        pass
    after = await store.chunks.words("都庁")
    await store.chunks.check_words()
    await store.close()
    assert before == after and len(after) == 1
