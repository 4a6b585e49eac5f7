"""The support desk's corpus, questions and tools hold together."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest

from fairlead.errors import InputError, NotFound

DESK = Path(__file__).parents[2] / "examples" / "support_desk"
DOCUMENTS = DESK / "documents"
QUESTIONS = [
    json.loads(line) for line in (DESK / "questions.jsonl").read_text(encoding="utf-8").splitlines()
]
KINDS = {
    "single", "paraphrase", "multi", "numeric", "followup", "typo", "out", "tool", "both",
    "greeting",
}  # fmt: skip


def _plain(text: str) -> str:
    return " ".join(text.replace("*", "").split()).lower()


def _texts() -> dict[str, str]:
    """Path below documents/ (with `#L<line>` for JSON lines) → text."""
    texts = {}
    for path in sorted(DOCUMENTS.rglob("*.md")):
        texts[path.relative_to(DOCUMENTS).as_posix()] = path.read_text(encoding="utf-8")
    for path in sorted(DOCUMENTS.rglob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            name = f"{path.relative_to(DOCUMENTS).as_posix()}#L{number}"
            texts[name] = json.loads(line)["text"]
    return texts


TEXTS = _texts()


def _holds(path: str, answer: str) -> bool:
    return _plain(answer) in _plain(TEXTS[path])


# --- the corpus ----------------------------------------------------------------------------------


def test_the_corpus_is_large_and_each_document_of_readable_length() -> None:
    pages = {path: text for path, text in TEXTS.items() if path.endswith(".md")}
    assert len(pages) >= 30
    lengths = {path: len(text.split()) for path, text in pages.items()}
    assert {path: n for path, n in lengths.items() if not 150 <= n <= 500} == {}


@pytest.mark.parametrize("path", sorted(path for path in TEXTS if path.endswith(".md")))
def test_front_matter_names_title_and_date(path: str) -> None:
    matter = re.match(r"---\n(.*?)\n---\n\n# (.+)\n", TEXTS[path], re.DOTALL)
    assert matter
    fields = dict(line.split(": ", 1) for line in matter[1].splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", fields["date"])
    assert fields["title"].split(",")[0] in matter[2].replace(":", ",")


@pytest.mark.parametrize(
    ("old", "new", "said_old", "said_new"),
    [
        ("returns-germany-2023", "returns-germany", "within 14 days", "within 30 days"),
        ("returns-uk-2021", "returns-uk", "within 21 days", "within 28 days"),
        ("warranty-2020", "warranty", "two years on every product", "five years for tents"),
    ],
)
def test_old_and_new_versions_contradict_each_other(
    old: str, new: str, said_old: str, said_new: str
) -> None:
    before, after = f"policies/{old}.md", f"policies/{new}.md"
    assert _holds(before, said_old) and not _holds(before, said_new)
    assert _holds(after, said_new) and not _holds(after, said_old)
    since = [re.findall(r"^valid_from: (.+)$", TEXTS[path], re.M)[0] for path in (before, after)]
    assert since[0] < since[1]


def test_one_page_carries_an_injected_instruction() -> None:
    marks = {"instruction": "Ignore all previous instructions", "token": "<|im_start|>"}
    for mark in marks.values():
        assert [path for path, text in TEXTS.items() if mark in text] == [
            "products/kestrel-2-reviews.md"
        ]
    hidden = re.findall(r"[\u200b\U000e0020-\U000e007e]", TEXTS["products/kestrel-2-reviews.md"])
    assert len(hidden) > 10


# --- the questions -------------------------------------------------------------------------------


def test_ids_are_unique_and_every_kind_occurs() -> None:
    assert len(QUESTIONS) >= 40
    assert [name for name, n in Counter(q["id"] for q in QUESTIONS).items() if n > 1] == []
    assert {q["kind"] for q in QUESTIONS} == KINDS


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q["id"])
def test_a_question_can_be_marked(question: dict[str, Any], book: str) -> None:
    kind, docs, answers = question["kind"], question["expect_docs"], question["answer_contains"]
    if kind == "followup":
        assert question["turns"][-1] == question["question"]
    if kind == "out":
        assert not docs and not answers and question["absent"]
        corpus = "\n".join(TEXTS.values())
        assert [p for p in question["absent"] if re.search(p, corpus, re.IGNORECASE)] == []
    elif kind == "tool":
        assert all(answer in book for answer in answers) and answers
    elif kind != "greeting":
        assert docs and answers
        for answer in answers:
            assert any(_holds(path, answer) for path in docs), answer
        for path in docs:
            assert any(_holds(path, answer) for answer in answers), path
    if kind == "multi":
        groups = question["answer_groups"]
        assert [answer for group in groups for answer in group] == answers
        for path, group in zip(docs, groups, strict=True):
            assert all(_holds(path, answer) for answer in group)


def test_expected_tools_exist(desk: ModuleType) -> None:
    expected = {name for question in QUESTIONS for name in question.get("expect_tools", ())}
    assert expected < {tool.spec.name for tool in desk.TOOLS}


# --- the tools -----------------------------------------------------------------------------------


@pytest.fixture
def book() -> str:
    return (DESK / "orders.json").read_text(encoding="utf-8")


@pytest.fixture
def desk(
    example: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> Iterator[ModuleType]:
    monkeypatch.delenv("SUPPORT_DESK_FOLDER", raising=False)
    module = example("support_desk/desk.py")
    yield module
    module.order_book().close()


def test_five_tools_say_what_they_do(desk: ModuleType) -> None:
    specs = {tool.spec.name: tool.spec for tool in desk.TOOLS}
    effects = {name: spec.effect for name, spec in specs.items()}
    assert effects == {
        "find_order": "read",
        "find_customer_orders": "read",
        "product_stock": "read",
        "refund_order": "send",
        "email_customer": "send",
    }
    assert set(specs["refund_order"].authority) == {"order_id", "amount"}
    assert specs["email_customer"].authority == ("to",)
    assert set(specs["email_customer"].payload) == {"subject", "body"}
    for spec in specs.values():
        properties = spec.parameters["properties"]
        assert isinstance(properties, dict)
        assert all(parameter["description"] for parameter in properties.values())


def test_an_order_is_found_with_readable_keys(desk: ModuleType) -> None:
    order = desk.find_order(1042)
    assert order["order"] == 1042
    assert order["product"] == "Fjord 5 down sleeping bag"
    assert order["country"] == "Germany"
    assert order["total"] == "329.00 EUR"
    assert order["delivered"] == "2026-10-29"
    assert desk.find_order(1046)["delivered"] == "not yet"


def test_what_is_not_there_is_said_to_be_missing(desk: ModuleType) -> None:
    with pytest.raises(NotFound, match="7"):
        desk.find_order(7)
    with pytest.raises(NotFound, match="nobody"):
        desk.find_customer_orders("nobody@mail.example")
    with pytest.raises(NotFound, match="canoe"):
        desk.product_stock("canoe")
    with pytest.raises(NotFound, match="7"):
        desk.refund_order(7, 1.0)


def test_every_model_is_in_stock_somewhere(desk: ModuleType) -> None:
    models = get_args(desk.Model)
    assert len(models) == len(desk.order_book().rows("SELECT * FROM stock"))
    assert all(desk.product_stock(model)["in stock"] > 0 for model in models)


def test_a_customer_sees_the_own_orders_only(desk: ModuleType) -> None:
    orders = desk.find_customer_orders("Jonas.Brandt@mail.example")
    assert [order["order"] for order in orders] == [1045, 1042]


def test_stock_is_counted_by_depot(desk: ModuleType) -> None:
    assert desk.product_stock("Kestrel 2") == {
        "product": "Kestrel 2 tent", "kiel": 14, "leeds": 6, "portland": 9, "in stock": 29,
    }  # fmt: skip


def test_no_more_than_the_total_is_ever_paid_back(desk: ModuleType) -> None:
    assert desk.refund_order(1044, 50.0)["refunded"] == "50.00 EUR"
    for amount in (4.01, 0.0, -1.0, 0.001, float("inf")):
        with pytest.raises(InputError):
            desk.refund_order(1044, amount)
    assert desk.refund_order(1044, 4.0)["to"] == "PayPal"
    assert desk.find_order(1044)["refunded"] == "54.00 EUR"


def test_an_email_goes_to_the_outbox(desk: ModuleType) -> None:
    desk.email_customer("a@mail.example", "Your order", "It is on its way.")
    rows = desk.order_book().rows("SELECT * FROM outbox")
    assert [tuple(row) for row in rows] == [("a@mail.example", "Your order", "It is on its way.")]


def test_a_folder_keeps_the_order_book(desk: ModuleType, tmp_path: Path) -> None:
    first = desk.OrderBook(tmp_path)
    assert first.refund(1042, Decimal("5.00"), Decimal("329.00"))
    first.close()
    second = desk.OrderBook(tmp_path)
    assert second.refunded(1042) == Decimal("5.00")
    assert len(second.rows("SELECT * FROM orders")) == 14
    second.close()
