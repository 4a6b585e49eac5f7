"""What an examination found: each thing by a code that programs can rely on, with its lines."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

Severity: TypeAlias = Literal["fail", "warn", "info"]
SHOWN: Final = 100
"""Line numbers that a finding keeps; its count goes on."""
_DETAILS: Final = 5
"""Lines whose own words a finding keeps."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a code means."""

    severity: Severity
    what: str
    hint: str
    fixed: bool = False
    """No setting makes a warning of it: such data cannot be trained on."""


KINDS: Final[Mapping[str, Kind]] = {
    "json": Kind(
        severity="fail",
        what="not sound JSON",
        hint="Mend the lines: UTF-8, one JSON object each, no name twice, no NaN.",
        fixed=True,
    ),
    "form": Kind(
        severity="fail",
        what="no training example",
        hint='Write {"messages": […]} that ends with the assistant, or {"prompt", "completion"}.',
        fixed=True,
    ),
    "line_length": Kind(
        severity="fail",
        what="longer than a line may be",
        hint="Cut the example into several.",
        fixed=True,
    ),
    "empty": Kind(
        severity="fail",
        what="nothing asked or nothing answered",
        hint="Remove the lines, or write what is missing.",
        fixed=True,
    ),
    "too_few": Kind(
        severity="fail",
        what="too few different examples",
        hint="Collect more; examination.min_examples says how many are asked for.",
        fixed=True,
    ),
    "over_long": Kind(
        severity="fail",
        what="more tokens than data.max_tokens",
        hint='Shorten them, raise data.max_tokens, or leave them out: data.over_long = "drop".',
        fixed=True,
    ),
    "template": Kind(
        severity="fail",
        what="the base's chat template does not take it",
        hint="Change the messages to what the template allows.",
        fixed=True,
    ),
    "control_token": Kind(
        severity="fail",
        what="text that the base reads as a control token",
        hint="Write the token differently; the chat template adds the real ones.",
    ),
    "no_end": Kind(
        severity="fail",
        what="answers that do not end with the base's end token",
        hint="The adapter will not learn to stop: see the base's chat template and eos_token_id.",
    ),
    "secret": Kind(
        severity="fail",
        what="a secret, which the model could repeat to anybody",
        hint="Remove it, and have it revoked wherever it came from.",
    ),
    "pii": Kind(
        severity="fail",
        what="a number that belongs to a person: card, IBAN or social security",
        hint="Replace it by one set aside for examples.",
    ),
    "golden_overlap": Kind(
        severity="fail",
        what="questions of the golden set",
        hint="Remove them here: a model that was taught the questions cannot be judged by them.",
    ),
    "validation_overlap": Kind(
        severity="fail",
        what="questions of the validation set",
        hint="Remove them from one of the two: training stops by what it was not taught.",
    ),
    "contradiction": Kind(
        severity="fail",
        what="one question, answers that contradict each other",
        hint="Keep the right answer.",
    ),
    "no_split": Kind(
        severity="fail",
        what="nothing can be set aside for validation without its near duplicates",
        hint="Give --validation FILE, or set data.validation_share = 0.",
        fixed=True,
    ),
    "left_out": Kind(
        severity="warn",
        what="more tokens than data.max_tokens, and left out",
        hint="Shorten them, or raise data.max_tokens.",
    ),
    "few": Kind(
        severity="warn",
        what="few different examples",
        hint="A few dozen rarely change more than the tone; try a better prompt first.",
    ),
    "likely_secret": Kind(
        severity="warn",
        what="what may be a secret",
        hint="Look at the lines; remove what is one.",
    ),
    "contact": Kind(
        severity="warn",
        what="an e-mail, IP address or telephone number",
        hint="Leave in only what is public, such as the company's own.",
    ),
    "hidden_text": Kind(
        severity="warn",
        what="characters that no reader sees",
        hint="Remove them: a model can learn to obey what people do not see.",
    ),
    "control_like": Kind(
        severity="warn",
        what="text of the form of a control token",
        hint="Check with --base, whose own tokens decide.",
    ),
    "duplicate": Kind(
        severity="warn",
        what="the same as an earlier line",
        hint="They train once; data.drop_duplicates = false trains them as often as they stand.",
    ),
    "near_duplicate": Kind(
        severity="warn",
        what="nearly the same as an earlier line",
        hint="Keep one of each. They stay on one side of the split in any case.",
    ),
    "several_answers": Kind(
        severity="warn",
        what="one question, several answers",
        hint="Keep one, unless variety is what it is for.",
    ),
    "imbalance": Kind(
        severity="warn",
        what="answers that are much rarer than others",
        hint="Add examples of the rare ones.",
    ),
    "unknown_tool": Kind(
        severity="warn",
        what="calls of tools that the example does not offer",
        hint="Name every tool that is called in 'tools'.",
    ),
    "tool_arguments": Kind(
        severity="warn",
        what="arguments that break the tool's own schema",
        hint="A model learns the wrong calls as well as the right ones.",
    ),
    "no_template": Kind(
        severity="warn",
        what="prompts and completions without a chat template",
        hint="They train as plain text; a server that answers chats will not see that form.",
    ),
    "ignored": Kind(
        severity="info",
        what="names beside the example that are not read",
        hint="Nothing to do, unless one of them should have been read.",
    ),
    "estimated": Kind(
        severity="info",
        what="tokens are estimated, at four bytes each",
        hint="Give --base; where it has a chat template, jinja2 is needed too (extra `train`).",
    ),
}
"""Every code there is."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was found, with all its lines."""

    code: str
    severity: Severity
    message: str
    hint: str
    count: int = 1
    lines: tuple[int, ...] = ()
    """The first hundred, rising; empty for what concerns the whole file."""


