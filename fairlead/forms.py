"""JSON Schema (draft 2020-12): whether a schema is one, and what is wrong with a value.

Schemas come from settings, tools and other people's servers, values from models and documents. So
nothing that lies elsewhere is fetched, patterns cannot run away, and a schema is compiled once.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

import orjson
from jsonschema_rs import (
    Draft202012Validator,
    FancyRegexOptions,
    ReferencingError,
    ValidationError,
)

_KEPT: Final = 512
"""Compiled schemas."""
_LONGEST: Final = 500
"""Characters of a complaint."""
_PATTERNS: Final = FancyRegexOptions(backtrack_limit=100_000)
_compiled: OrderedDict[bytes, Draft202012Validator] = OrderedDict()


def check_schema(schema: object) -> None:
    """Raises `ValueError` where a schema is none, or leans on one that lies elsewhere."""
    _validator(schema)


def complaint(value: object, schema: Mapping[str, Any]) -> str:
    """The most telling thing that is wrong with a JSON value; empty where it fits.

    Raises `ValueError` as `check_schema` does.
    """
    try:
        wrong = _wrong(value, schema)
    except _NoJson as error:
        return f"it holds what JSON cannot: {error}"[:_LONGEST]
    if wrong is None:
        return ""
    where = ".".join(map(str, wrong.instance_path))
    return f"{where}: {wrong.message}"[:_LONGEST] if where else wrong.message[:_LONGEST]


class _NoJson(ValueError):
    """A value that is none of JSON's: half a character, NaN."""


def _wrong(value: object, schema: Mapping[str, Any]) -> ValidationError | None:
    validator = _validator(schema)
    try:
        if validator.is_valid(value):
            return None
        return _telling(next(iter(validator.iter_errors(value))))
    except (TypeError, ValueError, OverflowError) as error:
        raise _NoJson(str(error)) from error


def _validator(schema: object) -> Draft202012Validator:
    if not isinstance(schema, Mapping | bool):
        raise ValueError("a JSON Schema is an object")
    try:
        key = orjson.dumps(schema)
    except TypeError as error:
        raise ValueError(f"a JSON Schema is JSON: {error}") from error
    found = _compiled.get(key)
    if found is None:
        try:
            found = Draft202012Validator(orjson.loads(key), offline=True, pattern_options=_PATTERNS)
        except (ValidationError, ReferencingError, ValueError) as error:
            said = getattr(error, "message", str(error))
            raise ValueError(str(said)[:_LONGEST]) from error
        _compiled[key] = found
        if len(_compiled) > _KEPT:
            _compiled.popitem(last=False)
    return found


def _telling(error: ValidationError) -> ValidationError:
    """Of alternatives that all fail, what is wrong with the one that was meant: the one whose
    constants fit, else the one with least against it."""
    branches = [branch for branch in getattr(error.kind, "context", None) or () if branch]
    if not branches:
        return error
    meant = min(branches, key=lambda branch: (any(map(_other_constant, branch)), len(branch)))
    return _telling(next((each for each in meant if not _other_constant(each)), meant[0]))


def _other_constant(error: ValidationError) -> bool:
    return str(error.schema_path[-1]) in ("const", "enum") if error.schema_path else False
