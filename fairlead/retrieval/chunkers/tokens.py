"""Tokens without a vocabulary."""

import re


def estimate_tokens(text: str) -> int:
    """WordPiece tokens, roughly: a word of English prose has about 1.3."""
    return sum(1 + len(word) // 8 for word in re.findall(r"\w+|[^\w\s]", text))