@dataclass(kw_only=True)
class _Gathered:
    count: int = 0
    last: int = 0
    lines: list[int] = field(default_factory=list)
    details: list[str] = field(default_factory=list)


class Findings:
    """Gathers what is found, in bounded memory. `allow` and `forbid` name codes that only warn, or
    that fail, against the rule."""

    def __init__(self, *, allow: Collection[str] = (), forbid: Collection[str] = ()) -> None:
        self._allow, self._forbid = frozenset(allow), frozenset(forbid)
        self._gathered: dict[str, _Gathered] = {}

    def add(self, code: str, line: int = 0, detail: str = "") -> None:
        """Notes one thing; `line` 0 concerns the whole file. Several of one line count once."""
        held = self._gathered.setdefault(code, _Gathered())
        if line and held.last == line:
            return
        held.count += 1
        held.last = line
        if line and len(held.lines) < SHOWN:
            held.lines.append(line)
        if detail and len(held.details) < _DETAILS:
            held.details.append(f"line {line}: {detail}" if line else detail)

    def found(self) -> tuple[Finding, ...]:
        """Everything, failures first."""
        made = [self._finding(code, held) for code, held in self._gathered.items()]
        rank = {"fail": 0, "warn": 1, "info": 2}
        order = list(KINDS)
        return tuple(sorted(made, key=lambda each: (rank[each.severity], order.index(each.code))))

    def _finding(self, code: str, held: _Gathered) -> Finding:
        kind = KINDS[code]
        said = kind.what
        if held.lines:
            said += f", {held.count} line{'s' if held.count > 1 else ''}"
        if held.details:
            said += f" ({'; '.join(held.details)}"
            said += f"; and {held.count - _DETAILS} more)" if held.count > _DETAILS else ")"
        return Finding(
            code=code,
            severity=self._severity(code, kind),
            message=said,
            hint=kind.hint,
            count=held.count,
            lines=tuple(sorted(held.lines)),
        )

    def _severity(self, code: str, kind: Kind) -> Severity:
        if code in self._forbid:
            return "fail"
        return "warn" if code in self._allow and not kind.fixed else kind.severity


def of_severity(findings: Iterable[Finding], severity: Severity) -> Iterator[Finding]:
    """Those of one severity."""
    return (each for each in findings if each.severity == severity)
