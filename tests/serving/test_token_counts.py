import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fairlead.serving import token_counts
from fairlead.serving.minilm import _tokenizer
from fairlead.serving.token_counts import TokenCounts

TOKENIZER = _tokenizer(None)
COUNTS = TokenCounts(TOKENIZER)
TEXTS = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("ab-.'_ \n\t\x1c\u0301İß"))
)


def tokenized(text: str) -> int:
    return len(TOKENIZER.encode(text, add_special_tokens=False).ids)


@given(TEXTS)
@example("a\x1cb c\u00a0d\u2028e\x00f")
@example("x" * 101 + ".y" + "x" * 99)
@example("각 ﷺ e\u0301. .\u0301 [SEP] ##ing 日本語。テキスト")
def test_counts_are_the_tokenizers(text: str) -> None:
    assert COUNTS.count(text) == tokenized(text)


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_counts, "_REMEMBERED", 10)
    counts = TokenCounts(TOKENIZER)
    text = " ".join(f"word{n}" for n in range(100)) + " " + "y" * 5000
    assert counts.count(text) == tokenized(text) == counts.count(text)
    assert len(counts._words) <= 10
