"""What a docstring says of a function and of each of its parameters.

Reads the Google (`Args:`), NumPy (`Parameters` underlined) and Sphinx (`:param name:`) forms.
"""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_SECTIONS = (
    "args|arguments|parameters|params|keyword args|keyword arguments|other parameters|returns?"
    "|yields?|raises|examples?|notes?|warnings?|see also|references|attributes|todo"
)
_google = re.compile(rf"^(?:{_SECTIONS}):\s*$", re.IGNORECASE)
_numpy = re.compile(rf"^(?:{_SECTIONS})\s*\n-{{3,}}\s*$", re.IGNORECASE | re.MULTILINE)
_sphinx = re.compile(r"^:(?:param|type|returns?|rtype|raises?)\b.*$", re.MULTILINE)
_sphinx_param = re.compile(
    r"^:param\s+(?:[^:]*\s)?\*{0,2}(\w+):\s*(.*(?:\n[ \t]+.*)*)", re.MULTILINE
)
_google_param = re.compile(r"^\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)$")
_numpy_param = re.compile(r"^\*{0,2}(\w+)\s*(?::.*)?$")
_ARGUMENTS = {
    "args",
    "arguments",
    "parameters",
    "params",
    "keyword args",
    "keyword arguments",
    "other parameters",
}


@dataclass(frozen=True, kw_only=True)
class Docstring:
    """The description before any section, and a line for each described parameter."""

    description: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)


def read(text: str | None) -> Docstring:
    """The parts of a docstring; empty where there is none."""
    whole = inspect.cleandoc(text or "")
    parameters = {name: _line(said) for name, said in _sphinx_param.findall(whole)}
    for section, body in _sections(whole):
        if section in _ARGUMENTS:
            parameters.update(_described(body))
    return Docstring(description=_before_sections(whole), parameters=parameters)


def _before_sections(whole: str) -> str:
    ends = [len(whole)]
    ends += [found.start() for found in (_numpy.search(whole), _sphinx.search(whole)) if found]
    at = 0
    for line in whole.splitlines(keepends=True):
        if _google.match(line):
            ends.append(at)
            break
        at += len(line)
    paragraphs = whole[: min(ends)].strip().split("\n\n")
    return "\n".join(_line(paragraph) for paragraph in paragraphs if paragraph.strip())


def _sections(whole: str) -> list[tuple[str, list[str]]]:
    """Section names in lower case with the lines under them."""
    found: list[tuple[str, list[str]]] = []
    lines = whole.splitlines()
    for number, line in enumerate(lines):
        below = lines[number + 1] if number + 1 < len(lines) else ""
        if _google.match(line):
            found.append((line.strip().rstrip(":").lower(), []))
        elif _numpy.match(f"{line}\n{below}"):
            found.append((line.strip().lower(), []))
        elif found and not re.fullmatch(r"-{3,}\s*", line):
            found[-1][1].append(line)
    return found


def _described(lines: list[str]) -> dict[str, str]:
    """Parameter lines: `name (type): text` with deeper continuation, or NumPy's name over text."""
    said: dict[str, str] = {}
    margin = min((len(x) - len(x.lstrip()) for x in lines if x.strip()), default=0)
    name = ""
    for line in lines:
        inner = line[margin:]
        start = None if inner[:1].isspace() else _google_param.match(inner)
        bare = None if inner[:1].isspace() else _numpy_param.match(inner)
        if start and margin:
            name = start[1]
            said[name] = start[2]
        elif bare and not margin:
            name = bare[1]
            said[name] = ""
        elif name:
            said[name] = f"{said[name]} {inner}"
    return {name: _line(text) for name, text in said.items() if text.strip()}


def _line(text: str) -> str:
    return " ".join(text.split())
