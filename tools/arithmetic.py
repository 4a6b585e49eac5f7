"""Arithmetic on exact fractions, from text, without `eval`.

Grammar, tightest last:  sum: product (("+" | "-") product)* · product: unary (("*" | "/" | "//" |
"%" | "mod" | "of") unary)* · unary: ("+" | "-") unary | power · power: postfix (("^" | "**")
unary)? · postfix: atom "%"? · atom: number | name "(" sum ("," sum)* ")" | "(" sum ")".

A "%" is the remainder where an operand follows it, else a percentage: "10 % 3" is 1, "50%" is 0.5.
Added to or taken from something, a percentage is that share of it: "80 + 5%" is 84. Commas group
thousands outside of a function's parentheses and separate arguments inside.

Length, nesting and the size of every intermediate number are bounded, so is the time.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation, Overflow
from fractions import Fraction
from math import isqrt
from typing import Final

from fairlead.errors import InputError

_LENGTH: Final = 500
"""Characters of an expression."""
_NESTING: Final = 40
_BITS: Final = 4_000
"""Of a numerator or denominator: about 1,200 digits."""
_PLACES: Final = 30
"""Digits after the point up to which an exact decimal is shown in full."""
_shown: Final = Context(prec=15)
_rough: Final = Context(prec=40, Emax=1200, Emin=-1200)

_TYPED: Final = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "\u00a0": " "})
_FRACTION = r"(?:\.\d*)?(?:[eE][+-]?\d{1,4}(?!\d))?"
_grouped: Final = re.compile(rf"\d{{1,3}}(?:,\d{{3}})+(?![\d,]){_FRACTION}", re.ASCII)
_number: Final = re.compile(rf"(?:\d(?:_?\d)*{_FRACTION}|\.\d+)", re.ASCII)
_sign: Final = re.compile(r"\*\*|//|[-+*/%^(),]")
_name: Final = re.compile(r"[A-Za-z]+")
_STARTS: Final = "0123456789."
_WORDS: Final = {"of": "*", "x": "*", "mod": "mod"}


def calculate(expression: str) -> str:
    """The value of `expression` in decimal digits.

    Exact where the decimal ends within 30 places, else rounded to 15 significant digits.
    Raises `InputError` for what is no arithmetic, has no value or would grow too large.
    """
    shown = expression if len(expression) <= 60 else f"{expression[:57]}..."
    try:
        if len(expression) > _LENGTH:
            raise _Wrong(f"it is longer than {_LENGTH} characters")
        return _digits(_Reader(expression.translate(_TYPED).rstrip(" \t\r\n=?")).value())
    except _Wrong as wrong:
        raise InputError(
            f"cannot calculate {shown!r}: {wrong}",
            hint='Write arithmetic, such as "(1,299 - 15%) * 3" or "sqrt(2)".',
        ) from wrong
    except ZeroDivisionError as wrong:
        raise InputError(f"cannot calculate {shown!r}: it divides by zero") from wrong
    except (Overflow, InvalidOperation) as wrong:
        raise InputError(f"cannot calculate {shown!r}: it has no value of usable size") from wrong


class _Wrong(Exception):
    """What is wrong with an expression."""


@dataclass(frozen=True, slots=True)
class _Value:
    number: Fraction
    share: bool = False
    """A bare percentage: added to something it means that share of it."""


class _Reader:
    """Recursive descent over the text, one token ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._nesting = 0
        self._groups = True
        """Whether a comma may stand inside a number here: not between a function's parentheses."""
        self._token = ""
        self._start = 0
        self._advance()

    def value(self) -> Fraction:
        value = self._sum()
        if self._token:
            raise self._unexpected()
        return value.number

    def _advance(self) -> str:
        """Moves on by one token and returns the one left behind."""
        left = self._token
        while self._text[self._at : self._at + 1].isspace():
            self._at += 1
        patterns = (_grouped, _number, _name, _sign) if self._groups else (_number, _name, _sign)
        self._start = self._at
        for pattern in patterns:
            found = pattern.match(self._text, self._at)
            if found:
                self._at = found.end()
                self._token = _WORDS.get(found.group().lower(), found.group())
                return left
        self._token = self._text[self._at : self._at + 1]
        self._at += 1
        return left

    def _unexpected(self) -> _Wrong:
        if not self._token:
            return _Wrong("it ends too early")
        return _Wrong(f"{self._token!r} at character {self._start + 1} does not belong there")

    def _take(self, token: str) -> None:
        if self._token != token:
            raise self._unexpected()
        self._advance()

    def _sum(self) -> _Value:
        left = self._product()
        while self._token in ("+", "-"):
            sign = 1 if self._advance() == "+" else -1
            right = self._product()
            relative = right.share and not left.share
            added = left.number * right.number if relative else right.number
            left = _Value(_bounded(left.number + sign * added), left.share and right.share)
        return left

    def _product(self) -> _Value:
        left = self._unary()
        while self._token in _PRODUCTS:
            operation = _PRODUCTS[self._advance()]
            left = _Value(_bounded(operation(left.number, self._unary().number)))
        return left

    def _unary(self) -> _Value:
        if self._token not in ("+", "-"):
            return self._power()
        with _Nested(self):
            sign = 1 if self._advance() == "+" else -1
            value = self._unary()
        return _Value(sign * value.number, value.share)

    def _power(self) -> _Value:
        base = self._postfix()
        if self._token not in ("^", "**"):
            return base
        with _Nested(self):
            self._advance()
            exponent = self._unary()
        return _Value(_power(base.number, exponent.number))

    def _postfix(self) -> _Value:
        value = self._atom()
        while self._token == "%" and not self._operand_follows():
            self._advance()
            value = _Value(value.number / 100, share=True)
        return value

    def _operand_follows(self) -> bool:
        """Whether the "%" is followed by what a remainder would be taken by."""
        rest = self._text[self._at :].lstrip()
        if rest and rest[0] in f"({_STARTS}":
            return True
        name = _name.match(rest)
        return name is not None and name.group().lower() not in _WORDS

    def _atom(self) -> _Value:
        if self._token != "." and self._token[:1] in set(_STARTS):
            return _Value(_read(self._advance()))
        if self._token.lower() in _FUNCTIONS:
            return _Value(self._call(self._advance().lower()))
        if self._token == "(":
            return self._inside(grouped=True)[0]
        raise self._unexpected()

    def _call(self, name: str) -> Fraction:
        if self._token != "(":
            raise self._unexpected()
        values = self._inside(grouped=False)
        function, least, most = _FUNCTIONS[name]
        if not least <= len(values) <= most:
            raise _Wrong(f"{name} does not take {len(values)} values")
        return _bounded(function(*(value.number for value in values)))

    def _inside(self, *, grouped: bool) -> list[_Value]:
        """What stands between the parentheses: one value, or a function's."""
        with _Nested(self):
            outside, self._groups = self._groups, grouped
            self._take("(")
            values = [self._sum()]
            while self._token == "," and not grouped:
                self._advance()
                values.append(self._sum())
            self._groups = outside
            self._take(")")
        return values


