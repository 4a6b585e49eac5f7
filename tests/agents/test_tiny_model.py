"""The tiny model of tests/models fits the prompts as they are; a real server tests what it says."""

import json
import tomllib
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from fairlead.agents.prompts import NO_ANSWER
from scripts.tiny_text import MIX, drift, styled, systems
from scripts.tiny_world import FOLDERS, HELD_OUT, STYLES, World

ROOT = Path(__file__).parents[2]
BASE, *ADAPTERS = FOLDERS
REPORT = json.loads((BASE / "training.json").read_text("utf-8"))
CONTEXT = 2048


def test_the_weights_were_trained_on_the_prompts_as_they_are() -> None:
    assert REPORT["prompts"] == drift(), (
        "prompts, tool descriptions or the training text have changed since tests/models was "
        "trained: run `make tiny-model` (half an hour on one core) and commit what it writes"
    )


def test_what_was_measured_at_training_is_good_enough_for_tests() -> None:
    assert set(REPORT["scores"]) == set(MIX)
    scores = REPORT["scores"].values()
    assert min(scores) >= 0.9 and sum(scores) / len(scores) >= 0.97
    for name in STYLES:
        adapter = REPORT["adapters"][name]
        before = adapter["scores of the base"][name]
        assert adapter["scores"][name] >= 0.9 > 0.4 >= before  # NO ANSWER has no style


def test_every_prompt_fits_into_the_models_context() -> None:
    tokenizer = Tokenizer.from_file(str(BASE / "tokenizer.json"))

    def tokens(said: str) -> int:
        return len(tokenizer.encode(said).ids)

    longest = max(tokens(system["content"]) for system in systems().values())
    for name, (_, made) in MIX.items():
        line = made(World(name, held_out=True))
        said = "\n".join([message["content"] for message in line["messages"]] + [line["reply"]])
        assert longest + tokens(said) + 50 < CONTEXT


@pytest.mark.parametrize("number", range(10))
def test_every_digit_is_a_token(number: int) -> None:
    tokenizer = Tokenizer.from_file(str(BASE / "tokenizer.json"))
    assert len(tokenizer.encode(f"{number}" * 6).ids) == 6


def test_the_files_are_small_bare_and_not_in_the_wheel() -> None:
    files = [path for folder in FOLDERS for path in folder.iterdir()]
    assert sum(path.stat().st_size for path in files) < 2_500_000
    assert not [path for path in files if path.suffix in (".py", ".pkl", ".bin")]
    for folder in ADAPTERS:
        config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
        assert config["base_model_name_or_path"] == "fairlead-tiny"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert not [name for name in project["tool"]["setuptools"]["packages"] if "tests" in name]


def test_names_of_the_tests_never_occur_in_training() -> None:
    trained, tested = World("names"), World("names", held_out=True)
    known = {trained.name() for _ in range(2000)}
    new = {tested.name() for _ in range(2000)}
    assert not known & new and set(HELD_OUT) <= new


def test_an_adapters_lines_are_the_bases_in_another_style() -> None:
    for style, said in STYLES.items():
        for line in styled(style, "x", 20, held_out=False):
            assert line["reply"] == NO_ANSWER or line["reply"].startswith(said("x")[:4])
