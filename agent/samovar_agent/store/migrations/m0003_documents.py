"""Documents: collections, sources, texts, vectors and words; uploaded files; conversations and responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database


def migrate(db: Database) -> None:
    """Version 2 becomes version 3."""
    _collections(db)
    _texts(db)
    _words(db)
    _files(db)
    _conversations(db)
    _responses(db)


def _collections(db: Database) -> None:
    # A row is a set of documents that are searched together. model: whose vectors it is searched with; NULL while there
    # are none. next_model: whose vectors are computed to be used instead. words_only: somebody wants none, ever.
    # settings: JSON object.
    db.execute(
        """
        CREATE TABLE collections (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL UNIQUE,
            model TEXT,
            next_model TEXT,
            words_only INTEGER NOT NULL,
            created_at REAL NOT NULL,
            settings TEXT NOT NULL
        )
        """
    )
    # A row is where documents come from. kind: "file", "folder" or "text". path: the bytes that the operating system
    # knows it by, which need not be UTF-8; NULL for pasted text. excludes: JSON list of patterns. state: SourceState.
    # own_disk: the folder was seen to be where a disk is mounted.
    db.execute(
        """
        CREATE TABLE sources (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            collection INTEGER NOT NULL REFERENCES collections (id),
            kind TEXT NOT NULL,
            path BLOB,
            excludes TEXT NOT NULL,
            watch INTEGER NOT NULL,
            state TEXT NOT NULL,
            own_disk INTEGER NOT NULL DEFAULT 0
        )
        """
    )
    db.execute("CREATE INDEX sources_collection ON sources (collection)")
    # A row is what a file says, however many documents are that file. recipe: what cut it into chunks; another recipe
    # makes other chunks. A row never changes, or `chunk_words` would keep words of a title that is no more.
    db.execute(
        """
        CREATE TABLE contents (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            sha256 TEXT NOT NULL,
            recipe TEXT NOT NULL,
            title TEXT NOT NULL,
            media_type TEXT NOT NULL,
            pages INTEGER,
            UNIQUE (sha256, recipe)
        )
        """
    )
    # A row is one file, or pasted text, of a collection. path: as in `sources`. size: bytes. mtime: Unix seconds.
    # content: what is searched, also while a newer version of the file is being read; NULL before the first time.
    # revision: counts how often it was queued, so that who reads an old version does not pass it off as the new one.
    db.execute(
        """
        CREATE TABLE documents (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            collection INTEGER NOT NULL REFERENCES collections (id),
            source INTEGER NOT NULL REFERENCES sources (id),
            path BLOB,
            name TEXT NOT NULL,
            sha256 TEXT,
            size INTEGER NOT NULL,
            mtime REAL NOT NULL,
            media_type TEXT NOT NULL,
            title TEXT NOT NULL,
            pages INTEGER,
            state TEXT NOT NULL,
            problem TEXT,
            indexed_at REAL,
            content INTEGER REFERENCES contents (id),
            revision INTEGER NOT NULL,
            UNIQUE (source, path)
        )
        """
    )
    db.execute("CREATE INDEX documents_collection ON documents (collection, id)")
    db.execute("CREATE INDEX documents_content ON documents (content)")
    db.execute("CREATE INDEX documents_state ON documents (state, id)")


def _texts(db: Database) -> None:
    # A row is a passage of a content. ids are never used twice: the index of vectors beside this file knows chunks by
    # them. start, end: characters from the beginning of the text. sha256: of title, heading and text, of which a
    # vector is made. Texts are in a table of their own, so that whoever only looks through chunks reads few pages.
    db.execute(
        """
        CREATE TABLE chunks (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            content INTEGER NOT NULL REFERENCES contents (id),
            ordinal INTEGER NOT NULL,
            page INTEGER,
            start INTEGER NOT NULL,
            "end" INTEGER NOT NULL,
            tokens INTEGER NOT NULL,
            sha256 BLOB NOT NULL,
            UNIQUE (content, ordinal)
        )
        """
    )
    db.execute(
        """
        CREATE TABLE chunk_texts (
            chunk INTEGER PRIMARY KEY NOT NULL REFERENCES chunks (id),
            heading TEXT NOT NULL,
            text TEXT NOT NULL
        )
        """
    )
    # Vectors of two models cannot be compared. dimensions: of all vectors of this model.
    db.execute(
        """
        CREATE TABLE embedding_models (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            key TEXT NOT NULL UNIQUE,
            dimensions INTEGER NOT NULL
        )
        """
    )
    # vector: 32-bit floats, little-endian, of length one. sha256: the chunk's, by which another chunk that says the
    # same finds it. An index of all chunks by it would be written all over with every file that is read.
    db.execute(
        """
        CREATE TABLE chunk_vectors (
            chunk INTEGER NOT NULL REFERENCES chunks (id) ON DELETE CASCADE,
            model INTEGER NOT NULL REFERENCES embedding_models (id),
            vector BLOB NOT NULL,
            sha256 BLOB NOT NULL,
            PRIMARY KEY (chunk, model)
        )
        """
    )
    db.execute("CREATE INDEX chunk_vectors_sha256 ON chunk_vectors (sha256, chunk)")


def _words(db: Database) -> None:
    # The words of every chunk. The texts are not stored a second time; what is taken out of the index must therefore be
    # exactly what was put in, which is why texts and titles never change, and leave before what they belong to. No
    # triggers do it: SQLite makes a savepoint for each, upon which FTS5 writes what it has collected, far too often.
    db.execute(
        """
        CREATE VIEW chunk_entries AS
            SELECT chunk_texts.chunk AS id, contents.title AS title, chunk_texts.heading AS heading,
                chunk_texts.text AS text
            FROM chunk_texts
            JOIN chunks ON chunks.id = chunk_texts.chunk
            JOIN contents ON contents.id = chunks.content
        """
    )
    db.execute(
        """
        CREATE VIRTUAL TABLE chunk_words USING fts5 (
            title, heading, text,
            content = 'chunk_entries', content_rowid = 'id', tokenize = 'porter unicode61 remove_diacritics 2'
        )
        """
    )
    # Collected in memory before it is written, and pieces are merged when there is time: while a folder is read,
    # merging them at once would take as long as all else.
    for option, value in (("hashsize", 8 << 20), ("automerge", 0)):
        db.execute("INSERT INTO chunk_words (chunk_words, rank) VALUES (?, ?)", [option, value])
    for table in ("chunk_texts", "contents"):
        db.execute(
            f"""
            CREATE TRIGGER {table}_fixed BEFORE UPDATE ON {table} BEGIN
                SELECT RAISE(ABORT, '{table} never change');
            END
            """
        )


def _files(db: Database) -> None:
    # A row is a file that was uploaded; it lies in a folder of its own, named by its id. purpose: what the client said.
    db.execute(
        """
        CREATE TABLE files (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL,
            purpose TEXT NOT NULL,
            size INTEGER NOT NULL,
            sha256 TEXT NOT NULL,
            created_at REAL NOT NULL
        )
        """
    )
    # What clients of OpenAI's API say about a collection. name: as they call it; called: what the collection was called
    # for it, since names of collections are unique and those of vector stores are not. metadata: JSON object.
    db.execute(
        """
        CREATE TABLE vector_stores (
            collection INTEGER PRIMARY KEY REFERENCES collections (id) ON DELETE CASCADE,
            name TEXT NOT NULL,
            called TEXT NOT NULL,
            description TEXT,
            metadata TEXT NOT NULL
        )
        """
    )
    # Files that were attached together, so that a client can wait for all of them.
    db.execute(
        """
        CREATE TABLE file_batches (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            collection INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
            created_at REAL NOT NULL,
            cancelled INTEGER NOT NULL
        )
        """
    )
    # A row is a file that is, by way of a document, in a collection. document: NULL where that was cancelled before it
    # was read. attributes: JSON object by which searches filter. What goes takes its rows along.
    db.execute(
        """
        CREATE TABLE file_attachments (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            collection INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
            file INTEGER NOT NULL REFERENCES files (id) ON DELETE CASCADE,
            document INTEGER REFERENCES documents (id) ON DELETE CASCADE,
            batch INTEGER REFERENCES file_batches (id) ON DELETE SET NULL,
            attributes TEXT NOT NULL,
            created_at REAL NOT NULL,
            UNIQUE (collection, file)
        )
        """
    )
    for column in ("file", "document", "batch"):
        db.execute(f"CREATE INDEX file_attachments_{column} ON file_attachments ({column})")
    db.execute("CREATE INDEX file_batches_collection ON file_batches (collection)")


def _conversations(db: Database) -> None:
    # A row is a conversation that every client sees. model: who answered last; NULL before. collections: JSON list of
    # the ids that are asked. changed_at: of the newest message, or of its title.
    db.execute(
        """
        CREATE TABLE conversations (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            title TEXT NOT NULL,
            model TEXT,
            collections TEXT NOT NULL,
            created_at REAL NOT NULL,
            changed_at REAL NOT NULL
        )
        """
    )
    # A row is one turn. message: JSON of the protocol's Message. attachments, citations: JSON lists that name what they
    # point to, since documents go and conversations stay.
    db.execute(
        """
        CREATE TABLE messages (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            conversation INTEGER NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
            message TEXT NOT NULL,
            attachments TEXT NOT NULL,
            citations TEXT NOT NULL,
            model TEXT,
            created_at REAL NOT NULL
        )
        """
    )
    db.execute("CREATE INDEX messages_conversation ON messages (conversation, id)")


def _responses(db: Database) -> None:
    # A row is a response of the local server that a client may go on from. previous: id of the one that it builds on,
    # which may be gone. input: JSON list of its request's items. response: JSON as it was told. used_at: when somebody
    # last built on it, at first when it was made.
    db.execute(
        """
        CREATE TABLE responses (
            id TEXT PRIMARY KEY NOT NULL,
            created_at REAL NOT NULL,
            previous TEXT,
            input TEXT NOT NULL,
            response TEXT NOT NULL,
            used_at REAL NOT NULL
        )
        """
    )
    db.execute("CREATE INDEX responses_used_at ON responses (used_at)")
