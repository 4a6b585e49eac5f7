"""The tables of one collection's file.

A row of `document` is one version of one document, live from the index version `added_in` until
`removed_in`; a removed one stays, so that old citations can be resolved and old states searched. An
erased one stays as a tombstone: `erased` says when and why, its text and metadata are gone.

A row of `chunk` belongs to one build: a way of cutting that is made beside the active one and takes
its place in one transaction. `terms` is what the lexical index knows of a chunk; `frame.py` inverts
it in memory. A vector belongs to a text and an embedder, not to a chunk: what stays the same is
never embedded twice.

Whatever changes a document gives it the generation of the transaction, so that a reader's frame is
brought up to date by what changed, and not read anew.
"""

import sqlite3

from fairlead.errors import SettingsError
from fairlead.storage import Migration
from fairlead.storage.sqlite import statements

_SCHEMA = """
CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE version (
    number INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    reason TEXT NOT NULL,
    run TEXT NOT NULL,
    documents INTEGER NOT NULL
);
CREATE TABLE document (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    version TEXT NOT NULL,
    source TEXT NOT NULL,
    origin TEXT NOT NULL,
    title TEXT NOT NULL,
    url TEXT NOT NULL,
    published_at TEXT NOT NULL,
    fetched_at TEXT NOT NULL,
    seen_at TEXT NOT NULL,
    expires TEXT NOT NULL,
    language TEXT NOT NULL,
    metadata TEXT NOT NULL,
    acl TEXT NOT NULL,
    label TEXT NOT NULL,
    findings TEXT NOT NULL,
    markup TEXT NOT NULL,
    body INTEGER NOT NULL,
    run TEXT NOT NULL,
    digest TEXT NOT NULL,
    content BLOB NOT NULL,
    added_in INTEGER NOT NULL,
    removed_in INTEGER,
    generation INTEGER NOT NULL,
    erased TEXT NOT NULL DEFAULT '',
    text BLOB NOT NULL
);
CREATE UNIQUE INDEX document_live ON document (id) WHERE removed_in IS NULL;
CREATE INDEX document_version ON document (id, version);
CREATE INDEX document_origin ON document (origin) WHERE removed_in IS NULL;
CREATE INDEX document_content ON document (content) WHERE removed_in IS NULL;
CREATE INDEX document_expires ON document (expires) WHERE expires <> '';
CREATE INDEX document_generation ON document (generation);
CREATE TABLE field (
    document INTEGER NOT NULL REFERENCES document (row) ON DELETE CASCADE,
    name TEXT NOT NULL,
    word TEXT,
    number REAL,
    moment REAL
);
CREATE INDEX field_document ON field (document);
CREATE INDEX field_word ON field (name, word, document);
CREATE INDEX field_number ON field (name, number, document) WHERE number IS NOT NULL;
CREATE INDEX field_moment ON field (name, moment, document) WHERE moment IS NOT NULL;
CREATE TABLE band (
    key INTEGER NOT NULL,
    document INTEGER NOT NULL REFERENCES document (row) ON DELETE CASCADE,
    PRIMARY KEY (key, document)
) WITHOUT ROWID;
CREATE INDEX band_document ON band (document);
CREATE TABLE build (
    number INTEGER PRIMARY KEY,
    chunker TEXT NOT NULL,
    embedder TEXT NOT NULL,
    at TEXT NOT NULL
);
CREATE TABLE chunk (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    document INTEGER NOT NULL REFERENCES document (row),
    build INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    kind TEXT NOT NULL,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    read_start INTEGER NOT NULL,
    read_stop INTEGER NOT NULL,
    headings TEXT NOT NULL,
    lead TEXT NOT NULL,
    carried TEXT NOT NULL,
    body TEXT NOT NULL,
    digest BLOB NOT NULL,
    embedded BLOB NOT NULL,
    titled BLOB NOT NULL,
    tokens INTEGER NOT NULL,
    terms BLOB NOT NULL
);
CREATE INDEX chunk_document ON chunk (document, build, ordinal);
CREATE INDEX chunk_embedded ON chunk (embedded);
CREATE INDEX chunk_id ON chunk (id);
CREATE TABLE term (id INTEGER PRIMARY KEY, stem TEXT NOT NULL UNIQUE);
CREATE TABLE embedder (row INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE);
CREATE TABLE vector (
    row INTEGER PRIMARY KEY,
    embedder INTEGER NOT NULL REFERENCES embedder (row),
    embedded BLOB NOT NULL,
    scale REAL NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (embedded, embedder)
);
CREATE TABLE origin (
    source TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    documents INTEGER NOT NULL,
    etag TEXT NOT NULL,
    last_modified TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE quarantine (
    id TEXT PRIMARY KEY,
    at TEXT NOT NULL,
    gate TEXT NOT NULL,
    reason TEXT NOT NULL,
    document TEXT NOT NULL,
    source TEXT NOT NULL,
    origin TEXT NOT NULL,
    digest TEXT NOT NULL,
    expires TEXT NOT NULL,
    run TEXT NOT NULL,
    record BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX quarantine_document ON quarantine (document);
CREATE TABLE audit (
    row INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE TABLE entity (
    name TEXT NOT NULL,
    chunk INTEGER NOT NULL REFERENCES chunk (row) ON DELETE CASCADE,
    PRIMARY KEY (name, chunk)
) WITHOUT ROWID;
CREATE INDEX entity_chunk ON entity (chunk);
"""


def _create(connection: sqlite3.Connection) -> None:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'fts'").fetchone():
        raise SettingsError(
            "the collection was stored by a version of Fairlead before its first release",
            hint="Move the `knowledge` folder below storage.path away and ingest again.",
        )
    for statement in statements(_SCHEMA):
        connection.execute(statement)


MIGRATIONS: tuple[Migration, ...] = ("", _create)
