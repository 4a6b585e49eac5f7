"""Settings of a training: typed, each name known, each number with its bounds."""

from pathlib import Path

import pytest

from fairlead.errors import SettingsError
from fairlead.serving.training.recipe import Recipe, names, read_recipe


def write(path: Path, text: str) -> Path:
    (path / "train.toml").write_text(text)
    return path / "train.toml"


def test_a_file_changes_what_it_names_and_flags_win(tmp_path: Path) -> None:
    path = write(tmp_path, '[lora]\nrank = 8\ntargets = ["q_proj"]\n[training]\nepochs = 1\n')
    found = read_recipe(path, {"training": {"epochs": 2.5, "seed": 7}, "data": {}})
    assert (found.lora.rank, found.lora.targets) == (8, ("q_proj",))
    assert (found.training.epochs, found.training.seed) == (2.5, 7)
    assert found.data == Recipe().data
    assert read_recipe(None) == Recipe()


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("[lora]\nrnak = 8", "unknown setting 'lora.rnak'", "Did you mean 'lora.rank'?"),
        ("[training]\nlr = 1", "unknown setting 'training.lr'", "Did you mean 'training."),
        ("[lroa]\nrank = 8", "unknown setting 'lroa'", "Did you mean 'lora."),
        ("[lora]\nmodules_to_save = ['x']", "'lora.modules_to_save'.* is refused", ""),
        ("[lora]\nuse_dora = true", "do not compute DoRA", ""),
        ("[lora]\nrank = 0", "'lora.rank'.*greater than or equal to 1", "training.md"),
        ("[lora]\ntargets = []", "names no module", ""),
        ("[training]\nprecision = 'fp8'", "'training.precision'", ""),
        (
            "[examination]\nallow = ['golden']",
            "no code 'golden'; did you mean 'golden_overlap'",
            "",
        ),
        ("[examination]\nallow = ['json']", "'json' cannot be allowed", ""),
        ("[lora\n", "is not valid TOML", "Mend"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(tmp_path: Path, text: str, said: str, hint: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        read_recipe(write(tmp_path, text))
    assert hint in caught.value.hint


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read"):
        read_recipe(tmp_path / "none.toml")


def test_all_names_are_known() -> None:
    assert {"data.max_tokens", "lora.rank", "training.seed", "examination.near"} <= set(names())
