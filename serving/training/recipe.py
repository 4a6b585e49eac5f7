"""How an adapter is trained: every number with its reason, from a TOML file or the defaults."""

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from fairlead.errors import SettingsError
from fairlead.sections import Section
from fairlead.serving.training.findings import KINDS

_REFUSED: Final = {
    "modules_to_save": "an adapter that replaces parts of its base is not admitted",
    "trainable_token_indices": "an adapter that changes the vocabulary is not admitted",
    "tokenizer": "an adapter that changes the tokenizer is not admitted",
    "chat_template": "an adapter that changes the prompt's form is not admitted",
    "bias": "servers do not load an adapter's biases",
    "use_dora": "servers do not compute DoRA",
}
"""Settings of peft that somebody may look for, and why they are not here."""

Share = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(gt=0, le=1)]


class DataSettings(Section):
    """What of the data is trained, and what is set aside."""

    max_tokens: Annotated[int, Field(ge=16, le=1_000_000)] = 2048
    """Of one sequence, the chat template's own tokens included."""
    over_long: Literal["refuse", "drop"] = "refuse"
    """Never cut: an answer without its end teaches not to end."""
    turns: Literal["all", "last"] = "all"
    """Which of an example's answers the loss is on."""
    completions: Literal["template", "plain"] = "template"
    """Whether a prompt and its completion become a chat of one turn, as a server of chats sees it,
    or stay plain text."""
    drop_duplicates: bool = True
    """Equal examples train once: a model repeats most what it saw repeatedly (Lee and others 2021,
    arXiv 2107.06499)."""
    validation_share: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Set aside where no validation file is given; 0 trains without."""


class LoraSettings(Section):
    """The adapter's shape."""

    rank: Annotated[int, Field(ge=1, le=512)] = 16
    """vLLM serves up to `--max-lora-rank`, 16 by default."""
    alpha: Annotated[float, Field(gt=0, le=4096)] = 32
    """Twice the rank; the update is scaled by alpha / rank (Hu and others 2021, arXiv
    2106.09685)."""
    dropout: Share = 0.05
    """QLoRA finds it useful up to 13B (Dettmers and others 2023, arXiv 2305.14314, appendix A)."""
    targets: Literal["all-linear"] | tuple[Annotated[str, Field(min_length=1)], ...] = "all-linear"
    """Modules that get an update; `all-linear` leaves out the output head. Adapting only attention
    learns less at equal size (QLoRA, section 4; Schulman 2025, "LoRA Without Regret")."""
    rslora: bool = False
    """Scales by alpha / √rank (Kalajdzievski 2023, arXiv 2312.03732)."""

    @model_validator(mode="after")
    def _some(self) -> "LoraSettings":
        if not self.targets:
            raise ValueError("targets names no module")
        return self


