"""A tool's arguments filled from a question: by JSON Schema, by name, by description."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fairlead.agents.literals import Found, Kind, Value, literals, zone
from fairlead.agents.words import STOP_WORDS, fold, stem, stems, words
from fairlead.schema import Json, ToolSpec

_EMAILS: Final = frozenset("email mail e-mail recipient to cc bcc sender".split())
_IDS: Final = frozenset("id number no nr code ref reference sku key uuid identifier ticket".split())
_QUERIES: Final = frozenset(
    "query q question search text term terms topic keywords keyword prompt phrase".split()
)
_SUMS: Final = frozenset("amount price sum money cost value budget".split())
_DATES: Final = frozenset("date day since until deadline when".split())
_PLACES: Final = frozenset("country city place location region state".split())
_CONTENT: Final = frozenset("subject body message content note reason title comment".split())
_CURRENCY: Final = frozenset("usd eur gbp nok sek dkk chf jpy dollar euro pound krone".split())


@dataclass(frozen=True, kw_only=True)
class Filled:
    """The arguments that could be told, and the required ones that could not.

    `firm`: some argument was told by its form or by the words around it, not by guessing.
    """

    arguments: Mapping[str, Json]
    missing: tuple[str, ...]
    firm: bool


@dataclass(frozen=True, kw_only=True)
class _Slot:
    """One parameter; `about` are stems of its name, `said` of its description too."""

    name: str
    schema: Mapping[str, Any]
    tool: ToolSpec
    required: bool

    @property
    def parts(self) -> frozenset[str]:
        spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", self.name).replace("_", " ")
        return frozenset(words(spaced))

    @property
    def about(self) -> frozenset[str]:
        """Stems of what the parameter names: `order_id` is about orders."""
        own = frozenset(stem(word) for word in self.parts if word not in _IDS)
        return own or frozenset(stems(self.tool.name.replace("_", " ")))

    @property
    def said(self) -> frozenset[str]:
        return frozenset(stems(str(self.schema.get("description", ""))))

    def is_a(self, *kinds: frozenset[str]) -> bool:
        return any(self.parts & kind for kind in kinds)


def fill(spec: ToolSpec, question: str, known: Sequence[tuple[str, str]] = ()) -> Filled:
    """Arguments of `spec` told by `question`; `known` are keys and values of earlier results.

    `known` fills only what the question leaves open, by equal names, and never an argument with
    authority.
    """
    schema = spec.parameters
    properties = schema.get("properties")
    required = schema.get("required")
    names = required if isinstance(required, list) else []
    found = list(literals(question))
    values: dict[str, Json] = {}
    missing: list[str] = []
    firm = False
    slots = [
        _Slot(name=name, schema=_plain(inner, schema), tool=spec, required=name in names)
        for name, inner in (properties if isinstance(properties, Mapping) else {}).items()
    ]
    for slot in sorted(slots, key=lambda s: (not s.required, -_strictness(s))):
        value, sure, used = _filled(slot, question, found)
        if value is None and slot.required and slot.name not in spec.authority:
            value = next((v for k, v in known if fold(k) == fold(slot.name)), None)
        if value is None:
            if slot.required:
                missing.append(slot.name)
            continue
        if not slot.required and not sure:
            continue
        values[slot.name] = value
        firm = firm or sure
        if used is not None:
            found = [f for f in found if not (f.start < used.end and used.start < f.end)]
    ordered = {slot.name: values[slot.name] for slot in slots if slot.name in values}
    missed = tuple(slot.name for slot in slots if slot.name in missing)
    return Filled(arguments=ordered, missing=missed, firm=firm)


def _plain(schema: Any, root: Mapping[str, Json]) -> Mapping[str, Any]:
    """The schema with its reference followed and `null` taken out of its alternatives."""
    if not isinstance(schema, Mapping):
        return {}
    found: dict[str, Any] = dict(schema)
    reference = found.pop("$ref", None)
    if isinstance(reference, str) and reference.startswith("#/$defs/"):
        definitions = root.get("$defs")
        inner = definitions.get(reference[8:]) if isinstance(definitions, Mapping) else None
        found = {**(inner if isinstance(inner, Mapping) else {}), **found}
    for key in ("anyOf", "oneOf", "allOf"):
        options = found.get(key)
        if isinstance(options, list):
            real = [o for o in options if isinstance(o, Mapping) and o.get("type") != "null"]
            if real:
                found = {**_plain(real[0], root), **{k: v for k, v in found.items() if k != key}}
    return found


def _strictness(slot: _Slot) -> int:
    """Parameters of a narrow form choose their literal first."""
    schema = slot.schema
    if "enum" in schema or "const" in schema or "pattern" in schema:
        return 3
    if schema.get("format") or slot.is_a(_EMAILS, _IDS):
        return 2
    return 1 if schema.get("type") in ("integer", "number") else 0


def _filled(slot: _Slot, question: str, found: Sequence[Found]) -> tuple[Json, bool, Found | None]:
    """The value, whether it is sure, and the literal it was taken from."""
    schema = slot.schema
    options = schema.get("enum")
    if isinstance(options, list):
        return _option(options, question), True, None
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return _number(slot, found)
    if kind == "array":
        inner = schema.get("items")
        one = _Slot(
            name=slot.name,
            schema=inner if isinstance(inner, Mapping) else {},
            tool=slot.tool,
            required=slot.required,
        )
        return _several(one, question, found)
    return _string(slot, question, found) if kind in ("string", None) else (None, False, None)


def _option(options: Sequence[Any], question: str) -> Json:
    said = f" {' '.join(words(question))} "
    rooted = f" {' '.join(stem(word) for word in words(question))} "
    for option in sorted(options, key=lambda o: -len(str(o))):
        name = " ".join(words(str(option)))
        roots = " ".join(stem(word) for word in words(str(option)))
        if name and (f" {name} " in said or f" {roots} " in rooted):
            chosen: Json = option
            return chosen
    return None


def _number(slot: _Slot, found: Sequence[Found]) -> tuple[Json, bool, Found | None]:
    numbers = [f for f in found if f.kind == "number"]
    if slot.schema.get("type") == "integer":
        numbers = [f for f in numbers if isinstance(f.value, int)]
    numbers = [f for f in numbers if _within(f.value, slot.schema)]
    ranked = sorted(((_affinity(slot, f), -f.start, f) for f in numbers), key=lambda r: r[:2])
    if not ranked:
        return None, False, None
    affinity, _, best = ranked[-1]
    identifies = slot.is_a(_IDS) or slot.name == "id"
    if affinity <= 0 and (identifies or affinity < 0 or len(ranked) > 1):
        return None, False, None
    value = best.value
    if slot.schema.get("type") == "number":
        value = float(value)
    return value, affinity > 0, best


def _affinity(slot: _Slot, found: Found) -> int:
    """How well the words around a number fit a parameter."""
    around = {*found.before, *found.after}
    money = bool({*found.before[-1:], *found.after[:1]} & _CURRENCY)
    score = 2 if slot.about & set(found.before) else (1 if slot.about & around else 0)
    score += 1 if score == 0 and slot.said & around and not slot.is_a(_IDS) else 0
    if slot.is_a(_SUMS):
        return score + 2 if money else score
    return score - 2 if money else score


def _within(value: Value, schema: Mapping[str, Any]) -> bool:
    low, high = schema.get("minimum"), schema.get("maximum")
    number = float(value)
    return not (
        (isinstance(low, int | float) and number < low)
        or (isinstance(high, int | float) and number > high)
    )


def _several(slot: _Slot, question: str, found: Sequence[Found]) -> tuple[Json, bool, Found | None]:
    left = list(found)
    values: list[Json] = []
    while True:
        value, sure, used = _filled(slot, question, left)
        if value is None or not sure:
            break
        values.append(value)
        if used is None:
            break
        left = [f for f in left if not (f.start < used.end and used.start < f.end)]
    return (values or None), bool(values), None


def _string(slot: _Slot, question: str, found: Sequence[Found]) -> tuple[Json, bool, Found | None]:
    pattern = slot.schema.get("pattern")
    if isinstance(pattern, str):
        return _patterned(pattern, question, found)
    form = slot.schema.get("format")
    if form == "email" or (slot.is_a(_EMAILS) and slot.said & {"email", "mail", "address"}):
        return _first(found, "email")
    if slot.is_a(frozenset({"email", "mail"})):
        return _first(found, "email")
    if form in ("date", "date-time") or slot.is_a(_DATES) or "iso" in slot.said:
        return _first(found, "date")
    if form in ("uri", "url") or slot.is_a(frozenset({"url", "uri", "link"})):
        return _first(found, "url")
    if slot.is_a(frozenset({"expression", "formula"})):
        return _first(found, "expression")
    if slot.is_a(frozenset({"zone", "timezone", "tz"})):
        place = zone(question)
        return place, place is not None, None
    if slot.is_a(_IDS) or slot.said & {"identifi", "number", "code"}:
        return _identifier(slot, found)
    return _words(slot, question, found)


def _first(found: Sequence[Found], kind: Kind) -> tuple[Json, bool, Found | None]:
    one = next((f for f in found if f.kind == kind), None)
    return (one.value, True, one) if one else (None, False, None)


def _patterned(
    pattern: str, question: str, found: Sequence[Found]
) -> tuple[Json, bool, Found | None]:
    """The first word or literal that the schema's pattern takes whole."""
    try:
        wanted = re.compile(pattern)
    except re.error:
        return None, False, None
    for one in found:
        if isinstance(one.value, str) and len(one.value) <= 100 and wanted.fullmatch(one.value):
            return one.value, True, one
    for match in re.finditer(r"[^\s,;?!\"'()]{1,100}", question):
        word = match[0].strip(".:#")
        if word and wanted.fullmatch(word) and word.lower() not in STOP_WORDS:
            at = match.start()
            return word, True, Found(kind="identifier", value=word, start=at, end=match.end())
    return None, False, None


