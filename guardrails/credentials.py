"""Secrets in a text: tokens, keys and passwords, told by their form or by the word before them.

Covers, certainly, the tokens that `issuers` lists, private keys in PEM and PGP armour, passwords in
URLs and in connection strings; and likely, what stands behind `password =`, `api_key:`, `--token`,
`Authorization: Bearer` and their like, where it looks like a value and not like a placeholder
(`placeholders`). Does not cover passwords in prose ("the password is …") or of one kind of letters,
GUIDs, values cut over several lines, tokens of other issuers without a word before them, or whether
a secret still works.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Final, TypeAlias

from fairlead.guardrails.issuers import TOKENS
from fairlead.guardrails.patterns import Patterns, compiled, encodable
from fairlead.guardrails.placeholders import could_be_used, is_key, is_password, is_placeholder
from fairlead.guardrails.sensitive import Certainty, Sensitive, searched
from fairlead.guardrails.surroundings import follows

_SECRET: Final = (
    r"(?i)(?:secret|token|api[_\-. ]?key|(?:access|account|auth|private|encryption|signing|master"
    r"|shared|service|client|storage|subscription|license|webhook)[_\-. ]?key)"
)
_PASSWORD: Final = (
    r"(?i)(?:password|passwd|passphrase|passcode|pwd|passwort|kennwort|mot[_ ]de[_ ]passe"
    r"|contraseña|senha)"
)
_IS: Final = r"[a-z0-9_\-]{0,20}(?:[\"'`]\]?)?[ \t]{0,8}(?:=>|:=|==?|:|,|>)[ \t]{0,8}"
_QUOTED: Final = r"[bru@$]?\"([^\"\n]+)\"|[bru]?'([^'\n]+)'|`([^`\n]+)`"
_ARMOUR: Final = r"[A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)?-----"
_BREAK: Final = r"(?:\s|\\[nr]|[\"'>#*|,+])"
_LINE: Final = r"(?:[A-Za-z\-]{2,20}: [^\n\\]{1,90}|[A-Za-z0-9+/=]{16,}|=[A-Za-z0-9+/]{4})"
_PRIVATE_KEY: Final = (
    rf"-----BEGIN {_ARMOUR}(?:{_BREAK}*{_LINE})*"
    rf"(?:{_BREAK}*[A-Za-z0-9+/=]{{0,15}}{_BREAK}*-----END {_ARMOUR})?"
)
_URL: Final = (
    r"(?i)\b[a-z][a-z0-9+.\-]{1,24}://[^\s:/@\"'<>`]{0,100}:([^\s/@\"'<>`]{3,200})@[a-z0-9\[_]"
)
_CONNECTION: Final = r"(?i);[ ]?(?:password|pwd)[ ]?=[ ]?([^;\n\"'<>`]{4,200})"
_AUTHORIZATION: Final = (
    r"(?i)\bauthorization[\"']?[ ]?[:=,][ ]?[\"']?(?:basic|bearer|token)[ ]([a-z0-9+/=_.~\-]{16,})"
)
_KEY: Final = rf"{_SECRET}{_IS}(?:{_QUOTED}|([a-z0-9+/=_.~\-]+))"
_ASSIGNED: Final = rf"{_PASSWORD}{_IS}(?:{_QUOTED}|([^\s\"'`,;|<>]{{8,}}))"
_OPTION: Final = rf"(?i)--?[a-z\-]{{0,30}}{_PASSWORD}[ =]([^\s\"'`\-][^\s\"'`]{{7,}})"
_CURL: Final = (
    r"\bcurl\b[^\n]{0,300}?[ ](?:-u|--user)[ =]{0,3}[\"']?[^\s\"':]{0,64}:([^\s\"'`]{4,200})"
)
_NO_SECRET: Final = r"(?i)(?:public|csrf|xsrf)[_\- ]?(?:key|token)"
_GUID: Final = r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

_Check: TypeAlias = Callable[[str, int, int], bool]


def find_secrets(text: str) -> tuple[Sensitive, ...]:
    """Secrets in `text`, in rising order, without overlaps: the secret part alone, not its name.

    Linear time. Masked text holds no more of them. Raises `SettingsError` where RE2 is missing.
    """
    return searched(encodable(text), _search)


def _search(text: str) -> Iterator[Sensitive]:
    patterns = _patterns()
    for which in patterns.present(text):
        entity, certainty, _, _, check = _RULES[which]
        for start, end in patterns.spans(which, text):
            if check(text, start, end):
                yield Sensitive(entity=entity, start=start, end=end, certainty=certainty)


def _is_token(text: str, start: int, end: int) -> bool:
    return not is_placeholder(text[start:end])


def _is_private_key(text: str, start: int, end: int) -> bool:
    """Whether a line of key stands between the armour."""
    lines: list[str] = compiled("[A-Za-z0-9+/]{40,}").findall(text[start:end])
    return not all(map(is_placeholder, lines))


def _is_url_password(text: str, start: int, end: int) -> bool:
    user = text[max(0, start - 100) : start - 1].rpartition("/")[2]
    return text[start:end] != user and could_be_used(text[start:end])


def _is_used(text: str, start: int, end: int) -> bool:
    return could_be_used(text[start:end].strip())


def _is_key(text: str, start: int, end: int) -> bool:
    value = text[start:end]
    if not is_key(value) or compiled(_GUID).fullmatch(value):
        return False
    return not follows(text, start, _NO_SECRET)


def _is_password(text: str, start: int, end: int) -> bool:
    return 6 <= end - start <= 200 and is_password(text[start:end])


_RULES: Final[tuple[tuple[str, Certainty, str, str, _Check], ...]] = (
    *((entity, "certain", sign, pattern, _is_token) for entity, sign, pattern in TOKENS),
    ("private_key", "certain", "PRIVATE KEY", _PRIVATE_KEY, _is_private_key),
    ("url_password", "certain", r"://[^\s/]*@", _URL, _is_url_password),
    ("connection_password", "certain", r"(?i);[ ]?(?:password|pwd)", _CONNECTION, _is_used),
    ("authorization", "likely", "(?i)authorization", _AUTHORIZATION, _is_key),
    ("key", "likely", _SECRET, _KEY, _is_key),
    ("password", "likely", _PASSWORD, _ASSIGNED, _is_password),
    ("password", "likely", _PASSWORD, _OPTION, _is_password),
    ("password", "likely", r"\bcurl\b", _CURL, _is_password),
)


@cache
def _patterns() -> Patterns:
    return Patterns([rule[3] for rule in _RULES], [rule[2] for rule in _RULES])
