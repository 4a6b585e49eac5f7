import pytest

from fairlead.agents.literals import literals, zone


def values(question: str, kind: str) -> list[object]:
    return [found.value for found in literals(question) if found.kind == kind]


@pytest.mark.parametrize(
    ("question", "expression"),
    [
        ("What is 15% of 80?", "15% of 80"),
        ("How much is 12 * 7?", "12 * 7"),
        ("What is 3.5 plus 2?", "3.5 + 2"),
        ("calculate (1,299 - 15%) * 3", "(1,299 - 15%) * 3"),
        ("What is 2 to the power of 10?", "2 ^ 10"),
        ("What is the square root of 144?", "sqrt(144)"),
        ("how much is 20 percent of 50", "20 % of 50"),
        ("What is 7-3?", "7-3"),
        ("max(1, 2, 3)", "max(1, 2, 3)"),
    ],
)
def test_arithmetic_is_found_in_signs_and_words(question: str, expression: str) -> None:
    assert values(question, "expression") == [expression]


@pytest.mark.parametrize(
    "question",
    [
        "Is support there 24/7?",
        "Which release dropped Python 3.7, 3.8 and 3.9?",
        "10-20 people",
        "from 2026-01-02 to 2026-03-04",
        "What is the price of 3 items at 5 EUR?",
        "What is HTTP/2?",
        "What are the opening hours 9-17?",
    ],
)
def test_ranges_dates_and_versions_are_no_arithmetic(question: str) -> None:
    assert values(question, "expression") == []


def test_dates_become_iso_and_are_no_numbers() -> None:
    question = "From October 22, 2023 or 3rd of May 2024 or 2025-01-31 until 31 Feb 2025"
    assert values(question, "date") == ["2023-10-22", "2024-05-03", "2025-01-31"]
    assert values(question, "number") == [31, 2025], "31 February is no day"


def test_numbers_and_identifiers_know_the_words_around_them() -> None:
    found = [f for f in literals("Refund 20.50 EUR for order #1042") if f.kind == "number"]
    assert [(f.value, f.before[-1], f.after[:1]) for f in found] == [
        (20.5, "refund", ("eur",)),
        (1042, "order", ()),
    ]
    assert values("Where are A-1042 and ORD-2210?", "identifier") == ["A-1042", "ORD-2210"]
    assert values("1,299 pieces", "number") == [1299]


def test_addresses_quotes_and_names() -> None:
    question = 'Send "Hello you" to ann.b@mail.example, see https://a.example/x. Ask Tom Baker'
    assert values(question, "email") == ["ann.b@mail.example"]
    assert values(question, "url") == ["https://a.example/x"]
    assert values(question, "quoted") == ["Hello you"]
    assert "Tom Baker" in values(question, "name")
    assert values("Is the Kestrel 2 in stock in Paris?", "name") == ["Kestrel 2", "Paris"]


def test_zones_are_known_by_name_and_by_city() -> None:
    assert zone("What time is it in Tokyo?") == "Asia/Tokyo"
    assert zone("now in America/New_York please") == "America/New_York"
    assert zone("time in UTC") == "UTC"
    assert zone("What time is it?") is None
