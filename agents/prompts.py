"""Prompts: package text put together with guarded values. Nothing else may enter one."""

from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Final

from fairlead.guardrails import clean
from fairlead.protocols import Message
from fairlead.schema import Passage, ToolResult, Turn

NO_ANSWER: Final = "NO ANSWER"
"""What the prompt asks a model to write when the sources do not hold the answer."""
TURNS: Final = 6
"""Earlier turns that are shown."""


def write_prompt(
    question: str,
    passages: Sequence[Passage],
    results: Sequence[ToolResult],
    history: Sequence[Turn] = (),
) -> tuple[Message, ...]:
    """Rules, earlier turns, then sources numbered from 1 (passages first), and the question.

    Control tokens are broken everywhere, in the user's own words too: none can forge a turn.
    """
    messages = [Message(role="system", content=rules())]
    for turn in history[-TURNS:]:
        messages.append(Message(role="user", content=clean(turn.question).text))
        messages.append(Message(role="assistant", content=clean(turn.answer).text))
    sources = [
        _source(number, passage.source, passage.title, _dated(passage), passage.text)
        for number, passage in enumerate(passages, start=1)
    ]
    sources += [
        _source(number, result.tool, "", "", result.text)
        for number, result in enumerate(results, start=len(passages) + 1)
    ]
    held = "\n\n".join(sources) or "(no sources were found)"
    content = f"Sources:\n\n{held}\n\nQuestion: {clean(question).text}"
    return (*messages, Message(role="user", content=content))


@cache
def rules() -> str:
    """The text of `answerer.md`."""
    return resources.files("fairlead.agents").joinpath("answerer.md").read_text(encoding="utf-8")


def _source(number: int, name: str, title: str, dated: str, text: str) -> str:
    """One source. Its text cannot close the element it stands in."""
    said = "".join(
        f' {key}="{_inside(value)}"'
        for key, value in (("name", name), ("title", title), ("date", dated))
        if value
    )
    closed = text.replace("</source", "&lt;/source")
    return f'<source number="{number}"{said}>\n{closed}\n</source>'


def _inside(value: str) -> str:
    return " ".join(value.replace('"', "'").replace("<", "&lt;").split())


def _dated(passage: Passage) -> str:
    return passage.published_at.date().isoformat() if passage.published_at else ""
