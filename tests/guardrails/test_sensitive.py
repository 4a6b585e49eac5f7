"""Places of sensitive values: overlaps, masks, findings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.guardrails import Sensitive, findings_of, masked
from fairlead.guardrails.sensitive import Certainty, resolved, searched


def one(entity: str, start: int, end: int, certainty: Certainty = "certain") -> Sensitive:
    return Sensitive(entity=entity, start=start, end=end, certainty=certainty)


@pytest.mark.parametrize(
    ("found", "left"),
    [
        ([], []),
        ([one("ip", 5, 9), one("email", 0, 5)], [one("email", 0, 5), one("ip", 5, 9)]),
        ([one("card", 2, 6), one("url", 0, 9)], [one("url", 0, 9)]),
        ([one("card", 0, 6), one("email", 4, 12)], [one("email", 0, 12)]),
        ([one("card", 0, 6), one("phone", 0, 6)], [one("card", 0, 6)]),
        ([one("email", 0, 6), one("jwt", 0, 6)], [one("jwt", 0, 6)]),
        ([one("key", 0, 6, "likely"), one("npm_token", 0, 6)], [one("npm_token", 0, 6)]),
        ([one("ssn", 0, 9, "likely"), one("ip", 2, 4)], [one("ssn", 0, 9)]),
        ([one("a", 0, 3), one("b", 2, 5), one("c", 4, 7), one("d", 7, 8)],
         [one("a", 0, 7), one("d", 7, 8)]),
    ],
)  # fmt: skip
def test_overlaps_become_one(found: list[Sensitive], left: list[Sensitive]) -> None:
    assert list(resolved(found)) == left
    assert list(resolved(reversed(found))) == left


SPANS = st.tuples(st.integers(0, 30), st.integers(1, 9), st.sampled_from(["ip", "card", "jwt"]))


@given(st.text("ab\n😀", min_size=40, max_size=40), st.lists(SPANS, max_size=6))
def test_nothing_of_what_was_found_is_left(text: str, spans: list[tuple[int, int, str]]) -> None:
    found = [one(entity, start, start + length) for start, length, entity in spans]
    kept = [place for place in range(40) if not any(f.start <= place < f.end for f in found)]
    bare = masked(text, found)
    for entity in ("ip", "card", "jwt"):
        bare = bare.replace(f"[{entity}]", "")
    assert bare == "".join(text[place] for place in kept)


def test_masks_name_the_entity() -> None:
    text = "é jane@acme.com 😀 ghp_x"
    found = [one("email", 2, 15), one("github_token", 18, 23)]
    assert masked(text, found) == "é [email] 😀 [github_token]"
    assert masked(text, []) == text


def test_what_a_mask_uncovers_is_found_in_its_place() -> None:
    text = "é: zxy"

    def search(seen: str) -> list[Sensitive]:
        """`x` anywhere; `y` after its mask, `z` before it."""
        return [
            one(entity, seen.index(mark) + at, seen.index(mark) + at + 1)
            for entity, mark, at in (("ip", "x", 0), ("card", "[ip]y", 4), ("jwt", "z[ip]", 0))
            if mark in seen
        ]

    assert searched(text, search) == (one("jwt", 3, 4), one("ip", 4, 5), one("card", 5, 6))


def test_a_text_is_looked_at_a_bounded_number_of_times() -> None:
    text = "z" * 20
    looks: list[str] = []

    def search(seen: str) -> list[Sensitive]:
        looks.append(seen)
        return [one("ip", seen.index("z"), seen.index("z") + 1)]

    assert len(searched(text, search)) == 8
    assert len(looks) == 9


def test_findings_name_the_entity_and_never_the_value() -> None:
    found = [one("phone", 3, 9, "likely"), one("npm_token", 12, 20), one("ip", 20, 22, "example")]
    assert [(f.kind, f.start, f.end, f.detail) for f in findings_of(found)] == [
        ("pii", 3, 9, "phone (likely)"),
        ("pii", 20, 22, "ip (example)"),
        ("secret", 12, 20, "npm_token"),
    ]
    assert findings_of([]) == ()


def test_many_findings_end_in_one_that_covers_the_rest() -> None:
    findings = findings_of(one("ip", at, at + 1) for at in range(0, 2000, 2))
    assert len(findings) == 64
    assert (findings[-1].start, findings[-1].end) == (126, 1999)
    assert findings[-1].detail == "and more after it"
