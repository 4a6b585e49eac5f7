"""What of an example must not be learned: secrets, personal data, hidden text, control tokens."""

from collections.abc import Iterator
from typing import Final

from fairlead.forms import complaint
from fairlead.guardrails import clean, find_pii, find_secrets
from fairlead.serving.training.encoding import texts
from fairlead.serving.training.forms import Example

_NUMBERS: Final = frozenset({"card", "iban", "ssn"})
"""Never a company's own contact, so never right in training data."""
_SEEN: Final = {"hidden_text": "hidden_text", "control_token": "control_like"}


def sensitive(example: Example, *, tokens_known: bool) -> Iterator[tuple[str, str]]:
    """Codes of findings, each with what was found; never the value itself.

    `tokens_known` says that the base's own control tokens are looked for elsewhere.
    """
    for text in texts(example.messages, example.tools):
        if not text:
            continue
        for secret in find_secrets(text):
            if secret.certainty != "example":
                certain = secret.certainty == "certain"
                yield ("secret" if certain else "likely_secret"), secret.entity
        for found in find_pii(text):
            if found.certainty != "example":
                yield ("pii" if found.entity in _NUMBERS else "contact"), found.entity
        for seen in clean(text).findings:
            code = _SEEN.get(seen.kind, "")
            if code and not (tokens_known and code == "control_like"):
                yield code, ""


def tool_faults(example: Example) -> Iterator[tuple[str, str]]:
    """Calls of tools that are not offered, and arguments that break the schema of one that is."""
    if not example.tools:
        return
    offered = {each["function"]["name"]: each["function"] for each in example.tools}
    for message in example.messages:
        for call in message.get("tool_calls", ()):
            name = call["function"]["name"]
            if name not in offered:
                yield "unknown_tool", name[:60]
            elif not _fits(offered[name].get("parameters"), call["function"]["arguments"]):
                yield "tool_arguments", name[:60]


def _fits(schema: object, arguments: object) -> bool:
    """Whether the arguments fit; without a schema they do, with one that is none they do not."""
    if not isinstance(schema, dict):
        return True
    try:
        return not complaint(arguments, schema)
    except ValueError:
        return False
