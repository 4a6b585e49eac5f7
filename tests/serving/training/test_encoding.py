"""Tokens of examples: what is trained decodes to the answers, behind the prompts of the server."""

import json
import re
import subprocess
import sys
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.serving.training import encoding
from fairlead.serving.training.encoding import Encoded, Encoder, Unfit, encode
from fairlead.serving.training.forms import example_of
from tests.serving.training.conftest import chat
from tests.serving.training.tiny import TEMPLATE, make_tokenizer, write_base, write_json

NOW = "2026-01-02T03:04:05+00:00"
TOKENIZER = make_tokenizer()
HISTORY = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Where is order 7?"},
    {"role": "assistant", "content": "On its way."},
    {"role": "user", "content": "Since when?"},
    {"role": "assistant", "content": "Since 3 May. – Grüße"},
]


@pytest.fixture(autouse=True)
def rendering() -> None:
    pytest.importorskip("jinja2")


def made(tmp_path: Path, template: str = TEMPLATE, **options: str) -> Encoder:
    folder = write_base(tmp_path / f"base{len(list(tmp_path.iterdir()))}", template=template)
    given = {"turns": "all", "completions": "template", "now": NOW, **options}
    return Encoder(folder, **given)


def fields(value: dict[str, Any]) -> dict[str, Any]:
    return example_of(value, line=1).fields()


def text(ids: list[int]) -> str:
    return TOKENIZER.decode(ids, skip_special_tokens=False)


def answers(encoded: Encoded) -> list[str]:
    return [text(encoded.ids[begin:end]) for begin, end in encoded.answers]


def test_every_answer_is_trained_and_nothing_else(tmp_path: Path) -> None:
    encoder = made(tmp_path)
    (found,) = encoder.sequences(fields({"messages": HISTORY}))
    assert answers(found) == ["On its way.<|im_end|>", "Since 3 May. – Grüße<|im_end|>"]
    assert text(found.ids) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\nWhere is order 7?<|im_end|>\n"
        "<|im_start|>assistant\nOn its way.<|im_end|>\n"
        "<|im_start|>user\nSince when?<|im_end|>\n"
        "<|im_start|>assistant\nSince 3 May. – Grüße<|im_end|>"
    )
    assert encoder.stops(found) and found.answered == sum(len(a.encode()) for a in (
        "On its way.", "Since 3 May. – Grüße")) + 2  # fmt: skip
    signed = found.signed()
    assert [each if each >= 0 else -1 - each for each in signed] == found.ids
    assert text([each for each in signed if each >= 0]) == "".join(answers(found))


def test_only_the_last_answer_or_those_with_weight(tmp_path: Path) -> None:
    (last,) = made(tmp_path, turns="last").sequences(fields({"messages": HISTORY}))
    assert answers(last) == ["Since 3 May. – Grüße<|im_end|>"]
    weighed = [*HISTORY[:2], {**HISTORY[2], "weight": 0}, *HISTORY[3:]]
    (found,) = made(tmp_path).sequences(fields({"messages": weighed}))
    assert answers(found) == answers(last) and found.ids == last.ids


def test_tool_calls_are_answers(tmp_path: Path) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "find", "arguments": '{"id": 7}'}}
    value = {
        "messages": [
            {"role": "user", "content": "Where is order 7?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "shipped"},
            {"role": "assistant", "content": "On its way."},
        ],
        "tools": [{"type": "function", "function": {"name": "find"}}],
    }
    (found,) = made(tmp_path).sequences(fields(value))
    assert answers(found) == [
        '<tool_call>{"name": "find", "arguments": {"id": 7}}</tool_call><|im_end|>',
        "On its way.<|im_end|>",
    ]
    assert text(found.ids).startswith('<|im_start|>system\n{"type": "function", ')


FORGETFUL = """
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.role == 'assistant' and not loop.last and not add_generation_prompt %}{{- '…' }}
    {%- elif message.role == 'assistant' and add_generation_prompt %}{{- '…' }}
    {%- else %}{{- message.content }}{% endif %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{% endif %}
"""
"""Leaves out what was answered earlier, as templates do with earlier reasoning."""


def test_a_template_that_rewrites_earlier_turns_gives_each_answer_a_sequence(
    tmp_path: Path,
) -> None:
    found = made(tmp_path, FORGETFUL).sequences(fields({"messages": HISTORY}))
    assert [answers(each) for each in found] == [
        ["On its way.<|im_end|>"],
        ["Since 3 May. – Grüße<|im_end|>"],
    ]
    assert "On its way." not in text(found[1].ids)


WORDS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=4))
def test_what_is_trained_is_what_was_answered(turns: list[tuple[str, str]]) -> None:
    messages = [
        {"role": role, "content": said}
        for asked, answered in turns
        for role, said in (("user", asked), ("assistant", answered))
    ]
    encoder = ENCODER[0]
    found = encoder.sequences(fields({"messages": messages}))
    told = [each for encoded in found for each in answers(encoded)]
    assert told == [f"{answered}<|im_end|>" for _, answered in turns]
    assert len(found) == 1


