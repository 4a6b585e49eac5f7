"""Personal data in a text, told by its form.

Covers e-mail addresses, payment cards, IBANs, IP addresses, US social security numbers, telephone
numbers and, where asked for, URLs; `identifiers`, `hosts` and `phones` say which forms. Does not
cover names, postal addresses, dates of birth, identity numbers of other countries, or what is
spelled out ("jane at example dot org"): those need a model or a form of their own.
Give it cleaned text (`clean`): a number cut by hidden characters is not seen.
"""

from collections.abc import Callable, Collection, Iterator
from functools import cache, partial
from typing import Final, TypeAlias, get_args

from fairlead.errors import InputError
from fairlead.guardrails import hosts, identifiers, phones
from fairlead.guardrails.patterns import Patterns, encodable
from fairlead.guardrails.sensitive import Sensitive, searched
from fairlead.schema import Personal

DEFAULT: Final[tuple[Personal, ...]] = ("email", "card", "iban", "ip", "ssn", "phone")
"""All but `url`, which nearly every document has."""

_Check: TypeAlias = Callable[[str, int, int], Iterator[Sensitive]]
_RULES: Final[tuple[tuple[Personal, str, str, _Check], ...]] = (
    ("email", "[^ ]@[^ ]", hosts.EMAIL, hosts.emails),
    ("card", identifiers.CARD, identifiers.CARD, identifiers.cards),
    ("iban", identifiers.IBAN, identifiers.IBAN, identifiers.ibans),
    ("ip", hosts.IPV4, hosts.IPV4, hosts.addresses),
    ("ip", hosts.IPV6, hosts.IPV6, hosts.addresses6),
    ("ssn", identifiers.SSN, identifiers.SSN, identifiers.social_security),
    ("phone", phones.INTERNATIONAL, phones.INTERNATIONAL, phones.international),
    ("phone", phones.AMERICAN, phones.AMERICAN, phones.american),
    ("phone", phones.TRUNK, phones.TRUNK, phones.trunk),
    ("phone", phones.NAMED_SIGN, phones.NAMED, phones.named),
    ("phone", phones.ASKED_SIGN, phones.ASKED, phones.asked),
    ("phone", phones.SIGNED_SIGN, phones.SIGNED, phones.asked),
    ("url", r"(?i)://|www\.", hosts.URL, hosts.urls),
)


def find_pii(text: str, entities: Collection[Personal] = DEFAULT) -> tuple[Sensitive, ...]:
    """Personal data of the kinds `entities` in `text`, in rising order, without overlaps.

    Linear time. Masked text holds no more of them. Raises `InputError` for an entity there is none
    of, `SettingsError` where RE2 is missing.
    """
    unknown = sorted(set(entities) - set(get_args(Personal)))
    if unknown:
        raise InputError(
            f"there is no personal data called {unknown[0]!r}",
            hint=f"Choose from {', '.join(get_args(Personal))}.",
        )
    return searched(encodable(text), partial(_search, entities=entities))


def _search(text: str, entities: Collection[Personal]) -> Iterator[Sensitive]:
    patterns = _patterns()
    for which in patterns.present(text):
        entity, _, _, check = _RULES[which]
        if entity in entities:
            for start, end in patterns.spans(which, text):
                yield from check(text, start, end)


@cache
def _patterns() -> Patterns:
    return Patterns([rule[2] for rule in _RULES], [rule[1] for rule in _RULES])
