"""The tables of one collection's file.

A row of `document` is one version of one document, live from the index version `added_in` until
`removed_in`; a removed one stays, so that old citations can be resolved and old states searched.
`fts` covers the live chunks only, so that history does not shift the score statistics. A vector
belongs to a text and an embedder, not to a chunk: what stays the same is never embedded twice.
"""

from fairlead.retrieval.analysis import TOKENIZER
from fairlead.storage import Migration

_FIRST = f"""
CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE version (
    number INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    reason TEXT NOT NULL,
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
    language TEXT NOT NULL,
    metadata TEXT NOT NULL,
    acl TEXT NOT NULL,
    expires TEXT NOT NULL,
    digest TEXT NOT NULL,
    added_in INTEGER NOT NULL,
    removed_in INTEGER,
    text TEXT NOT NULL
);
CREATE UNIQUE INDEX document_live ON document (id) WHERE removed_in IS NULL;
CREATE INDEX document_version ON document (id, version);
CREATE INDEX document_origin ON document (origin) WHERE removed_in IS NULL;
CREATE INDEX document_limited ON document (row) WHERE acl <> '' OR expires <> '';
CREATE TABLE chunk (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    document INTEGER NOT NULL REFERENCES document (row),
    ordinal INTEGER NOT NULL,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    headings TEXT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    meta TEXT NOT NULL,
    digest BLOB NOT NULL,
    embedded BLOB NOT NULL,
    live INTEGER NOT NULL
);
CREATE INDEX chunk_document ON chunk (document, ordinal);
CREATE INDEX chunk_live ON chunk (embedded) WHERE live = 1;
CREATE TABLE embedder (row INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE);
CREATE TABLE vector (
    embedder INTEGER NOT NULL REFERENCES embedder (row),
    embedded BLOB NOT NULL,
    scale REAL NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (embedder, embedded)
) WITHOUT ROWID;
CREATE VIEW live_chunk AS SELECT row, title, body, meta FROM chunk WHERE live = 1;
CREATE VIRTUAL TABLE fts USING fts5(
    title, body, meta, content='live_chunk', content_rowid='row', tokenize='{TOKENIZER}'
);
INSERT INTO fts(fts, rank) VALUES ('rank', 'bm25(3.0, 1.0, 1.0)');
CREATE TRIGGER chunk_added AFTER INSERT ON chunk WHEN new.live = 1 BEGIN
    INSERT INTO fts(rowid, title, body, meta) VALUES (new.row, new.title, new.body, new.meta);
END;
CREATE TRIGGER chunk_gone AFTER DELETE ON chunk WHEN old.live = 1 BEGIN
    INSERT INTO fts(fts, rowid, title, body, meta)
        VALUES ('delete', old.row, old.title, old.body, old.meta);
END;
CREATE TRIGGER chunk_changed AFTER UPDATE OF title, body, meta, live ON chunk BEGIN
    INSERT INTO fts(fts, rowid, title, body, meta)
        SELECT 'delete', old.row, old.title, old.body, old.meta WHERE old.live = 1;
    INSERT INTO fts(rowid, title, body, meta)
        SELECT new.row, new.title, new.body, new.meta WHERE new.live = 1;
END;
"""

MIGRATIONS: tuple[Migration, ...] = (_FIRST,)
