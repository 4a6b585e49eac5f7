"""Starts a model near the circuit that copies: find where the last tokens stood before, say what
came next there. Three layers learn it by themselves only in many more steps.

In layer 0 three heads look one, two and three positions back and write what stood there into
dimensions of their own. In layer 1 one head looks for a position whose predecessor was the token at
hand, another for one before which stood what stands before that token; both write the token that
they find. Training refines it; nothing here is exact.
"""

import math
from typing import Any, Final

import torch

WIDTH: Final = 32
"""Dimensions of a head; pair i of RoPE is dimensions i and i + 16."""
IDENTITY: Final = 64
"""Dimensions 0 to 63 of the residual stream tell the token."""
BEFORE: Final = 21
"""Then so many dimensions each tell the token one, two and three positions before."""
CONSTANT: Final = 127
"""The dimension that is the same for every token."""
QUICK: Final = ((0, 0.4), (1, 0.3), (2, 0.2), (3, 0.1))
"""RoPE pairs of high frequency that look back, and their shares."""
SLOW: Final = range(8, 16)
"""RoPE pairs that turn so slowly that they compare tokens at any distance."""
SHARP: Final = 2.0
"""Weight of the norms of queries and keys: how sharply heads look."""


def prime(model: Any) -> None:
    """Sets embeddings and heads of a Qwen3 with four heads over two of keys and values."""
    draw = torch.Generator().manual_seed(3)

    def drawn(rows: int, columns: int) -> torch.Tensor:
        return torch.randn(rows, columns, generator=draw) / math.sqrt(columns)

    embedding = model.model.embed_tokens.weight
    embedding.zero_()
    embedding[:, :IDENTITY] = torch.randn(embedding.shape[0], IDENTITY, generator=draw) * 0.1
    embedding[:, CONSTANT] = 0.5
    told = drawn(BEFORE, IDENTITY)
    first, second = (model.model.layers[number].self_attn for number in (0, 1))
    for attention in (first, second):
        attention.q_norm.weight.fill_(SHARP)
        attention.k_norm.weight.fill_(SHARP)
    _look_back(first, told)
    _compare(second, told, [drawn(2 * len(SLOW), BEFORE) for _ in range(3)])
    found = drawn(WIDTH, IDENTITY)
    for kv, head in ((0, 0), (1, 2)):
        value, out = slice(kv * WIDTH, (kv + 1) * WIDTH), slice(head * WIDTH, (head + 1) * WIDTH)
        second.v_proj.weight[value] = 0
        second.v_proj.weight[value, :IDENTITY] = found
        second.o_proj.weight[:, out] = 0
        second.o_proj.weight[:IDENTITY, out] = found.T * 0.5


def _look_back(attention: Any, told: torch.Tensor) -> None:
    """Heads 0 to 2: query and key from the constant, the query's phases turned by 1 to 3 places."""
    frequencies = [1e6 ** (-2 * pair / WIDTH) for pair in range(WIDTH // 2)]
    for kv in (0, 1):
        rows = slice(kv * WIDTH, (kv + 1) * WIDTH)
        attention.k_proj.weight[rows] = 0
        attention.v_proj.weight[rows] = 0
        attention.v_proj.weight[kv * WIDTH : kv * WIDTH + BEFORE, :IDENTITY] = told
        for pair, share in QUICK:
            attention.k_proj.weight[kv * WIDTH + pair, CONSTANT] = math.sqrt(share) * 4
    for head in range(3):
        at = head * WIDTH
        attention.q_proj.weight[at : at + WIDTH] = 0
        attention.o_proj.weight[:, at : at + WIDTH] = 0
        written = slice(IDENTITY + head * BEFORE, IDENTITY + (head + 1) * BEFORE)
        attention.o_proj.weight[written, at : at + BEFORE] = torch.eye(BEFORE)
        for pair, share in QUICK:
            size, phase = math.sqrt(share) * 4, -frequencies[pair] * (head + 1)
            attention.q_proj.weight[at + pair, CONSTANT] = size * math.cos(phase)
            attention.q_proj.weight[at + pair + 16, CONSTANT] = size * math.sin(phase)


def _compare(attention: Any, told: torch.Tensor, seen: list[torch.Tensor]) -> None:
    """Head 0 compares the token at hand, head 2 the two before it, in the slow pairs."""
    one, two, three = (slice(IDENTITY + n * BEFORE, IDENTITY + (n + 1) * BEFORE) for n in range(3))
    for rows in (slice(0, WIDTH), slice(2 * WIDTH, 3 * WIDTH)):
        attention.q_proj.weight[rows] = 0
    attention.k_proj.weight[: 2 * WIDTH] = 0
    dimensions = [*SLOW, *(pair + 16 for pair in SLOW)]
    for row, dimension in enumerate(dimensions):
        attention.q_proj.weight[dimension, :IDENTITY] = seen[0][row] @ told
        attention.k_proj.weight[dimension, one] = seen[0][row]
        attention.q_proj.weight[2 * WIDTH + dimension, one] = seen[1][row]
        attention.q_proj.weight[2 * WIDTH + dimension, two] = seen[2][row]
        attention.k_proj.weight[WIDTH + dimension, two] = seen[1][row]
        attention.k_proj.weight[WIDTH + dimension, three] = seen[2][row]
