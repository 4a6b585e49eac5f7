import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.agents.certainty import choice_probability, kind_probability
from fairlead.protocols import Completion, TokenLogprob

KINDS = ("retrieve", "call", "answer", "ask", "stop")


def token(text: str, probability: float, **others: float) -> TokenLogprob:
    top = tuple((word.replace("_", '"'), math.log(p)) for word, p in others.items())
    return TokenLogprob(
        token=text, logprob=math.log(probability), top=((text, math.log(probability)), *top)
    )


def said(*tokens: TokenLogprob) -> Completion:
    return Completion(text="".join(one.token for one in tokens), logprobs=tokens)


def test_the_share_among_kinds_is_the_probability() -> None:
    completion = said(
        token('{"', 1.0),
        token("kind", 0.9),
        token('":"', 1.0),
        token("retrieve", 0.6, call=0.2, Sure=0.1),
        token('"}', 1.0),
    )
    assert kind_probability(completion, "retrieve", KINDS) == pytest.approx(0.75)


def test_a_token_may_begin_before_the_word_and_hold_only_part_of_it() -> None:
    completion = said(token('{"kind":', 1.0), token(' "re', 0.5), token('trieve"}', 0.3))
    tokens = list(completion.logprobs)
    tokens[1] = TokenLogprob(
        token=' "re',
        logprob=math.log(0.5),
        top=((' "an', math.log(0.25)), (' "', math.log(0.1)), ("\n", math.log(0.05))),
    )
    sure = kind_probability(
        Completion(text=completion.text, logprobs=tuple(tokens)), "retrieve", KINDS
    )
    assert sure == pytest.approx(0.5 / 0.75)


def test_an_ambiguous_token_leaves_it_to_the_next() -> None:
    tokens = [token("a", 0.5, answer=0.2, call=0.3), token("sk", 0.8, nswer=0.2)]
    assert choice_probability(tokens, 0, "ask", KINDS) == pytest.approx(0.5 * 0.8)
    assert choice_probability([tokens[0], token("nswer", 0.4, sk=0.6)], 0, "answer", KINDS) == (
        pytest.approx(0.2 + 0.5 * 0.4)
    )


def test_reasoning_and_later_kinds_do_not_count() -> None:
    reply = '{"kind":"stop","reason":"\\"kind\\"","x":{"kind":"call"}}'
    tokens = (
        token('Perhaps {"kind":"', 1.0),
        token("ask", 0.2, stop=0.8),
        token('"}? ', 1.0),
        token('{"kind":"', 1.0),
        token("stop", 0.9, ask=0.1),
        token(reply[len('{"kind":"stop') :], 1.0),
    )
    sure = kind_probability(Completion(text=reply, logprobs=tokens), "stop", KINDS)
    assert sure == pytest.approx(0.9)


def test_what_cannot_be_told_is_none() -> None:
    assert kind_probability(Completion(text='{"kind":"ask"}'), "ask", KINDS) is None
    assert kind_probability(said(token("hello", 1.0)), "ask", KINDS) is None
    assert choice_probability([token("stop", 1.0)], 0, "ask", KINDS) is None
    assert choice_probability([token("as", 1.0)], 0, "ask", ("assist", "ask")) is None
    impossible = TokenLogprob(token="ask", logprob=-9999.0)
    assert choice_probability([impossible], 0, "ask", KINDS) is None


@given(
    st.sampled_from(KINDS),
    st.lists(st.floats(min_value=0.01, max_value=1), min_size=5, max_size=5),
    st.integers(min_value=1, max_value=8),
)
def test_the_probabilities_of_all_kinds_make_one(kind: str, weights: list[float], cut: int) -> None:
    """However a kind's word is cut into two tokens; the second has no alternatives."""
    odds = {one: weight / sum(weights) for one, weight in zip(KINDS, weights, strict=True)}
    first = {one: one[:cut] for one in KINDS}
    if len(set(first.values())) < len(KINDS):
        return
    total = 0.0
    for one in KINDS:
        top = tuple((first[other], math.log(odds[other])) for other in KINDS)
        tokens = [
            TokenLogprob(token=first[one], logprob=math.log(odds[one]), top=top),
            TokenLogprob(token=one[cut:] or '"', logprob=-0.5),
        ]
        sure = choice_probability(tokens, 0, one, KINDS)
        assert sure is not None
        assert sure == pytest.approx(odds[one])
        total += sure
    assert total == pytest.approx(1)
