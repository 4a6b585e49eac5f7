"""Exact arithmetic from text."""

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import InputError
from fairlead.tools.arithmetic import calculate


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2+2", "4"),
        ("0.1 + 0.2", "0.3"),
        ("2 + 3 * 4", "14"),
        ("(2 + 3) × 4 ÷ 5 − 1", "3"),
        ("7 // 2", "3"),
        ("-7 // 2", "-4"),
        ("7 / 2", "3.5"),
        ("10 % 3", "1"),
        ("8 mod 3", "2"),
        ("10 % (2 + 1)", "1"),
        ("10 % max(3, 2)", "1"),
        ("15% of 80", "12"),
        ("15 % OF 80", "12"),
        ("80 + 5%", "84"),
        ("80 - 5%", "76"),
        ("100 - 10% - 10%", "81"),
        ("5% + 5%", "0.1"),
        ("100 + 2*5%", "100.1"),
        ("80 + -5%", "76"),
        ("50%", "0.5"),
        ("3 x 4", "12"),
        ("2^10", "1024"),
        ("2**-1", "0.5"),
        ("2^3^2", "512"),
        ("-2^2", "-4"),
        ("(-2)^2", "4"),
        ("4^0.5", "2"),
        ("0^0", "1"),
        ("1,234,567.89 * 2", "2469135.78"),
        ("1_000 + 1", "1001"),
        ("(1,299 - 15%) * 3", "3312.45"),
        ("max(1,500)", "500"),
        ("max((1,500), 2)", "1500"),
        ("min(3, 1, 2)", "1"),
        ("abs(-3.50)", "3.5"),
        ("sqrt(16/9) * 3", "4"),
        ("sqrt(2)", "1.4142135623731"),
        ("sqrt(2)^2", "2"),
        ("round(2.5)", "3"),
        ("round(-2.345, 2)", "-2.35"),
        ("round(1234, -2)", "1200"),
        ("1/3", "0.333333333333333"),
        ("2e3 + .5", "2000.5"),
        ("1e-70", "1e-70"),
        ("10^30 / 3", "3.33333333333333e+29"),
        ("2 + 2 = ?", "4"),
        ("+5", "5"),
        ("3.", "3"),
    ],
)
def test_calculates(expression: str, value: str) -> None:
    assert calculate(expression) == value


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("", "ends too early"),
        ("2 +", "ends too early"),
        ("(1 + 2", "ends too early"),
        ("1 2", "'2' at character 3"),
        ("1,23", "',' at character 2"),
        ("1.5.2", "'.2' at character 4"),
        ("2 ** ** 3", "at character 6"),
        ("__import__('os')", "'_' at character 1"),
        ("abs.__class__", "'.' at character 4"),
        ("x", r"'\*' at character 1"),
        ("sin(1)", "'sin' at character 1"),
        ("²+1", "'²' at character 1"),
        ("sqrt 4", "'4' at character 6"),
        ("min()", r"'\)' at character 5"),
        ("sqrt(1, 2)", "sqrt does not take 2 values"),
        ("round(1, 2, 3)", "round does not take 3 values"),
        ("round(1, 0.5)", "whole number of places"),
        ("round(1, 99)", "at most 30"),
        ("1/0", "divides by zero"),
        ("1 % 0", "'%'|zero"),
        ("5 // 0", "divides by zero"),
        ("0^-1", "divides by zero"),
        ("0^-0.5", "divides by zero"),
        ("(-8)^0.5", "not a real number"),
        ("sqrt(-1)", "not a real number"),
        ("9**9**9", "1,200 digits"),
        ("9^9^9^9^9", "1,200 digits"),
        ("0.1^99999", "1,200 digits"),
        ("10^999 * 10^999", "1,200 digits"),
        ("2.5^9999.5", "no value of usable size"),
        ("1e9999", "too large or too small"),
        ("1" * 501, "longer than 500"),
        ("(" * 100, "nested more than 40"),
        ("-" * 100 + "1", "nested more than 40"),
        ("2" + "^1" * 100, "nested more than 40"),
    ],
)
def test_says_what_is_wrong(expression: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        calculate(expression)
    assert caught.value.message.startswith("cannot calculate")


@given(st.text("0123456789.,+-*/%^() eofsqrtabminx", max_size=60))
def test_any_text_is_calculated_or_refused_quickly(expression: str) -> None:
    begun = time.perf_counter()
    try:
        calculate(expression)
    except InputError:
        pass
    assert time.perf_counter() - begun < 1


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9), st.sampled_from("+-*"))
def test_agrees_with_python(a: int, b: int, sign: str) -> None:
    expected = {"+": a + b, "-": a - b, "*": a * b}[sign]
    assert Fraction(calculate(f"({a}) {sign} ({b})")) == expected