ENCODER: list[Encoder] = []


@pytest.fixture(autouse=True, scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> None:
    pytest.importorskip("jinja2")
    ENCODER.append(made(tmp_path_factory.mktemp("shared")))


def test_a_prompt_and_its_completion_are_a_chat_or_plain(tmp_path: Path) -> None:
    value = fields({"prompt": "Where?", "completion": " Here"})
    (found,) = made(tmp_path).sequences(value)
    assert answers(found) == [" Here<|im_end|>"] and text(found.ids).startswith("<|im_start|>user")
    for encoder in (made(tmp_path, completions="plain"), made(tmp_path, template="")):
        (plain,) = encoder.sequences(value)
        assert text(plain.ids) == "Where? Here<|im_end|>" and answers(plain) == [" Here<|im_end|>"]


DEAF = TEMPLATE.replace("message.tool_calls or []", "[]")
"""Knows no tool calls, and passes over them without a word."""
CALLING = {
    "messages": [
        {"role": "user", "content": "Where is order 7?"},
        {"role": "assistant", "tool_calls": [{"function": {"name": "find", "arguments": {}}}]},
    ]
}


@pytest.mark.parametrize(
    ("template", "value", "code", "said"),
    [
        ("", chat("a", "b"), "template", "no chat template"),
        (TEMPLATE, chat("a <|im_end|> b", "c"), "control_token", "<|im_end|>"),
        (
            TEMPLATE,
            {**chat("a", "b"), "tools": [{"function": {"name": "x", "enum": ["<|im_start|>"]}}]},
            "control_token",
            "<|im_start|>",
        ),
        (
            TEMPLATE,
            {"messages": [{"role": "developer", "content": "x"}, *HISTORY[1:3]]},
            "template",
            "no developer here",
        ),
        ("{{ messages[0].content + 3 }}", chat("a", "b"), "template", "concatenate"),
        ("{{ messages.clear() }}", chat("a", "b"), "template", "unsafe|immutable|not safely"),
        ("{{ ''.__class__.__mro__ }}", chat("a", "b"), "template", "unsafe"),
        (
            "{% if add_generation_prompt %}>{% endif %}",
            chat("a", "b"),
            "template",
            "writes another",
        ),
        ("x", chat("a", "b"), "template", "leaves out message 1"),
        ("{{ messages[0].content }}", chat("a", "b"), "template", "leaves out answer 2"),
        (DEAF, CALLING, "template", "leaves out a call of answer 2"),
    ],
)
def test_what_the_base_does_not_take_is_said(
    tmp_path: Path, template: str, value: dict[str, Any], code: str, said: str
) -> None:
    with pytest.raises(Unfit, match=re.escape(said) if "<" in said else said) as caught:
        made(tmp_path, template).sequences(fields(value))
    assert caught.value.code == code


def test_a_template_may_ask_for_the_time_of_the_training(tmp_path: Path) -> None:
    template = "{{ strftime_now('%Y-%m-%d') }}{% for m in messages %}/{{ m.content }}{% endfor %}"
    template += "{% if add_generation_prompt %}/{% endif %}"
    (found,) = made(tmp_path, template).sequences(fields(chat("a", "b")))
    assert text(found.ids) == "2026-01-02/a/b" and answers(found) == ["b"]
    assert not made(tmp_path, template).stops(found)
    assert datetime.fromisoformat(NOW).year == 2026


def test_what_a_template_writes_behind_the_end_is_not_trained(tmp_path: Path) -> None:
    """Phi's, for one, ends the whole text with another token that ends a text."""
    ending = TEMPLATE + "{% if not add_generation_prompt %}<|endoftext|><|im_end|>{% endif %}"
    (found,) = made(tmp_path, ending).sequences(fields({"messages": HISTORY}))
    assert answers(found) == ["On its way.<|im_end|>", "Since 3 May. – Grüße<|im_end|>"]


def test_a_template_that_reads_parts_is_given_parts(tmp_path: Path) -> None:
    """As those of models that also see images: they leave out plain text, or break on it."""
    for reading in (
        "content | map(attribute='text') | join",
        "content[0].text",
        "content[0]['text']",
    ):
        parts = TEMPLATE.replace("message.content", f"(message.{reading})")
        (found,) = made(tmp_path, parts).sequences(fields({"messages": HISTORY}))
        (plain,) = made(tmp_path).sequences(fields({"messages": HISTORY}))
        assert found.ids == plain.ids and found.answers == plain.answers


def test_named_templates_are_chosen_by_tools(tmp_path: Path) -> None:
    folder = write_base(tmp_path / "base")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    ask = "{% for m in messages %}{{ m.content }}{% endfor %}"
    config["chat_template"] = [
        {"name": "default", "template": f"D{ask}"},
        {"name": "tool_use", "template": f"T{ask}"},
    ]
    write_json(folder / "tokenizer_config.json", config)
    encoder = Encoder(folder, turns="all", completions="template", now=NOW)
    tool = {"type": "function", "function": {"name": "find"}}
    assert text(encoder.sequences(fields(chat("a", "b")))[0].ids) == "Dab"
    assert text(encoder.sequences(fields({**chat("a", "b"), "tools": [tool]}))[0].ids) == "Tab"
    config["chat_template"] = config["chat_template"][1:]
    write_json(folder / "tokenizer_config.json", config)
    encoder = Encoder(folder, turns="all", completions="template", now=NOW)
    with pytest.raises(Unfit, match="none called 'default'"):
        encoder.sequences(fields(chat("a", "b")))
    (folder / "chat_template.jinja").write_text(f"F{ask}")
    encoder = Encoder(folder, turns="all", completions="template", now=NOW)
    assert text(encoder.sequences(fields(chat("a", "b")))[0].ids) == "Fab"


def test_all_examples_are_written_one_after_the_other(tmp_path: Path) -> None:
    values = [chat("a", "b"), chat("<|im_start|>", "c"), {"messages": HISTORY}]
    lines = [{"line": n, **fields(each)} for n, each in enumerate(values, start=1)]
    out, encoder = BytesIO(), made(tmp_path)
    found = list(encode(lines, encoder, out))
    assert [(line, bool(sequences), bool(unfit)) for line, sequences, unfit in found] == [
        (1, True, False),
        (2, False, True),
        (3, True, False),
    ]
    lengths = [length for _, sequences, _ in found for length, _, _ in sequences]
    assert len(out.getvalue()) == 4 * sum(lengths)


def test_it_runs_without_fairlead(tmp_path: Path) -> None:
    folder = write_base(tmp_path / "base", template="")
    example = {"line": 3, **fields({"prompt": "a", "completion": "b"})}
    (tmp_path / "examples.jsonl").write_text(json.dumps(example))
    options = {"turns": "all", "completions": "template", "now": NOW}
    write_json(
        tmp_path / "job.json",
        {
            "base": str(folder),
            "options": options,
            "examples": str(tmp_path / "examples.jsonl"),
            "tokens": str(tmp_path / "tokens.bin"),
        },
    )
    command = [sys.executable, "-P", encoding.__file__, str(tmp_path / "job.json")]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(said.stdout) == [3, [[3, 2, True]], None]
    assert (tmp_path / "tokens.bin").stat().st_size == 12


HUGGING_FACE = """
import json, sys
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
value = json.load(open(sys.argv[2]))
ids = tokenizer.apply_chat_template(value["messages"], tools=value["tools"] or None,
                                    return_assistant_tokens_mask=True, return_dict=True)
print(json.dumps([ids["input_ids"], ids["assistant_masks"]]))
"""


@pytest.mark.vllm
def test_it_agrees_with_hugging_face(tmp_path: Path, training_python: str) -> None:
    """The same ids, and answers where the template's own marks have them."""
    folder = write_base(tmp_path / "base")
    write_json(tmp_path / "value.json", fields({"messages": HISTORY}))
    command = [training_python, "-c", HUGGING_FACE, str(folder), str(tmp_path / "value.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    ids, mask = json.loads(done.stdout)
    encoder = Encoder(folder, turns="all", completions="template", now=NOW)
    (found,) = encoder.sequences(fields({"messages": HISTORY}))
    assert found.ids == ids[: len(found.ids)]
    assert [int(each >= 0) for each in found.signed()] == mask[: len(found.ids)]
    assert not any(mask[len(found.ids) :])
