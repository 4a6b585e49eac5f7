"""Tags say of every value what the embedded store's comparisons say."""

import sqlite3

from hypothesis import given
from hypothesis import strategies as st

from fairlead.retrieval.embedded.scope import _test
from fairlead.retrieval.filters import Filter, Kind, parsed_filters, readings
from fairlead.retrieval.weaviate.conditions import condition, orders_words, tags
from fairlead.schema import Json

SCALARS: st.SearchStrategy[Json] = st.one_of(
    st.integers(-(10**6), 10**6),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.sampled_from(["2024-01-01", "2024-01-01T10:00:00+02:00", "true", "False", "1e3", "-0", ""]),
    st.text(max_size=3),
)
VALUES: st.SearchStrategy[Json] = st.one_of(st.none(), SCALARS, st.lists(SCALARS, max_size=3))
KINDS: st.SearchStrategy[Kind] = st.sampled_from(["any", "string", "number", "boolean", "date"])


def by_sql(stored: Json, wanted: Filter) -> bool:
    """As the embedded store decides."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE field (word TEXT, number REAL, moment REAL)")
    for each in readings(stored):
        row = (each.word, each.number, each.moment)
        connection.execute("INSERT INTO field VALUES (?, ?, ?)", row)
    tests: list[str] = []
    values: list[str | float] = []
    for operand in wanted.readings:
        test, given_ = _test(wanted, operand)
        tests.append(f"({test})")
        values += given_
    query = f"SELECT count(*) FROM field WHERE {' OR '.join(tests) or '1'}"
    found = bool(connection.execute(query, values).fetchone()[0])
    connection.close()
    return found is not (wanted.operator == "ne" or not wanted.wanted)


def by_tags(stored: Json, wanted: Filter) -> bool:
    words = tuple(readings(stored)) if orders_words(wanted) else ()
    found = condition(wanted, words)
    return bool(set(tags({"f": stored})) & set(found.tags)) is not found.negative


@given(VALUES, st.sampled_from(["eq", "ne", "gte", "lte"]), SCALARS, KINDS)
def test_comparisons(stored: Json, operator: str, operand: Json, kind: Kind) -> None:
    try:
        (wanted,) = parsed_filters({"f": {operator: operand}}, {"f": kind})
    except ValueError:
        return
    except Exception as error:
        assert type(error).__name__ == "InputError"  # an operand that is not of the kind
        return
    assert by_tags(stored, wanted) == by_sql(stored, wanted)


@given(VALUES, st.booleans())
def test_existence(stored: Json, there: bool) -> None:
    (wanted,) = parsed_filters({"f": {"exists": there}}, {})
    assert by_tags(stored, wanted) == by_sql(stored, wanted)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False))
def test_ranges_are_small(stored: float, bound: float) -> None:
    wanted = parsed_filters({"f": {"gte": bound}}, {}) if abs(bound) < float("inf") else ()
    assert all(len(condition(each).tags) <= 241 for each in wanted)
    assert len(tags({"f": stored})) <= 3 + 16


def test_other_fields_do_not_count() -> None:
    (wanted,) = parsed_filters({"f": 1}, {})
    assert not set(tags({"g": 1, "ff": 1})) & set(condition(wanted).tags)
