"""Looks at one document by itself: size, language, metadata, secrets, personal data, instructions.

What it cannot know: whether what a document says is true, or meant well. Findings are labels; the
settings say which of them keep a document out.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from fairlead.forms import complaint
from fairlead.guardrails import Sensitive, clean, find_pii, find_secrets, masked
from fairlead.guardrails.hygiene import without
from fairlead.guardrails.pii import DEFAULT
from fairlead.guardrails.sensitive import resolved
from fairlead.retrieval.filters import fits_kind
from fairlead.retrieval.gates.language import language_of, plain_code
from fairlead.retrieval.gates.rules import Rules
from fairlead.retrieval.records import Record
from fairlead.schema import Finding, Json

_KINDS: Final = ("hidden_text", "control_token", "instruction_like")


@dataclass(frozen=True, kw_only=True)
class Passed:
    """A document that may become visible; masked where the settings say so."""

    record: Record
    findings: tuple[Mapping[str, Json], ...] = ()
    """For the report: kind, how often, what was done; never the text itself."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """A document that a gate kept out, and why."""

    gate: str
    reason: str
    findings: tuple[Mapping[str, Json], ...] = ()


class _Stopped(Exception):
    """A gate said no."""

    def __init__(self, gate: str, reason: str) -> None:
        super().__init__(reason)
        self.gate, self.reason = gate, reason


@dataclass(kw_only=True)
class _Course:
    """One document on its way through the gates."""

    record: Record
    findings: list[Mapping[str, Json]] = field(default_factory=list)

    def found(self, kind: str, action: str, counts: Mapping[str, int]) -> None:
        for name, count in counts.items():
            self.findings.append(
                {
                    "source": self.record.source,
                    "document_id": self.record.id,
                    "kind": kind,
                    "what": name,
                    "count": count,
                    "action": action,
                }
            )


class Examination:
    """The gates of one collection, in order."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._gates: Sequence[Callable[[_Course], None]] = (
            self._size,
            self._language,
            self._metadata,
            self._hidden,
            self._secrets,
            self._personal,
        )

    def examine(self, record: Record, *, released: Collection[str] = ()) -> Passed | Held:
        """Passes a document or holds it; `released` names gates that a person has overruled."""
        course = _Course(record=record)
        for gate in self._gates:
            try:
                gate(course)
            except _Stopped as stopped:
                if stopped.gate in released:
                    continue
                return Held(
                    gate=stopped.gate, reason=stopped.reason, findings=tuple(course.findings)
                )
        return Passed(record=course.record, findings=tuple(course.findings))

    # --- gates -----------------------------------------------------------------------------------

    def _size(self, course: _Course) -> None:
        size = len(course.record.text)
        if size > self._rules.max_chars:
            raise _Stopped("size", f"has {size:,} characters; {self._rules.max_chars:,} are taken")
        if size < self._rules.min_chars:
            raise _Stopped("size", f"has {size:,} characters; {self._rules.min_chars:,} are asked")

    def _language(self, course: _Course) -> None:
        record = course.record
        if not record.language:
            found = language_of(record.text[record.body :])
            course.record = record = replace(record, language=found)
        wanted = self._rules.languages
        code = plain_code(record.language)
        if wanted and code not in wanted:
            said = f"is in {record.language!r}" if record.language else "is in no known language"
            raise _Stopped("language", f"{said}; {', '.join(wanted)} are taken")

    def _metadata(self, course: _Course) -> None:
        metadata = dict(course.record.metadata)
        for name, kind in self._rules.fields.items():
            if not fits_kind(metadata.get(name), kind):
                raise _Stopped("metadata", f"{name!r} is no {kind}: {metadata[name]!r}")
        if self._rules.schema is not None:
            wrong = complaint(metadata, self._rules.schema)
            if wrong:
                raise _Stopped("metadata", f"breaks its schema: {wrong[:300]}")

    def _hidden(self, course: _Course) -> None:
        """Hidden text, control tokens and instructions: found here, taken out when it is read."""
        record, guard = course.record, self._rules.guard
        seen = (*record.findings, *clean(record.text).findings)
        counts = Counter(finding.kind for finding in seen if finding.kind in _KINDS)
        blocked = {"hidden_text": guard.hidden_text == "block"}
        blocked["instruction_like"] = guard.instructions == "block"
        if guard.instructions == "off":
            counts.pop("instruction_like", None)
        course.record = replace(record, findings=tuple(_bounded(seen)))
        for kind, count in counts.items():
            action = "quarantined" if blocked.get(kind) else "flagged"
            course.found(kind, action, {_first(seen, kind): count})
            if blocked.get(kind):
                raise _Stopped(kind, f"holds {kind.replace('_', ' ')}, {count} times")

    def _secrets(self, course: _Course) -> None:
        policy, text = self._rules.guard.secrets, course.record.text
        if policy != "off":
            found = find_secrets(text)
            likely = Counter(each.entity for each in found if each.certainty == "likely")
            course.found("secret", "flagged", likely)
            known = {text: found}  # found once only

            def find(said: str) -> Sequence[Sensitive]:
                found = known[said] if said in known else find_secrets(said)
                return [each for each in found if each.certainty == "certain"]

            _acted(course, "secret", policy, find)

    def _personal(self, course: _Course) -> None:
        guard = self._rules.guard
        if guard.pii != "off":

            def find(text: str) -> Sequence[Sensitive]:
                found = find_pii(text, guard.pii_entities or DEFAULT)
                return [each for each in found if each.certainty != "example"]

            _acted(course, "pii", guard.pii, find)


