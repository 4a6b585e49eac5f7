from collections.abc import Callable
from typing import Any

from fairlead.agents.composition import Text
from fairlead.agents.evidence import Evidence, Support
from fairlead.agents.quotations import DOCUMENTS, LENGTH, STRETCHES, quoted
from fairlead.agents.stretches import quotable, reading
from fairlead.schema import Passage

Make = Callable[..., Any]


def supports(passage: Passage, score: float = 1.0, headed: bool = False) -> list[Support]:
    """Every stretch of the passage, each a little worse than the one before."""
    return [
        Support(
            unit=unit,
            passage=passage,
            text=reading(passage, unit),
            coverage=0.5,
            met=True,
            headed=headed,
            score=score - place / 1000,
        )
        for place, unit in enumerate(quotable(passage))
    ]


def shown(found: list[Support], said: Any = ()) -> str:
    text = Text()
    for quotation in quoted(Evidence(supports=tuple(found)), said):
        quotation.write(text)
    return text.finished()


def numbered(word: str, count: int) -> str:
    return " ".join(f"{word}{n} stands for {word}x{n} in row{n}." for n in range(count))


def test_a_heading_that_answers_is_quoted_before_its_sentence(passage: Make) -> None:
    made = passage("## Version 8.2.0\n\nSupport for Python 3.7 is gone.")
    assert shown(supports(made, headed=True)) == "Version 8.2.0: Support for Python 3.7 is gone."


def test_few_short_stretches_of_few_documents_are_quoted(passage: Make) -> None:
    many = [s for n in range(9) for s in supports(passage(numbered(f"w{n}", 1)), 1.0)]
    found = quoted(Evidence(supports=tuple(many)))
    assert len({q.passage.document_id for q in found}) == DOCUMENTS
    one = quoted(Evidence(supports=tuple(supports(passage(numbered("V", 30))))))
    assert sum(len(q.units) for q in one) == STRETCHES
    long = [passage(f"{name} " * 90 + "ends.") for name in ("ab", "cd", "ef")]
    wide = [support for made in long for support in supports(made)]
    assert len(shown(wide)) <= LENGTH


def test_what_is_far_behind_or_alike_is_left_out(passage: Make) -> None:
    best, weak = passage("The valve closes by itself."), passage("Paint is blue everywhere.")
    again = passage("The valve closes all by itself.")
    found = supports(best) + supports(again, 0.9) + supports(weak, 0.2)
    assert shown(found) == "The valve closes by itself."


def test_a_sentence_brings_what_it_refers_to_and_what_it_announces(passage: Make) -> None:
    made = passage(
        "Press the red knob. It accepts small money:\n\n- coins\n- tokens\n\nThen wait here."
    )
    announcing = [s for s in supports(made) if s.text.startswith("It accepts")]
    assert shown(announcing) == "Press the red knob. It accepts small money:\n\n- coins\n- tokens"


def test_a_gap_of_one_sentence_is_filled(passage: Make) -> None:
    made = passage("Open the lid. Wait a bit there. Close the lid firmly.")
    ends = [support for support in supports(made) if "lid" in support.text]
    assert shown([ends[0], ends[1]]) == "Open the lid. Wait a bit there. Close the lid firmly."


def test_nothing_is_said_twice_unless_nothing_else_is_left(passage: Make) -> None:
    made = passage("Open the lid slowly. Paint dries within hours.")
    first, second = supports(made)
    said = quoted(Evidence(supports=(first,)))
    assert shown([first, second], said) == "Paint dries within hours."
    assert shown([first], said) == "Open the lid slowly."


def test_two_tables_stay_apart(passage: Make) -> None:
    table = "| Size | Price |\n| --- | --- |\n| {0} | {1} EUR |\n"
    made = passage(f"{table.format('S', 5)}\nSee also the other list.\n\n{table.format('XL', 9)}")
    rows = [support for support in supports(made) if support.unit.kind == "row"]
    assert shown(rows) == f"{table.format('S', 5)}\n{table.format('XL', 9)}".strip()
