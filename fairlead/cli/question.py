"""The question of `ask`: an argument, or `-` for stdin, read no further than it may be long."""

import sys

from fairlead.errors import InputError


def read_question(argument: str) -> str:
    """The question. Raises `InputError` for what is empty, too long or no text."""
    from fairlead.guardrails import admit_question

    return admit_question(_from_stdin() if argument == "-" else argument)


def _from_stdin() -> str:
    from fairlead.schema import QUESTION_LIMIT

    # One character takes at most 4 bytes; one byte more is enough to know that it is too long.
    held = sys.stdin.buffer.read(4 * QUESTION_LIMIT + 1)
    if len(held) > 4 * QUESTION_LIMIT:
        raise InputError(
            f"the question on stdin is longer than {QUESTION_LIMIT:,} characters",
            hint="Ask a shorter question; ingest long texts as documents.",
        )
    try:
        return held.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise InputError(
            f"the question on stdin is not valid UTF-8 (byte {error.start + 1})",
            hint="Send UTF-8 text.",
        ) from error
