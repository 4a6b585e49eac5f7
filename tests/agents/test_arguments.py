from typing import Any

import pytest

from fairlead.agents.arguments import fill
from fairlead.schema import ToolSpec


def spec(required: list[str] | None = None, **properties: Any) -> ToolSpec:
    names = list(properties) if required is None else required
    schema: dict[str, Any] = {"type": "object", "properties": properties, "required": names}
    return ToolSpec(
        name="find_order", description="Find an order.", effect="read", parameters=schema
    )


NUMBER: dict[str, Any] = {"type": "integer", "description": "Number of the order."}
MONEY = {"type": "number", "description": "How much to pay back."}
TEXT = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "question", "value"),
    [
        (NUMBER, "Where is order 1042?", 1042),
        (NUMBER, "Where is order #1042 of 3 May 2026?", 1042),
        ({"type": "string", "pattern": r"[A-Z]{3}-\d{4}"}, "Where is ORD-2210 now?", "ORD-2210"),
        ({"type": "string", "enum": ["Germany", "Norway"]}, "And to norway?", "Norway"),
        ({"type": "string", "format": "email"}, "Mail a.b@c.example", "a.b@c.example"),
        ({"type": "string", "format": "date"}, "since 3 May 2026", "2026-05-03"),
        ({"type": "string", "format": "uri"}, "Read https://x.example/a", "https://x.example/a"),
        ({"anyOf": [NUMBER, {"type": "null"}]}, "order 7", 7),
        ({"$ref": "#/$defs/N"}, "order 7", 7),
        ({"type": "array", "items": NUMBER}, "Compare order 7 and order 8", [7, 8]),
    ],
)
def test_an_argument_is_told_by_its_schema(schema: Any, question: str, value: object) -> None:
    tool = spec(order_id=schema)
    tool = ToolSpec(
        name=tool.name,
        description=tool.description,
        effect="read",
        parameters={**tool.parameters, "$defs": {"N": NUMBER}},
    )
    filled = fill(tool, question)
    assert filled.arguments == {"order_id": value}
    assert filled.firm and not filled.missing


@pytest.mark.parametrize(
    ("schema", "question"),
    [
        (NUMBER, "How long must a foot be for EU size 42?"),
        (NUMBER, "How many orders came on 9 February 2026?"),
        (NUMBER, "Where is my order?"),
        ({**NUMBER, "minimum": 1000}, "Where is order 7?"),
        ({"type": "string", "pattern": r"[A-Z]{3}-\d{4}"}, "Where is ORD-22?"),
        ({"type": "string", "pattern": "("}, "Where is it?"),
        ({"type": "string", "format": "email"}, "Mail Tom"),
        ({"type": "boolean"}, "Is it?"),
    ],
)
def test_what_the_question_does_not_say_is_missing(schema: Any, question: str) -> None:
    assert fill(spec(order_id=schema), question).missing == ("order_id",)


def test_numbers_go_to_the_parameter_whose_words_stand_around_them() -> None:
    tool = spec(order_id=NUMBER, amount=MONEY)
    for question in ("Refund 20 EUR for order 1042", "Refund order 1042 with 20 EUR"):
        assert fill(tool, question).arguments == {"order_id": 1042, "amount": 20.0}
    assert fill(tool, "Refund order 1042").missing == ("amount",)


def test_names_identifiers_and_codes() -> None:
    stock = spec(product=TEXT)
    assert fill(stock, "Is the Kestrel 2 in stock?").arguments == {"product": "Kestrel 2"}
    assert not fill(stock, "Is the Kestrel 2 in stock?").firm, "a name is a guess"
    assert fill(stock, 'How many "Dunlin mats" are left?').firm
    ticket = spec(ticket_id=TEXT)
    assert fill(ticket, "What became of ticket AB-17?").arguments == {"ticket_id": "AB-17"}


def test_a_query_takes_the_question_and_an_expression_the_arithmetic() -> None:
    assert fill(spec(query=TEXT), "Who won?").arguments == {"query": "Who won?"}
    assert fill(spec(expression=TEXT), "What is 2 plus 3?").arguments == {"expression": "2 + 3"}
    assert fill(spec(zone=TEXT), "Time in Paris?").arguments == {"zone": "Europe/Paris"}


def test_a_message_is_what_is_quoted_or_said() -> None:
    mail = spec(to={**TEXT, "description": "E-mail address."}, subject=TEXT, body=TEXT)
    said = 'Mail a@b.example with subject "Hi" and body "See you"'
    assert fill(mail, said).arguments == {"to": "a@b.example", "subject": "Hi", "body": "See you"}
    plain = fill(mail, "Mail a@b.example saying we are late")
    assert plain.arguments == {"to": "a@b.example", "body": "we are late"}
    assert plain.missing == ("subject",)


def test_optional_arguments_are_left_out_unless_they_are_sure() -> None:
    tool = spec([], zone=TEXT, query=TEXT)
    assert fill(tool, "What time is it?").arguments == {}
    assert fill(tool, "What time is it in Oslo?").arguments == {"zone": "Europe/Oslo"}


def test_an_earlier_result_fills_what_is_open_but_nothing_with_authority() -> None:
    tool = spec(customer_id=TEXT)
    known = [("customer_id", "C-7")]
    assert fill(tool, "What else did they buy?", known).arguments == {"customer_id": "C-7"}
    guarded = ToolSpec(
        name=tool.name,
        description=tool.description,
        effect="send",
        authority=("customer_id",),
        parameters=tool.parameters,
    )
    assert fill(guarded, "What else did they buy?", known).missing == ("customer_id",)