class TrainingSettings(Section):
    """How the adapter's numbers are found."""

    epochs: Annotated[float, Field(gt=0, le=1000)] = 3
    max_steps: Annotated[int, Field(ge=0)] = 0
    """Where above 0, training ends there whatever `epochs` says."""
    learning_rate: Rate = 2e-4
    """QLoRA's for models up to 13B; 1e-4 for larger ones."""
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    warmup: Share = 0.03
    """Share of the steps over which the rate rises."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 4
    accumulation: Annotated[int, Field(ge=1, le=4096)] = 4
    """Batches to a step. 16 sequences a step by default, as QLoRA: LoRA bears large batches worse
    than full training does (Schulman 2025)."""
    weight_decay: Share = 0.0
    max_grad_norm: Annotated[float, Field(ge=0)] = 1.0
    """0 leaves gradients as they are."""
    packing: bool = False
    """Several short sequences in one row, each seeing only itself."""
    gradient_checkpointing: bool = False
    """Less memory for a third more time."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """`auto` is bf16 on a GPU that has it, else fp32. The adapter's own numbers are fp32."""
    quantise: Literal["none", "nf4"] = "none"
    """`nf4` is QLoRA: the base in 4 bits. Needs CUDA and bitsandbytes."""
    device: Literal["auto", "cpu"] = "auto"
    threads: Annotated[int, Field(ge=0, le=1024)] = 0
    """Of the CPU; 0 leaves it to torch."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    deterministic: bool = True
    """Same data, settings, versions and hardware give the same adapter, bit by bit."""
    evaluate_every: Annotated[int, Field(ge=0)] = 0
    """Steps between two looks at the validation set, and between two checkpoints; 0 is a tenth of
    all steps."""
    patience: Annotated[int, Field(ge=0)] = 3
    """Looks without a better validation loss after which training ends; 0 never ends early."""


class Thresholds(Section):
    """Where an examination draws its lines."""

    min_examples: Annotated[int, Field(ge=1)] = 10
    """Different ones. OpenAI's fine-tuning refuses fewer than 10."""
    few_examples: Annotated[int, Field(ge=1)] = 50
    """OpenAI advises to start with 50."""
    near: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Jaccard similarity from which texts are near duplicates: of runs of three words, since an
    answer is shorter than a document."""
    ngram: Annotated[int, Field(ge=3, le=50)] = 8
    """Words of a run, and the share of a golden question's runs that the training data may hold: 8
    and .7 are PaLM's (Chowdhery and others 2022, arXiv 2204.02311, section 8); GPT-3 took 8 to 13
    words."""
    overlap: Annotated[float, Field(gt=0, le=1)] = 0.7
    boilerplate: Annotated[float, Field(gt=0, le=1)] = 0.2
    """A line or a run of words that so many of the prompts have in common, and more than ten, is
    what a template wrote, and counts for nothing when prompts are compared (GPT-3 left out runs in
    more than ten documents: Brown and others 2020, arXiv 2005.14165, appendix C)."""
    labels: Annotated[int, Field(ge=2)] = 20
    """Up to so many different short answers are labels, whose balance is looked at."""
    imbalance: Annotated[float, Field(ge=1)] = 9.0
    """The commonest label over the rarest; above 9 the literature calls a set highly imbalanced
    (Fernández and others 2008, the KEEL sets)."""
    allow: tuple[str, ...] = ()
    """Codes of failures that only warn; each is named, so that it is on purpose."""
    forbid: tuple[str, ...] = ()
    """Codes of warnings that fail."""

    @model_validator(mode="after")
    def _known(self) -> "Thresholds":
        for code in (*self.allow, *self.forbid):
            if code not in KINDS:
                near = difflib.get_close_matches(code, KINDS, n=1, cutoff=0.0)
                raise ValueError(f"there is no code {code!r}; did you mean {near[0]!r}?")
        fixed = [code for code in self.allow if KINDS[code].fixed]
        if fixed:
            raise ValueError(f"{fixed[0]!r} cannot be allowed: such data cannot be trained on")
        return self


class Recipe(Section):
    """Everything that decides what comes out of a training, besides the data and the base."""

    data: DataSettings = DataSettings()
    lora: LoraSettings = LoraSettings()
    training: TrainingSettings = TrainingSettings()
    examination: Thresholds = Thresholds()


def read_recipe(path: Path | None, changes: dict[str, dict[str, Any]] | None = None) -> Recipe:
    """The recipe in a TOML file, or the defaults; `changes` (by section) win over both.

    Raises `SettingsError` for a file that cannot be read, an unknown name or a bad value.
    """
    values = _read(path) if path else {}
    for section, given in (changes or {}).items():
        if given:
            held = values.get(section, {})
            values[section] = {**(held if isinstance(held, dict) else {}), **given}
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False)
        first = next((e for e in found if e["type"] == "extra_forbidden"), found[0])
        raise _complaint(first, path) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{str(path)!r} is not valid TOML: {error}", hint="Mend the line named."
        ) from error
    except OSError as error:
        raise SettingsError(
            f"cannot read {str(path)!r}: {error.strerror}", hint="Name an existing file."
        ) from error


def _complaint(error: ErrorDetails, path: Path | None) -> SettingsError:
    location = [str(part) for part in error["loc"]]
    name = ".".join(location)
    where = f" in {str(path)!r}" if path else ""
    if error["type"] != "extra_forbidden":
        said = str(error.get("ctx", {}).get("error", error["msg"]))
        return SettingsError(
            f"{name!r}{where}: {said}", hint="docs/training.md lists all settings."
        )
    if location[-1] in _REFUSED:
        return SettingsError(f"{name!r}{where} is refused: {_REFUSED[location[-1]]}")
    near = difflib.get_close_matches(name, names(), n=1, cutoff=0.0)
    return SettingsError(f"unknown setting {name!r}{where}", hint=f"Did you mean {near[0]!r}?")


def names() -> list[str]:
    """Every setting as `section.name`."""
    return [f"{section}.{name}" for section, kept in Recipe().model_dump().items() for name in kept]