_Find: TypeAlias = Callable[[str], Sequence[Sensitive]]
_GATES: Final = {"secret": "secrets", "pii": "pii"}


def _acted(course: _Course, kind: str, policy: str, find: _Find) -> None:
    """Flags, masks or stops what stands in a document's text, title and metadata."""
    record = course.record
    in_text = _seen(record.text, find)
    counts = Counter(each.entity for each in in_text)
    for value in (record.title, *_strings(dict(record.metadata))):
        beside = (
            each for each in _seen(value, find) if value[each.start : each.end] not in record.text
        )
        counts.update(each.entity for each in beside)
    if not counts:
        return
    done = {"flag": "flagged", "mask": "masked", "block": "quarantined"}[policy]
    course.found(kind, done, counts)
    if policy == "block":
        said = ", ".join(f"{count} × {name}" for name, count in sorted(counts.items()))
        raise _Stopped(_GATES[kind], f"holds {said}")
    if policy == "mask":
        course.record = _masked(record, in_text, find)


def _seen(text: str, find: _Find) -> Sequence[Sensitive]:
    """What stands in a text as it is stored and as it is read, without its hidden characters."""
    found = find(text)
    gone = () if text.isascii() else clean(text).removed
    if not gone:
        return found

    def stored(at: int) -> int:
        return at + bisect_right(range(len(gone)), at, key=lambda count: gone[count] - count)

    read = [
        replace(each, start=stored(each.start), end=stored(each.end - 1) + 1)
        for each in find(without(text, gone))
    ]
    return resolved((*found, *read))


def _masked(record: Record, in_text: Sequence[Sensitive], find: _Find) -> Record:
    def text(value: str) -> str:
        return masked(value, _seen(value, find))

    def covered(value: Json) -> Json:
        if isinstance(value, str):
            return text(value)
        if isinstance(value, Mapping):
            return {key: covered(inner) for key, inner in value.items()}
        return [covered(inner) for inner in value] if isinstance(value, list) else value

    head = [each for each in in_text if each.end <= record.body]
    return replace(
        record,
        text=masked(record.text, in_text),
        body=len(masked(record.text[: record.body], head)),
        title=text(record.title),
        metadata={name: covered(value) for name, value in record.metadata.items()},
        findings=tuple(replace(each, detail=text(each.detail)) for each in record.findings),
    )


def _strings(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (Mapping, list)):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(inner)


def _first(findings: Iterable[Finding], kind: str) -> str:
    """What the first finding of a kind was, in a few words and without quoting the text."""
    detail = next((finding.detail for finding in findings if finding.kind == kind), "")
    return re.split(r":| that spell ", detail)[0][:80] or kind


def _bounded(findings: Iterable[Finding]) -> list[Finding]:
    """What is stored with the document: the first of each kind, a few."""
    counts: Counter[str] = Counter()
    kept = []
    for finding in findings:
        counts[finding.kind] += 1
        if counts[finding.kind] <= 8:
            kept.append(finding)
    return kept