class _Nested:
    """One level deeper, up to the limit."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader

    def __enter__(self) -> None:
        self._reader._nesting += 1
        if self._reader._nesting > _NESTING:
            raise _Wrong(f"it is nested more than {_NESTING} levels deep")

    def __exit__(self, *_: object) -> None:
        self._reader._nesting -= 1


def _read(token: str) -> Fraction:
    mantissa, _, exponent = token.replace(",", "").replace("_", "").lower().partition("e")
    if abs(int(exponent or 0)) > _rough.Emax:
        raise _Wrong(f"the number {token!r} is too large or too small")
    return _bounded(Fraction(mantissa.rstrip(".")) * Fraction(10) ** int(exponent or 0))


def _bounded(number: Fraction) -> Fraction:
    if max(number.numerator.bit_length(), number.denominator.bit_length()) > _BITS:
        raise _Wrong("a number in it would have more than 1,200 digits")
    return number


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator == 1:
        longest = max(base.numerator.bit_length(), base.denominator.bit_length())
        if (longest - 1) * abs(exponent.numerator) > _BITS:
            raise _Wrong("a number in it would have more than 1,200 digits")
        return _bounded(base**exponent.numerator)
    if base < 0:
        raise _Wrong("a broken power of a negative number is not a real number")
    if base == 0 and exponent < 0:
        raise ZeroDivisionError
    return Fraction(_rough.power(_decimal(base), _decimal(exponent)))


def _root(number: Fraction) -> Fraction:
    if number < 0:
        raise _Wrong("the square root of a negative number is not a real number")
    exact = Fraction(isqrt(number.numerator), isqrt(number.denominator))
    return exact if exact * exact == number else Fraction(_rough.sqrt(_decimal(number)))


def _rounded(number: Fraction, places: Fraction = Fraction(0)) -> Fraction:
    """To `places` digits after the point; halves away from zero, as people round."""
    if places.denominator != 1 or abs(places) > _PLACES:
        raise _Wrong(f"round takes a whole number of places, at most {_PLACES}")
    scale = Fraction(10) ** places.numerator
    whole = (abs(number) * scale + Fraction(1, 2)) // 1
    return (whole if number >= 0 else -whole) / scale


def _decimal(number: Fraction) -> Decimal:
    return _rough.divide(Decimal(number.numerator), Decimal(number.denominator))


def _digits(number: Fraction) -> str:
    places = _places(number.denominator)
    if places is None or places > _PLACES:
        short = _shown.divide(Decimal(number.numerator), Decimal(number.denominator)).normalize()
        return f"{short:f}" if -10 <= short.adjusted() <= 20 else f"{short:e}"
    text = str(abs(number.numerator) * 10**places // number.denominator).rjust(places + 1, "0")
    whole = text[: len(text) - places]
    sign = "-" if number < 0 else ""
    return f"{sign}{whole}.{text[len(whole) :]}" if places else f"{sign}{whole}"


def _places(denominator: int) -> int | None:
    """Digits after the point of an exact decimal; None where it never ends."""
    twos = (denominator & -denominator).bit_length() - 1
    rest, fives = denominator >> twos, 0
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    return max(twos, fives) if rest == 1 else None


_Operation = Callable[[Fraction, Fraction], Fraction]
_PRODUCTS: Final[Mapping[str, _Operation]] = {
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: Fraction(a // b),
    "%": lambda a, b: a % b,
    "mod": lambda a, b: a % b,
}
_FUNCTIONS: Final[Mapping[str, tuple[Callable[..., Fraction], int, int]]] = {
    "sqrt": (_root, 1, 1),
    "abs": (abs, 1, 1),
    "round": (_rounded, 1, 2),
    "min": (min, 1, 50),
    "max": (max, 1, 50),
}
"""The function and how many values it takes, at least and at most."""
