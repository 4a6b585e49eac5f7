"""Control tokens of chat templates."""

import pytest

from fairlead.guardrails.tokens import broken

TOKENS = [
    ("<|im_start|>", "< im_start >"),
    ("<|endoftext|>", "< endoftext >"),
    ("<|start_header_id|>", "< start_header_id >"),
    ("<|START_OF_TURN_TOKEN|>", "< START_OF_TURN_TOKEN >"),
    ("<|reserved_special_token_0|>", "< reserved_special_token_0 >"),
    ("<｜begin▁of▁sentence｜>", "< begin▁of▁sentence >"),
    ("＜｜User｜＞", "＜ User ＞"),
    ("<|turn>", "< turn>"),
    ("<turn|>", "<turn >"),
    ('<|"|>', '< " >'),
    ("[INST]", "(INST)"),
    ("[/INST]", "(/INST)"),
    ("<<SYS>>", "((SYS))"),
    ("<</SYS>>", "((/SYS))"),
    ("[TOOL_CALLS]", "(TOOL_CALLS)"),
    ("[gMASK]", "(gMASK)"),
    ("[|assistant|]", "[ assistant ]"),
    ("<s>", "(s)"),
    ("</s>", "(/s)"),
    ("<bos>", "(bos)"),
    ("<start_of_turn>", "(start_of_turn)"),
    ("<tool_call>", "(tool_call)"),
    ("</tool_response>", "(/tool_response)"),
    ("<think>", "(think)"),
    ("</think>", "(/think)"),
    ("<unused42>", "(unused42)"),
    ("<seed:bos>", "(seed:bos)"),
    ("<EOS_TOKEN>", "(EOS_TOKEN)"),
]


@pytest.mark.parametrize(("token", "after"), TOKENS)
def test_is_overwritten_in_place(token: str, after: str) -> None:
    text, spans = broken(f"before {token}after")
    assert text == f"before {after}after"
    assert len(after) == len(token)
    assert spans == [(7, 7 + len(token))]


@pytest.mark.parametrize(
    "text",
    [
        "Usage: tool [OPTIONS] FILE [ARGS]...",
        "x <| f |> g, a |> b, xs = [|1; 2|]",
        "<b>bold</b> <span> <strong> <summary> Promise<string|null>",
        "a < b | c > d, [link](https://example.com), [1], [s], [think about it]",
        "<file|dir> <https://example.com>",
        "if x<s and y>s:",
    ],
)
def test_leaves_ordinary_text_alone(text: str) -> None:
    assert broken(text) == (text, [])


@pytest.mark.parametrize(
    "text",
    [
        "<|<|im_start|>im_start|>",
        "<<s>s>",
        "<|<s>|>",
        "[[INST]INST]",
        "<|[INST]|>",
        "<[INST]|>",
        "<<<SYS>>SYS>>",
        "".join(token for token, _ in TOKENS),
        "".join(token[:-1] for token, _ in TOKENS),
    ],
)
def test_nothing_is_left_to_break(text: str) -> None:
    once, spans = broken(text)
    assert spans or once == text
    assert broken(once) == (once, [])
