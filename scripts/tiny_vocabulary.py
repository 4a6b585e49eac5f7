"""The tiny model's tokenizer: byte-level BPE, every digit a token of its own; and its template.

Runs in an environment that has transformers.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

SIZE: Final = 1024
END: Final = "<|im_end|>"
CONTROL: Final = (
    "<|endoftext|>", "<|im_start|>", END, "<tool_call>", "</tool_call>", "<tool_response>",
    "</tool_response>", "<think>", "</think>",
)  # fmt: skip
"""Those of Qwen3, so that a server's parsers for it work."""
TEMPLATE: Final = (
    "{%- for message in messages %}"
    "<|im_start|>{{ message.role }}\n{{ message.content or '' }}"
    "{%- if loop.first and tools %}\n\nFunctions:"
    "{%- for tool in tools %} {{ tool.function.name }}("
    "{{ (tool.function.parameters.properties or {}) | join(', ') }})"
    "{%- endfor %}{% endif %}"
    "{%- for call in message.tool_calls or [] %}"
    '<tool_call>\n{"name": "{{ call.function.name }}", "arguments": '
    "{{ call.function.arguments if call.function.arguments is string "
    "else call.function.arguments | tojson }}}\n</tool_call>"
    "{%- endfor %}<|im_end|>\n{% endfor %}"
    "{%- if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_SYSTEMS: Final = 3000
"""How often a system message counts beside the lines, which all begin with one."""


def trained(lines: list[Mapping[str, Any]], systems: Mapping[str, Any]) -> PreTrainedTokenizerFast:
    """A tokenizer for the text of these lines."""

    def texts() -> Iterator[str]:
        for system in systems.values():
            for _ in range(_SYSTEMS):
                yield system["content"]
        for line in lines:
            yield from (message["content"] for message in line["messages"])
            yield line["reply"]
            yield json.dumps([message.get("tool_calls") for message in line["messages"]])

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True),
         pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )  # fmt: skip
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE,
        special_tokens=list(CONTROL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=CONTROL[0],
        additional_special_tokens=list(CONTROL[1:]),
        clean_up_tokenization_spaces=False,
        chat_template=TEMPLATE,
        model_max_length=2048,
    )


def read_lines(path: Path) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
