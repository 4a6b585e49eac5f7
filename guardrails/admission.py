"""From outside to usable: the only way to a `Passage` or a `ToolResult`.

Covers hidden characters, control tokens, instruction-like text, labels. Does not cover truth,
intent, personal data or secrets. Everything admitted from outside stays `untrusted`: it may
inform an answer and never authorise a call, which `decide` enforces.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from fairlead.errors import InputError
from fairlead.guardrails import instructions
from fairlead.guardrails.text import clean
from fairlead.schema import (
    QUESTION_LIMIT,
    Finding,
    Hit,
    Json,
    Label,
    Passage,
    ToolOutput,
    ToolResult,
)

_DEPTH: Final = 64
"""Levels of a tool's data; what lies deeper is replaced by a note."""
_surrogate: Final = re.compile("[\ud800-\udfff]")
_UNTRUSTED: Final = Label()
_FIRST_PARTY: Final = Label(integrity="first_party")


def admit_question(text: str) -> str:
    """The question without surrounding white space.

    Only validates: a question is the user's own words and is not rewritten. Raises `InputError`
    when it is empty, longer than `QUESTION_LIMIT` characters or not proper text.
    """
    if not isinstance(text, str):
        raise InputError(
            f"the question is a {type(text).__name__!r}, not text", hint="Ask with a string."
        )
    if len(text) > QUESTION_LIMIT:
        raise InputError(
            f"the question has {len(text):,} characters; at most {QUESTION_LIMIT:,} are allowed",
            hint="Shorten it, or ingest the long text as a document and ask about it.",
        )
    question = text.strip()
    if not question:
        raise InputError("the question is empty", hint="Ask something, in words.")
    if "\x00" in question:
        raise InputError(
            f"the question has a NUL byte at character {question.index(chr(0)) + 1}",
            hint="Remove it; a question is plain text.",
        )
    broken = _surrogate.search(question)
    if broken:
        raise InputError(
            f"the question has half a character at character {broken.start() + 1} "
            f"(U+{ord(broken.group()):04X})",
            hint="Send it as valid UTF-8.",
        )
    return question


def admit_hit(hit: Hit) -> Passage:
    """`hit` as a passage: text, title, headings, source and metadata cleaned and looked through.

    Findings count from the start of `hit.text`; one of another field has the span 0 to 0 and names
    the field. Ids, version and position stay exactly as the store gave them. A `Passage` comes
    back as it is.
    """
    if isinstance(hit, Passage):
        return hit
    if _spotless(hit):
        return Passage(**vars(hit), label=_UNTRUSTED)
    seen = clean(hit.text)
    elsewhere: list[Finding] = []
    fields = dict(vars(hit))
    for name in ("title", "source", "headings", "metadata"):
        fields[name] = _cleaned(fields[name], name, elsewhere, 0)
    fields["text"] = seen.text
    return Passage(
        **fields,
        label=_UNTRUSTED,
        findings=(*seen.findings, *elsewhere),
        removed=tuple(seen.removed),
    )


def admit_output(output: ToolOutput) -> ToolResult:
    """`output` as a result: `text`, `error` and every string in `data` cleaned and looked through.

    `first_party` only where the tool was declared so. Findings count from the start of
    `output.text`; one of another field has the span 0 to 0 and names the field. The arguments stay
    as they were called: they are the planner's, and an approval is bound to them.
    """
    if isinstance(output, ToolResult):
        return output
    label = _FIRST_PARTY if output.returns == "first_party" else _UNTRUSTED
    seen = clean(output.text)
    elsewhere: list[Finding] = []
    fields = dict(vars(output))
    fields["text"] = seen.text
    fields["error"] = _cleaned(output.error, "error", elsewhere, 0)
    if output.data == output.text:
        fields["data"] = seen.text
    else:
        fields["data"] = _cleaned(output.data, "data", elsewhere, 0)
    return ToolResult(**fields, label=label, findings=(*seen.findings, *elsewhere))


def _spotless(hit: Hit) -> bool:
    """True when one look over all texts of `hit` finds plain ASCII and nothing to report."""
    texts = [hit.text, hit.title, hit.source, *hit.headings]
    if hit.metadata:
        texts.extend(_strings(hit.metadata))
    joined = "\n".join(texts)
    if not joined.isascii() or hit.text.endswith("]"):
        return False
    return not instructions.scanner().rules(joined.lower())


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)


def _cleaned(value: Json, where: str, found: list[Finding], depth: int) -> Json:
    """`value` with every string cleaned, keys included; findings go to `found`, naming `where`."""
    if isinstance(value, str):
        seen = clean(value)
        for kind in dict.fromkeys(finding.kind for finding in seen.findings):
            found.append(Finding(kind=kind, start=0, end=0, detail=f"in {where}"))
        return seen.text
    if not isinstance(value, Mapping | list | tuple):
        return value
    if depth == _DEPTH:
        found.append(Finding(kind="truncated", start=0, end=0, detail=f"too deep: {where[:80]}"))
        return f"(more than {_DEPTH} levels deep)"
    if isinstance(value, Mapping):
        return _cleaned_mapping(value, where, found, depth + 1)
    return [_cleaned(inner, f"{where}[]", found, depth + 1) for inner in value]


def _cleaned_mapping(
    value: Mapping[str, Json], where: str, found: list[Finding], depth: int
) -> dict[str, Json]:
    """A key that only cleaning makes equal to another one never takes that one's place."""
    whole: dict[str, Json] = {}
    for key, inner in value.items():
        name = _cleaned(key, f"a key of {where}", found, depth)
        if name != key and (name in value or name in whole):
            continue
        whole[str(name)] = _cleaned(inner, f"{where}.{name}", found, depth)
    return whole
