"""Control tokens of chat templates, broken in place.

A model server turns `<|im_start|>` in a document into the very token that begins a system message;
no delimiter around the document helps. So the characters that make it a token are overwritten:
`<|im_start|>` becomes `< im_start >`, `[INST]` becomes `(INST)`. Lengths never change.

Covers the generic forms `<|word|>`, `<|word>`, `<word|>`, also with full-width signs (ChatML,
Llama 3 and 4, Qwen, Phi, Gemma, DeepSeek, GLM, gpt-oss), the bracketed tokens of Llama 2, Mistral,
GLM and EXAONE, and the angle-bracketed ones of Llama 2, Gemma, Qwen, GLM and Seed.
Does not cover a model whose tokens have another form, nor `[ARGS]`, `[IMG]` and kin, which usage
lines of ordinary documents are full of and which mean nothing outside of a tool call.
"""

import re
from typing import Final

from fairlead.guardrails.findings import MOST

_OPEN, _CLOSE, _BAR = "[<＜﹤]", "[>＞﹥]", "[|｜￨]"
_WORD = r"[^\s<>|＜＞﹤﹥｜￨\[\]()]{1,64}"
_ANGLED = (
    "s|bos|eos|unk|pad|sop|eop|(?:bos|eos|unk|pad|mask)_token|unused[0-9]{1,4}"
    "|(?:start|end|begin)_of_[a-z_]{1,32}|think|thinking|tool_calls?|tool_responses?|tool_results?"
    "|function_calls?|arg_key|arg_value|(?:seed|minimax):[a-z_]{1,32}"
)
_BRACKETED = (
    "inst|sys|system_prompt|available_tools|tool_calls|tool_results|tool_content|model_settings"
    "|gmask|smask|bos|eos|think"
)
_BARRED = rf"{_BAR}{_WORD}{_BAR}?{_CLOSE}|{_WORD}{_BAR}{_CLOSE}"
_BOXED = rf"{_BAR}(?:system|user|assistant|tool|endofturn){_BAR}\]"
_ANGULAR = rf"/?(?:{_ANGLED}){_CLOSE}|{_OPEN}/?sys{_CLOSE}{_CLOSE}"
_BOXED_NAME = rf"/?(?:{_BRACKETED})\]"
PATTERNS: Final = (
    f"{_OPEN}(?:{_BARRED}|{_ANGULAR})",
    rf"\[(?:{_BOXED}|{_BOXED_NAME})",
)
"""For RE2 on lower-case text: whether there is any token."""

_token: Final = re.compile(  # one class in front, so that the search skips to the next opening
    rf"[<＜﹤\[](?:(?<={_OPEN})(?:(?P<angled>{_BARRED})|{_ANGULAR})"
    rf"|(?<=\[)(?:(?P<boxed>{_BOXED})|{_BOXED_NAME}))",
    re.IGNORECASE,
)
_bars: Final = str.maketrans("|｜￨", "   ")
_blunt: Final = str.maketrans("<＜﹤>＞﹥[]", "((()))()")


def broken(text: str) -> tuple[str, list[tuple[int, int]]]:
    """`text` with its control tokens overwritten, and where the first of them stood. Linear time.

    No token starts inside another and what is written makes no new one, so one pass is enough.
    """
    spans: list[tuple[int, int]] = []
    if (
        "<" not in text
        and "[" not in text
        and (text.isascii() or not ("＜" in text or "﹤" in text))
    ):
        return text, spans

    def overwritten(found: re.Match[str]) -> str:
        if len(spans) <= MOST:
            spans.append(found.span())
        barred = found["angled"] or found["boxed"]
        return found.group().translate(_bars if barred else _blunt)

    return _token.sub(overwritten, text), spans
