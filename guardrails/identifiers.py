"""Numbers that somebody issues by rules: payment cards, bank accounts, US social security numbers.

Each check is given a place where a number may stand and says what stands there by the issuer's
rules. It cannot know whether the number was ever issued.
"""

from collections.abc import Iterator
from typing import Final

from fairlead.guardrails.patterns import DIGITS, compiled
from fairlead.guardrails.sensitive import Sensitive
from fairlead.guardrails.surroundings import beside, free

GAP: Final = r"[ \x{a0}\x{2009}\x{202f}.\-\x{2010}-\x{2015}]"
"""What people put between the groups of a number."""
CARD: Final = r"\b[0-9](?:[ \x{a0}\x{202f}\-\x{2010}\x{2011}]?[0-9]){11,}\b"
IBAN: Final = r"(?i)\b[a-z]{2}[0-9]{2}[ \x{a0}\x{202f}\-]?[a-z0-9]{4}"
SSN: Final = rf"\b[0-9]{{3}}{GAP}?[0-9]{{2}}{GAP}?[0-9]{{4}}\b"

_SCHEMES: Final = (
    "4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})"  # Visa
    "|(?:5[1-5]|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12,14}"  # Mastercard
    "|3[47][0-9]{13}|(?:2131|1800)[0-9]{11}|35[0-9]{14,17}"  # Amex, JCB
    "|(?:30[0-5]|3095|36|3[89])[0-9]{11,16}"  # Diners
    "|(?:6011|64[4-9]|65|62|60|81|82|508|220[0-4]|9792)[0-9]{12,17}"  # Discover, UnionPay, Mir
    "|(?:50|5[678]|63|67|0604)[0-9]{8,17}"  # Maestro
)
_CARD_WORDS: Final = (
    r"(?i)(?:^|[^a-z\[])(?:card|credit|debit|visa|master ?card|maestro|amex|american express|diners"
    r"|discover|jcb|pan|karte|kreditkarte|carte|tarjeta|carta|cart[ãa]o)"
)
_SSN_WORDS: Final = r"(?i)(?:^|[^a-z\[])(?:ssn|social[ -]security|soc\.? sec)"
_IBAN_LENGTHS: Final = {
    country: int(length)
    for length, countries in {
        "15": "NO", "16": "BE", "18": "DK FI FK FO GL NL SD", "19": "MK SI",
        "20": "AT BA EE KZ LT LU MN XK", "21": "CH HR LI LV",
        "22": "BG BH CR DE GB GE IE ME RS VA", "23": "AE GI IL IQ OM SO TL",
        "24": "AD CZ ES MD PK RO SA SE SK TN VG", "25": "LY PT ST", "26": "IS TR",
        "27": "BI DJ FR GR IT MC MR SM", "28": "AL AZ BY CY DO GT HN HU LB NI PL",
        "29": "BR EG PS QA UA", "30": "JO KW MU YE", "31": "MT SC", "32": "LC", "33": "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip


def cards(text: str, start: int, end: int) -> Iterator[Sensitive]:
    """Card numbers among the digits of `text[start:end]`.

    12 to 19 digits in one group or several, with a prefix and a length that a card scheme uses and
    the check digit of Luhn. What may as well be an article number or a count of ticks needs a word
    for cards beside.
    """
    groups = [group.span() for group in DIGITS.finditer(text, start, end)]
    at = 0
    while at < len(groups):
        last = _card(text, groups, at)
        if last is None:
            at += 1
            continue
        yield Sensitive(entity="card", start=groups[at][0], end=groups[last][1])
        at = last + 1


def _card(text: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """The last group of the longest card number that begins with group number `first`."""
    found, digits = None, ""
    start = groups[first][0]
    for at in range(first, len(groups)):
        begin, end = groups[at]
        digits += text[begin:end]
        if len(digits) > 19:
            break
        if at > first and end - begin > 7:
            break
        if _is_card(digits) and free(text, start, end):
            if not _ambiguous(digits) or beside(text, start, end, _CARD_WORDS):
                found = at
        if end - begin not in (4, 6):
            break
    return found


def _is_card(digits: str) -> bool:
    if len(digits) < 12:
        return False
    doubled = sum(2 * digit - 9 * (digit > 4) for digit in map(int, digits[-2::-2]))
    valid = (doubled + sum(map(int, digits[-1::-2]))) % 10 == 0
    return valid and compiled(_SCHEMES).fullmatch(digits) is not None


def _ambiguous(digits: str) -> bool:
    """Whether it is as good an article number (GTIN), or as long as a count of ticks."""
    if len(digits) > 14:
        return len(digits) in (17, 18)
    return (sum(map(int, digits[-1::-2])) + 3 * sum(map(int, digits[-2::-2]))) % 10 == 0


def ibans(text: str, start: int, end: int) -> Iterator[Sensitive]:
    """The IBAN that begins at `start`: of its country's length, in fours or in one piece, and with
    the remainder 1 modulo 97."""
    length = _IBAN_LENGTHS.get(text[start : start + 2].upper(), 0)
    gap = "" if text[start + 4].isalnum() else text[start + 4]
    end = start + length + len(gap) * ((length - 1) // 4)
    value = text[start:end].replace(gap, "") if gap else text[start:end]
    if len(value) != length or not value.isascii() or not value.isalnum():
        return
    if gap and gap.join(value[at : at + 4] for at in range(0, length, 4)) != text[start:end]:
        return
    value = value.upper()
    number = "".join(str(int(sign, 36)) for sign in value[4:] + value[:4])
    if int(number) % 97 == 1 and free(text, start, end):
        yield Sensitive(entity="iban", start=start, end=end)


def social_security(text: str, start: int, end: int) -> Iterator[Sensitive]:
    """`text[start:end]`, in which nine digits stand, as a US social security number.

    `ddd-dd-dddd` is likely one, and certainly with a word for it beside; other forms need the word.
    The area is not 000, 666 or 9dd, the group not 00, the serial not 0000.
    """
    written = text[start:end]
    digits = "".join(sign for sign in written if sign.isdigit())
    if digits[:3] in ("000", "666") or digits[0] == "9" or digits[3:5] == "00":
        return
    if digits[5:] == "0000" or not free(text, start, end):
        return
    if beside(text, start, end, _SSN_WORDS):
        yield Sensitive(entity="ssn", start=start, end=end)
    elif written[3] == written[6] == "-":
        yield Sensitive(entity="ssn", start=start, end=end, certainty="likely")