def _identifier(slot: _Slot, found: Sequence[Found]) -> tuple[Json, bool, Found | None]:
    """A token with digits, best the one behind a word that the parameter is about."""
    tokens = [f for f in found if f.kind == "identifier"]
    named = [f for f in tokens if slot.about & set(f.before)]
    shaped = [f for f in tokens if re.search(r"[A-Za-z].*\d{2,}|\d{4,}", str(f.value))]
    for group, sure in ((named, True), (shaped, len(shaped) == 1)):
        if group:
            return str(group[0].value), sure, group[0]
    return None, False, None


def _words(slot: _Slot, question: str, found: Sequence[Found]) -> tuple[Json, bool, Found | None]:
    """Free text: what is quoted, the whole question for a query, a name for what is named."""
    if slot.is_a(_CONTENT):
        return _message(slot, question, found)
    quoted = _first(found, "quoted")
    if quoted[0] is not None:
        return quoted
    if slot.is_a(_QUERIES):
        return question.strip(), False, None
    described = set(words(slot.tool.description))
    names = [f for f in found if f.kind == "name" and not set(words(str(f.value))) <= described]
    if slot.is_a(_PLACES):
        names = [
            f for f in names if set(f.before[-1:]) & {"in", "to", "from", "for", "at"}
        ] or names
    return (names[0].value, False, names[0]) if names else (None, False, None)


def _message(slot: _Slot, question: str, found: Sequence[Found]) -> tuple[Json, bool, Found | None]:
    """Quoted text behind the parameter's name, else the next quoted one, else what is "said"."""
    quoted = [f for f in found if f.kind == "quoted"]
    named = [f for f in quoted if slot.about & set(f.before)]
    if named or quoted:
        one = (named or quoted)[0]
        return one.value, bool(named), one
    said = re.search(
        r"\b(?:saying|that says|which says|telling (?:him|her|them))\s+(?:that\s+)?(.+)$", question
    )
    if said and slot.is_a(frozenset({"body", "message", "content", "text"})):
        return said[1].rstrip(), True, None
    return None, False, None
