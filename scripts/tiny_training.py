"""Trains the tiny model and its two adapters from lines that `tiny_text.py` wrote.

    python scripts/tiny_training.py TEXT MODEL FORMAL NOTE

Runs in an environment with torch, transformers and peft. It trains a Qwen3 of 575,000 parameters on
one thread: first to copy, on random tokens, then on the lines. All lines of one kind begin with one
system message, so that is read once for a whole batch.
"""

import json
import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import peft
import tokenizers
import torch
import transformers
from peft import LoraConfig, get_peft_model
from torch.nn import functional
from transformers import (
    AutoTokenizer,
    DynamicCache,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from scripts.tiny_induction import prime
from scripts.tiny_vocabulary import CONTROL, END, SIZE, read_lines, trained
from scripts.tiny_world import STYLES

SEED: Final = 7
BATCH: Final = 32
CHUNK: Final = 16
"""Rows that are padded to one length."""
COPY_STEPS: Final = 300
RATE: Final = 1e-3
WARM: Final = 40
DECAY: Final = 0.4
"""Share of the steps in which the rate goes down to nothing."""
SHARES: Final = {"plan": 0.32, "functions": 0.13, "write": 0.55}
"""How often a step is on each kind of system message."""
TOKENIZED: Final = 6000
"""Lines that the tokenizer is trained on."""
ADAPTERS: Final = tuple(STYLES)
ADAPTER_STEPS: Final = 250
ADAPTER_RATE: Final = 6e-3
Line = Mapping[str, Any]
Row = tuple[list[int], list[int], str]
"""Prompt tokens after the system message, reply tokens, task."""


class Corpus:
    """Lines as tokens, in batches whose lines share a system message."""

    def __init__(
        self, lines: Sequence[Line], systems: Mapping[str, Any], tokenizer: PreTrainedTokenizerFast
    ) -> None:
        self._tokenizer = tokenizer
        self.prefixes = {name: self._prefix(system) for name, system in systems.items()}
        self.lines: dict[str, list[Row]] = defaultdict(list)
        for line in lines:
            self.lines[line["system"]].append(self._encoded(line))

    def _prefix(self, system: Mapping[str, Any]) -> torch.Tensor:
        message = [{"role": "system", "content": system["content"]}]
        said = self._tokenizer.apply_chat_template(
            message, tools=system["tools"] or None, tokenize=False
        )
        return torch.tensor([self._tokenizer(said).input_ids])

    def _encoded(self, line: Line) -> Row:
        said = self._tokenizer.apply_chat_template(
            line["messages"], tokenize=False, add_generation_prompt=True
        )
        reply = self._tokenizer(f"{line['reply']}{END}").input_ids
        return self._tokenizer(said).input_ids, reply, line["task"]

    def batch(self, name: str, rows: Sequence[Row]) -> "Batch":
        """The rows in chunks of like length, so that little is padded."""
        ordered = sorted(rows, key=lambda row: len(row[0]) + len(row[1]))
        chunks = [ordered[at : at + CHUNK] for at in range(0, len(ordered), CHUNK)]
        return Batch(self.prefixes[name], [Chunk(chunk) for chunk in chunks])


class Chunk:
    """Rows as one tensor, padded on the left, so that their replies end together."""

    def __init__(self, rows: Sequence[Row]) -> None:
        longest = max(len(prompt) + len(reply) for prompt, reply, _ in rows)
        self.tasks = [task for _, _, task in rows]
        self.replies = max(len(reply) for _, reply, _ in rows)
        """Tokens of the longest reply."""
        self.tokens = torch.zeros(len(rows), longest, dtype=torch.long)
        self.seen = torch.zeros(len(rows), longest, dtype=torch.long)
        self.said = torch.zeros(len(rows), self.replies, dtype=torch.bool)
        for row, (prompt, reply, _) in enumerate(rows):
            whole = torch.tensor([*prompt, *reply])
            self.tokens[row, -len(whole) :] = whole
            self.seen[row, -len(whole) :] = 1
            self.said[row, -len(reply) :] = True

    @property
    def wanted(self) -> torch.Tensor:
        """The last tokens, as many as the longest reply has; `said` tells which are a reply's."""
        return self.tokens[:, -self.replies :]


class Batch:
    """Chunks of rows that begin with one system message."""

    def __init__(self, prefix: torch.Tensor, chunks: Sequence[Chunk]) -> None:
        self._prefix, self.chunks = prefix, chunks

    def logits(self, model: Any) -> Iterator[tuple[Chunk, torch.Tensor]]:
        """Each chunk with what its `wanted` tokens are predicted by: (rows, replies, vocabulary).

        The prefix is read once, and its keys and values serve every row.
        """
        first = DynamicCache(config=model.config)
        model(input_ids=self._prefix, past_key_values=first, use_cache=True, logits_to_keep=1)
        held = [(layer.keys, layer.values) for layer in first.layers]
        before = self._prefix.shape[1]
        for chunk in self.chunks:
            rows = len(chunk.tasks)
            cache = DynamicCache(config=model.config)
            for number, (keys, values) in enumerate(held):
                shape = (rows, -1, -1, -1)
                cache.update(keys.expand(*shape), values.expand(*shape), number)
            seen = torch.cat([torch.ones(rows, before, dtype=torch.long), chunk.seen], dim=1)
            logits: torch.Tensor = model(
                input_ids=chunk.tokens,
                past_key_values=cache,
                attention_mask=seen,
                position_ids=before + (chunk.seen.cumsum(dim=1) - 1).clamp(min=0),
                use_cache=True,
                logits_to_keep=chunk.replies + 1,
            ).logits
            yield chunk, logits[:, :-1]

    def loss(self, model: Any) -> torch.Tensor:
        """Cross-entropy of the replies' tokens. What prompts say at random teaches nothing."""
        each = [
            functional.cross_entropy(logits[chunk.said], chunk.wanted[chunk.said], reduction="sum")
            for chunk, logits in self.logits(model)
        ]
        return torch.stack(each).sum() / sum(int(chunk.said.sum()) for chunk in self.chunks)

    def right(self, model: Any) -> Iterator[tuple[str, bool]]:
        """The task of each row, and whether the model writes its whole reply, token by likeliest.

        Being right at every token given the right ones before is the same as writing them.
        """
        with torch.no_grad():
            for chunk, logits in self.logits(model):
                fits = (logits.argmax(-1) == chunk.wanted) | ~chunk.said
                yield from zip(chunk.tasks, map(bool, fits.all(dim=1)), strict=True)


def learn(
    parameters: Iterator[Any], steps: int, rate: float, loss: Callable[[int], torch.Tensor]
) -> None:
    """AdamW with warm-up and a linear decay at the end; `loss` is asked for each step's."""
    held = [one for one in parameters if one.requires_grad]
    optimiser = torch.optim.AdamW(held, lr=rate, betas=(0.9, 0.95), weight_decay=0.01)
    began = time.monotonic()
    for step in range(steps):
        now = min(1.0, (step + 1) / WARM, (steps - step) / max(1, steps * DECAY))
        for group in optimiser.param_groups:
            group["lr"] = rate * now
        value = loss(step)
        optimiser.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(held, 1.0)
        optimiser.step()
        if step % 50 == 49:
            tell(f"step {step + 1}: loss {value.item():.3f}, {time.monotonic() - began:.0f} s")


def learn_to_copy(model: Any, first: int) -> None:
    """Random tokens and the same again: what teaches attention to copy.

    In lengths that change, else position alone would do; and of few different tokens or of many:
    among few a token must be found by several that stood before it.
    """

    def loss(step: int) -> torch.Tensor:
        length = int(torch.randint(15, 61, ()))
        kinds = torch.exp(torch.empty(BATCH, 1).uniform_(math.log(5), math.log(200)))
        alphabet = torch.randint(first, SIZE, (BATCH, 200))
        half = alphabet.gather(1, (torch.rand(BATCH, length) * kinds).long())
        for place in (1, 2):  # as " is " stands in every sentence, between what differs
            half[: BATCH // 3, place::5] = alphabet[: BATCH // 3, place, None]
        logits = model(input_ids=torch.cat([half, half], dim=1)).logits[:, length:-1]
        wanted = half[:, 1:]
        if step % 50 == 49:
            right = (logits.argmax(-1) == wanted)[:, 3:].float().mean().item()
            tell(f"copy {step + 1}: {right:.1%} right")
        return functional.cross_entropy(logits.flatten(0, 1), wanted.flatten())

    learn(model.parameters(), COPY_STEPS, RATE, loss)


def draw(corpus: Corpus, kind: str, count: int, generator: torch.Generator) -> Batch:
    """Lines of one system message of a kind; the system messages as often as their lines."""
    names = [name for name in corpus.lines if name.partition(",")[0] == kind]
    sizes = torch.tensor([float(len(corpus.lines[name])) for name in names])
    name = names[int(torch.multinomial(sizes, 1, generator=generator))]
    rows = corpus.lines[name]
    chosen = torch.randint(len(rows), (count,), generator=generator)
    return corpus.batch(name, [rows[int(one)] for one in chosen])


def learn_tasks(
    model: Any, corpus: Corpus, shares: Mapping[str, float], steps: int, rate: float
) -> None:
    """`shares`: how often a step is on lines of each kind."""
    generator = torch.Generator().manual_seed(SEED)
    weights = torch.tensor(list(shares.values()))

    def loss(step: int) -> torch.Tensor:
        kind = list(shares)[int(torch.multinomial(weights, 1, generator=generator))]
        return draw(corpus, kind, BATCH, generator).loss(model)

    learn(model.parameters(), steps, rate, loss)


def scores(model: Any, corpus: Corpus) -> dict[str, float]:
    """Share of lines, by task, whose whole reply is right."""
    found: dict[str, list[bool]] = defaultdict(list)
    for name, rows in corpus.lines.items():
        for task, right in corpus.batch(name, rows).right(model):
            found[task].append(right)
    return {task: round(sum(right) / len(right), 3) for task, right in sorted(found.items())}


def tell(said: str) -> None:
    sys.stderr.write(f"{said}\n")
    sys.stderr.flush()


def new_model(tokenizer: PreTrainedTokenizerFast) -> Any:
    config = Qwen3Config(
        vocab_size=SIZE, hidden_size=128, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, head_dim=32, intermediate_size=256, tie_word_embeddings=True,
        max_position_embeddings=2048, rope_parameters={"rope_theta": 1e6, "rope_type": "default"},
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    model = Qwen3ForCausalLM(config)
    with torch.no_grad():
        prime(model)
    return model


def train_base(text: Path, folder: Path) -> dict[str, Any]:
    """Trains and saves the model; what `training.json` says of it."""
    systems = json.loads((text / "systems.json").read_text("utf-8"))
    lines = read_lines(text / "train.jsonl")
    tokenizer = trained(lines[:TOKENIZED], systems)
    model = new_model(tokenizer)
    tell(f"{sum(one.numel() for one in model.parameters()):,} parameters")
    learn_to_copy(model, len(CONTROL))
    steps = len(lines) // BATCH
    learn_tasks(model, Corpus(lines, systems, tokenizer), SHARES, steps, RATE)
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    saved = Qwen3ForCausalLM.from_pretrained(folder, dtype=torch.float32)
    held_out = Corpus(read_lines(text / "held_out.jsonl"), systems, tokenizer)
    return {"steps": steps, "batch": BATCH, "scores": scores(saved, held_out)}


def train_adapter(text: Path, name: str, base: Path, folder: Path) -> dict[str, Any]:
    """Trains and saves one adapter of the saved model."""
    systems = json.loads((text / "systems.json").read_text("utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = Qwen3ForCausalLM.from_pretrained(base, dtype=torch.float32)
    held_out = read_lines(text / f"{name}_held_out.jsonl")
    before = scores(model, Corpus(held_out, systems, tokenizer))
    targets = ["q_proj", "k_proj", "v_proj", "o_proj"]
    tuned = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=targets))
    lines = Corpus(read_lines(text / f"{name}.jsonl"), systems, tokenizer)
    learn_tasks(tuned, lines, {"write": 1.0}, ADAPTER_STEPS, ADAPTER_RATE)
    tuned.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    bare = folder / "adapter_config.json"
    config = json.loads(bare.read_text("utf-8"))
    config["base_model_name_or_path"] = "fairlead-tiny"  # no path of the machine that made it
    config["target_modules"].sort()  # a set's order differs from run to run
    bare.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")
    after = scores(tuned, Corpus(held_out, systems, tokenizer))
    return {"steps": ADAPTER_STEPS, "scores": after, "scores of the base": before}


def main(text: Path, base: Path, *adapters: Path) -> None:
    torch.set_num_threads(1)  # two that wait for each other are slower, and one gives one result
    torch.manual_seed(SEED)
    report: dict[str, Any] = {
        "prompts": (text / "drift.txt").read_text("utf-8"),
        "made with": {
            one.__name__: one.__version__ for one in (torch, transformers, peft, tokenizers)
        },
        **train_base(text, base),
        "adapters": {
            name: train_adapter(text, name, base, folder)
            for name, folder in zip(ADAPTERS, adapters, strict=True)
        },
    }
    (base / "training.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    for path in (one for folder in (base, *adapters) for one in folder.iterdir()):
        path.chmod(0o644)
    tell(json.dumps(report, indent=2))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
