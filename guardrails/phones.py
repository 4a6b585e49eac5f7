"""Telephone numbers.

Without a word for it: international form (+49 …, 0049 …, 011 49 …), North American form
(212-555-0143, (212) 555-0143), forms with a trunk zero as in the United Kingdom, Germany, France,
Italy, the Benelux, Switzerland, Sweden, Japan, India, Australia (030 1234567, (020) 7946 0000,
06 12 34 56 78). Beside a word such as `phone`, `call`, `fax`, `Handy`, `tél`, `móvil`, `電話`:
any 6 to 15 digits, after a noun also in one piece.
Does not cover short numbers (112), letters for digits (1-800-FLOWERS), full-width digits, or a
national form without trunk zero where no word says what it is. The numbers that the North American
and the British regulator set aside for fiction are examples.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from fairlead.guardrails.patterns import DIGITS, compiled
from fairlead.guardrails.sensitive import Certainty, Sensitive
from fairlead.guardrails.surroundings import free

_DASH: Final = r"\-\x{2010}-\x{2015}\x{2212}"
_SPACE: Final = r" \x{a0}\x{2009}\x{202f}"
_GAP: Final = rf"\)?[{_SPACE}{_DASH}.]?\(?"
_MORE: Final = (
    rf"(?i:[{_SPACE},;]{{0,2}}(?:x|ext\.?|extension|durchwahl|poste|int\.)[{_SPACE}]?[0-9]{{1,6}})?"
)
_RUN: Final = rf"[+(]{{0,2}}[0-9](?:{_GAP}[0-9]){{0,4}}\)?/?[0-9](?:{_GAP}[0-9]){{4,10}}{_MORE}"
_OR: Final = rf"(?:(?: ?[,;/] ?| (?:or|and|oder|und|ou|et|o|y|e) )({_RUN}))?"
_NOUNS: Final = (
    r"\b(?:(?:tele)?phones?|tel|tele(?:fax|fon|foon|phon)|tel[ée]fon[oe]|t[ée]l(?:[ée]phone)?"
    r"|mob(?:ile?|iel)?|m[óo]vil|cell(?:phone|ular|ulare)?|celular|telem[óo]vel|handy|fax|whatsapp"
    r"|sms|gsm|hotline|helpline|landline|pager|puhelin|tlf|tfn|natel|rufnummer)"
    r"(?:nummer|nr|no)?\b|\bdesk:|телефон|тел\.|電話|电话|手机|携帯|전화|[☎☏✆📞📱]"
)
_VERBS: Final = (
    r"\b(?:call(?:ed|ing)?|dial(?:l?ed|l?ing)?|ring|rang|reach(?:ed|ing)?|text(?:ed|ing)?"
    r"|contact(?:ed|ing)?|messag(?:es?|ed|ing)|answering|anrufen|erreichen|appele[rz]|llam[ae]r?)\b"
)
_PLACES: Final = r"(?:office|fax|mobile?|cell|phone|home|work|desk|landline|handy)"

INTERNATIONAL: Final = rf"(?:\+|\b00|\b011[{_SPACE}{_DASH}])[1-9](?:{_GAP}[0-9]){{6,15}}{_MORE}"
AMERICAN: Final = (
    rf"(?:\b1[{_SPACE}{_DASH}.])?(?:\([0-9]{{3}}\)[{_SPACE}]?|\b[0-9]{{3}}[{_SPACE}{_DASH}.])"
    rf"[0-9]{{3}}[{_SPACE}{_DASH}.][0-9]{{4}}{_MORE}"
)
TRUNK: Final = (
    rf"(?:\(|\b)0[1-9][0-9]{{0,4}}(?:/|\)[{_SPACE}]?|[{_SPACE}{_DASH}.])[0-9](?:{_GAP}[0-9]){{4,10}}"
    rf"{_MORE}"
)
NAMED: Final = (
    rf"(?i)(?:{_NOUNS})(?:[^\]0-9\n+(][^0-9\n+(]{{0,30}})?(?:\n[ \t]{{0,4}})?({_RUN}){_OR}"
)
ASKED: Final = rf"(?i)(?:{_VERBS})[^0-9\n+(.\-/=_&#<>|\\\[\]{{}}]{{0,30}}({_RUN}){_OR}"
SIGNED: Final = rf"(?im)({_RUN})[ \-(/]{{1,3}}{_PLACES}\)?(?:[,;\\]|[ \t]*$)"

_SIX: Final = rf"[0-9](?:\)?[{_SPACE}{_DASH}./]?\(?[0-9]){{5}}"
NAMED_SIGN: Final = rf"(?i)(?:{_NOUNS})[^0-9\n]*(?:\n[ \t+(]*)?{_SIX}"
ASKED_SIGN: Final = rf"(?i)(?:{_VERBS})[^0-9\n]*{_SIX}"
SIGNED_SIGN: Final = rf"(?i){_SIX}[^\n]*{_PLACES}"
"""What every match of the three contains, without the counting that makes an automaton large."""

_CODES: Final = (  # of the International Telecommunication Union
    r"2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|21[1-3689]|2[2346][0-9]|25[0-8]"
    r"|29[01789]|3[57][0-9]|38[0-35-9]|42[013]|5[09][0-9]|6[78][0-9]|69[0-2]|80[08]|85[02356]"
    r"|87[08]|88[0-368]|9[67][0-9]|99[2-68]"
)
_ABROAD: Final = rf"[17][0-9]{{10}}|(?:{_CODES})[0-9]{{5,13}}"
_FICTION: Final = r"1?[2-9][0-9]{2}55501[0-9]{2}|(?:44)?0?(?:7700900|2079460|1632960)[0-9]{3}"
_NO_PHONE: Final = (
    r"[0-9]{4}[-./][0-9]{1,2}[-./][0-9]{1,2}|[0-9]{1,2}[-./][0-9]{1,2}[-./][0-9]{4}"  # a date
    r"|(?:19|20)[0-9]{2}[-\x{2013}](?:19|20)[0-9]{2}|[0-9]+\.[0-9]+"  # years, a decimal
    r"|[0-9]{1,3}(?:[ .]000)+|[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
    r"|[0-9]{5}-[0-9]{4}|[0-9]{3}-[0-9]{2}-[0-9]{4}"  # ZIP code, social security number
)
_SIGNS: Final = "+()/. \xa0\u2009\u202f-\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
_beyond: Final = re.compile(f"[^0-9{re.escape(_SIGNS)}]")
_ROW_BEFORE: Final = r"(?:[0-9]|\b[0-9A-Fa-f]{2})[ \x{a0}]{1,3}$"
_ROW_AFTER: Final = r"^[ \x{a0}]{1,3}(?:[0-9]|[0-9A-Fa-f]{2}\b)"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Number:
    """Digits in groups, and the signs between them; an extension is left out."""

    written: str
    groups: tuple[str, ...]
    gaps: tuple[str, ...]

    @property
    def digits(self) -> str:
        return "".join(self.groups)


def international(text: str, start: int, end: int) -> Iterator[Sensitive]:
    """The number with a country's code that begins at `start`: it ends at `end`, or at a gap
    before, where what follows makes it too long. At least 10 digits where they have no gap."""
    ends = [group.end() for group in DIGITS.finditer(text, start, end)]
    for stop in (end, *reversed(ends)):
        number = _read(text[start:stop])
        digits = number.digits
        if text[start] != "+":
            digits = digits[2:] if digits[:2] == "00" else digits[3:]
        least = 8 if number.gaps else 10
        if len(digits) < least or compiled(_NO_PHONE).fullmatch(number.written.strip("+")):
            return
        if compiled(_ABROAD).fullmatch(digits) and free(text, start, stop):
            if text[start] != "+" and _in_row(text, start, stop, number):
                return
            yield _phone(text, start, stop, digits, "certain")
            return


def american(text: str, start: int, end: int) -> Iterator[Sensitive]:
    """Three, three and four digits with like gaps; area and exchange do not begin with 0 or 1
    except where the area stands in brackets. Not in a row of other numbers."""
    number = _read(text[start:end])
    area, exchange = number.groups[-3:-1]
    bracketed = "(" in number.written
    if not bracketed and (min(area[0], exchange[0]) < "2" or len({*number.gaps[-2:]}) > 1):
        return
    if free(text, start, end) and not _in_row(text, start, end, number):
        yield _phone(text, start, end, number.digits, "likely")


def trunk(text: str, start: int, end: int) -> Iterator[Sensitive]:
    """A zero, the rest of the area code and the subscriber's number, 9 to 12 digits; after the
    area code like gaps between groups of two digits or more. Not in a row of other numbers."""
    number = _read(text[start:end])
    if not 9 <= len(number.digits) <= 12 or min(map(len, number.groups)) < 2:
        return
    if len({*number.gaps[1:]}) > 1 or ("." in number.gaps and len(number.groups) < 4):
        return
    if compiled(_NO_PHONE).fullmatch(number.written) or "000000" in number.digits:
        return
    if free(text, start, end) and not _in_row(text, start, end, number):
        yield _phone(text, start, end, number.digits, "likely")


def named(text: str, start: int, end: int) -> Iterator[Sensitive]:
    """6 to 15 digits after a noun that says telephone."""
    number = _read(text[start:end])
    if _plausible(number) and free(text, start, end):
        yield _phone(text, start, end, number.digits, "certain")


def asked(text: str, start: int, end: int) -> Iterator[Sensitive]:
    """After a verb, or before a place that ends the line (`office`): 10 to 15 digits, 7 or more in
    groups, or 6 in three groups."""
    number = _read(text[start:end])
    count, gaps = len(number.digits), len(number.gaps)
    if (
        (count >= 10 or (gaps and count + gaps >= 8))
        and _plausible(number)
        and free(text, start, end)
    ):
        yield _phone(text, start, end, number.digits, "likely")


def _read(written: str) -> _Number:
    base = _beyond.split(written, maxsplit=1)[0].rstrip(_SIGNS).replace("(0)", " ")
    groups = [group.span() for group in DIGITS.finditer(base)]
    gaps = (base[a[1] : b[0]] for a, b in pairwise(groups))
    return _Number(
        written=base, groups=tuple(base[slice(*group)] for group in groups), gaps=tuple(gaps)
    )


def _plausible(number: _Number) -> bool:
    return 6 <= len(number.digits) <= 15 and not compiled(_NO_PHONE).fullmatch(number.written)


def _in_row(text: str, start: int, end: int, number: _Number) -> bool:
    """Whether the groups stand, with spaces between, in a row of still more numbers."""
    if not {" ", "\xa0"} & {*number.gaps}:
        return False
    before, after = text[max(0, start - 6) : start], text[end : end + 6]
    return bool(compiled(_ROW_BEFORE).search(before) or compiled(_ROW_AFTER).search(after))


def _phone(text: str, start: int, end: int, digits: str, certainty: Certainty) -> Sensitive:
    if text[start] == "(" and ")" not in text[start:end]:
        start += 1
    if compiled(_FICTION).fullmatch(digits):
        certainty = "example"
    return Sensitive(entity="phone", start=start, end=end, certainty=certainty)
