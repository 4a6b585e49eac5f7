"""What of an example is compared: its prompt and its answer, without what does not matter."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from fairlead.serving.training.forms import Example

_WORD: Final = re.compile(r"\w+")
_NUMBER: Final = re.compile(r"\d+(?:[.,:]\d+)*")
_YES: Final = {"yes": True, "ja": True, "oui": True, "sí": True, "si": True, "sim": True}
_NO: Final = {"no": False, "nein": False, "non": False, "nee": False, "não": False, "nej": False}
_SYSTEM: Final = ("system", "developer")


def words(text: str) -> list[str]:
    """Lower-cased runs of letters, digits and underscores."""
    return _WORD.findall(text.lower())


def normalised(text: str) -> str:
    """The text but for case, white space and marks at its ends."""
    return " ".join(text.split()).casefold().strip(" .!?,;:\"'")


def prompt_text(example: Example) -> str:
    """What was said before the last answer, without the system's part, which many share."""
    said = (each for each in example.messages[:-1] if each["role"] not in _SYSTEM)
    return "\n".join(message_text(each) for each in said)


def whole_text(example: Example) -> str:
    """Prompt and answer."""
    return f"{prompt_text(example)}\n{message_text(example.answer)}"


def message_text(message: Mapping[str, Any]) -> str:
    """Its content, and its tool calls as JSON."""
    calls = [each["function"] for each in message.get("tool_calls", ())]
    said = [json.dumps(call, sort_keys=True, ensure_ascii=False) for call in calls]
    return "\n".join(filter(None, [message["content"], *said]))


def prompt_key(example: Example) -> int:
    """Equal for examples that ask the same in the same setting, the system's part included."""
    said = [f"{each['role']}: {normalised(message_text(each))}" for each in example.messages[:-1]]
    return key("\n".join(said), json.dumps(example.tools, sort_keys=True))


def answer_key(example: Example) -> int:
    """Equal for examples that answer the same."""
    return key(normalised(message_text(example.answer)))


def key(*parts: str) -> int:
    """64 bits, signed, that stand for texts."""
    digest = hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def contradict(answers: Iterable[str]) -> bool:
    """Whether answers differ in their numbers, or one says yes and another no.

    Does not see a contradiction in other words.
    """
    given = list(answers)
    numbers = {frozenset(_NUMBER.findall(answer)) for answer in given}
    said = {_YES.get(first, _NO.get(first)) for answer in given if (first := _first(answer))}
    return len(numbers) > 1 or said >= {True, False}


def _first(text: str) -> str:
    found = _WORD.search(text.lower())
    return found[0] if found else ""


def without_lines(text: str, left_out: frozenset[int]) -> str:
    """The text without the lines whose keys are given."""
    if not left_out:
        return text
    return "\n".join(line for line in text.splitlines() if key(line.strip()) not in left_out)
