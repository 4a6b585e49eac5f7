"""Prompts: package text put together with guarded values. Nothing else may enter one."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Final

from fairlead.errors import SettingsError
from fairlead.guardrails import clean
from fairlead.protocols import Message
from fairlead.schema import Passage, ToolResult, Turn

NO_ANSWER: Final = "NO ANSWER"
"""What the prompt asks a model to write when the sources do not hold the answer."""
TURNS: Final = 6
"""Earlier turns that are shown."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """The text that a kind of request begins with."""

    text: str

    @cached_property
    def version(self) -> str:
        """The first 12 hexadecimal digits of the text's SHA-256."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]


def read_prompt(name: str, given: str | Path | None = None) -> Prompt:
    """The prompt `NAME.md` of this package, or what was given instead: a text, or a file's path.

    Raises `SettingsError` for a file that cannot be read and for a text that is blank.
    """
    if given is None:
        return _packaged(name)
    if isinstance(given, Path):
        try:
            given = given.expanduser().read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            said = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise SettingsError(
                f"cannot read the {name} prompt {str(given)!r}: {said}",
                hint="Name a text file, or leave the setting out for the prompt that comes along.",
            ) from error
    if not given.strip():
        raise SettingsError(
            f"the {name} prompt is empty", hint="Write one, or leave it out for the built-in one."
        )
    return Prompt(text=given)


@cache
def _packaged(name: str) -> Prompt:
    place = resources.files("fairlead.agents").joinpath(f"{name}.md")
    return Prompt(text=place.read_text(encoding="utf-8"))


def write_prompt(
    question: str,
    passages: Sequence[Passage],
    results: Sequence[ToolResult],
    history: Sequence[Turn] = (),
    *,
    note: str = "",
    prompt: Prompt | None = None,
) -> tuple[Message, ...]:
    """Rules, earlier turns, then sources numbered from 1 (passages first), and the question.

    `note` says what was wrong with an earlier draft. Control tokens are broken everywhere, in the
    user's own words too: none can forge a turn.
    """
    messages = [Message(role="system", content=(prompt or read_prompt("answerer")).text)]
    for turn in history[-TURNS:]:
        messages.append(Message(role="user", content=clean(turn.question).text))
        messages.append(Message(role="assistant", content=clean(turn.answer).text))
    sources = [
        _source(number, passage.source, passage.title, dated(passage), passage.text)
        for number, passage in enumerate(passages, start=1)
    ]
    sources += [
        _source(number, result.tool, "", "", result.text)
        for number, result in enumerate(results, start=len(passages) + 1)
    ]
    held = "\n\n".join(sources) or "(no sources were found)"
    content = f"Sources:\n\n{held}\n\nQuestion: {clean(question).text}"
    if note:
        content += f"\n\nAn earlier answer was sent back: {clean(note).text}. Write a better one."
    return (*messages, Message(role="user", content=content))


def rules() -> str:
    """The text of `answerer.md`."""
    return read_prompt("answerer").text


def element(tag: str, text: str, /, **attributes: str) -> str:
    """`text` inside `<tag …>`, which nothing in it can close or open again.

    Attributes that are empty are left out.
    """
    said = "".join(f' {key}="{_inside(value)}"' for key, value in attributes.items() if value)
    held = re.sub(rf"<(?=\s*/?\s*{tag}\b)", "&lt;", text, flags=re.IGNORECASE)
    return f"<{tag}{said}>\n{held}\n</{tag}>"


def dated(passage: Passage) -> str:
    """The day a passage's document was published; empty where that is not known."""
    return passage.published_at.date().isoformat() if passage.published_at else ""


def _source(number: int, name: str, title: str, date: str, text: str) -> str:
    """One source, with its mark behind the text as the answer shall have it behind sentences."""
    marked = f"{text} [{number}]"
    return element("source", marked, number=str(number), name=name, title=title, date=date)


def _inside(value: str) -> str:
    return " ".join(value.replace('"', "'").replace("<", "&lt;").split())
