"""What things are called on the server: classes, objects, and the keys that they are found by.

A key stands for a text that is compared exactly. Weaviate would trim and fold the text itself, and
a document's name must never be taken for another one's.
"""

import hashlib
from typing import Final
from uuid import NAMESPACE_OID, UUID, uuid5

from fairlead.retrieval.stored import Ref

SLOTS: Final = 3
"""Classes of chunks that builds take in turn, so that what readers still hold outlives the next."""
_PLACES: Final = 1 << 20
"""Documents of one generation."""


def records_class(prefix: str, collection: str) -> str:
    return f"{prefix}_records_{_encoded(collection)}"


def chunks_class(prefix: str, collection: str, build: int) -> str:
    return f"{prefix}_chunks{build % SLOTS}_{_encoded(collection)}"


def alias(prefix: str, collection: str, tenant: str) -> str:
    """What always leads to the class that holds a tenant's present build."""
    return f"{prefix}_live_{_encoded(collection)}_of_{_encoded(tenant)}"


def collection_of(prefix: str, name: str) -> str | None:
    """The collection whose records a class holds; None for another class."""
    start = f"{prefix}_records_"
    if not name.startswith(start):
        return None
    return name.removeprefix(start).replace("_d", "-").replace("_u", "_")


def _encoded(name: str) -> str:
    """Collection and tenant names as classes may be called: two never become one."""
    return name.replace("_", "_u").replace("-", "_d")


def key(*parts: str) -> str:
    """What stands for a text, or for a text of some kind, where it is compared."""
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=12).hexdigest()


def object_id(kind: str, name: str = "") -> str:
    """Of an object of which there is one per name."""
    return str(uuid5(NAMESPACE_OID, f"fairlead/{kind}/{name}"))


# --- documents and chunks, whose ids order by age ------------------------------------------------


def place_in(generation: int, at: int) -> int:
    """The order of the document that came as number `at` of a generation."""
    assert at < _PLACES, "a generation has at most a million documents"
    return generation * _PLACES + at


def document_ref(order: int) -> str:
    return str(UUID(int=order << 64))


def chunk_ref(order: int, build: int, ordinal: int) -> str:
    return str(UUID(int=order << 64 | build << 40 | ordinal))


def order_of(ref: Ref) -> int:
    """Of a document, or of the document that a chunk is part of."""
    return UUID(str(ref)).int >> 64
