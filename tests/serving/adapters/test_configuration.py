"""What of peft's configuration is taken, dropped and refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.serving.adapters.configuration import AdapterConfig, read_config
from tests.serving.adapters.samples import configuration


def read(folder: Path, fields: object) -> tuple[AdapterConfig | None, dict[str, str]]:
    path = folder / "adapter_config.json"
    path.write_text(fields if isinstance(fields, str) else json.dumps(fields))
    config, reasons = read_config(path)
    return config, {reason.code: reason.message for reason in reasons}


def test_what_peft_writes_is_taken(tmp_path: Path) -> None:
    config, reasons = read(tmp_path, configuration(target_modules=["v_proj", "q_proj", "v_proj"]))
    assert not reasons and config
    assert config.targets == ("q_proj", "v_proj")
    assert (config.base, config.rank, config.scale) == ("tiny", 4, 2.0)
    rslora, _ = read(tmp_path, configuration(use_rslora=True))
    assert rslora and rslora.scale == 4.0


def test_only_known_fields_are_stored(tmp_path: Path) -> None:
    automatic = {"parent_library": "evil", "base_model_class": "X"}
    config, reasons = read(tmp_path, configuration(auto_mapping=automatic, revision="main"))
    assert config and not reasons
    stored = json.loads(config.content())
    assert "evil" not in config.content().decode()
    again, _ = read(tmp_path, stored)
    assert again == config and again.content() == config.content()


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"auto_map": None}, "code", "names code to run"),
        ({"auto_map": {"AutoModel": "x.py"}}, "code", "names code to run"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save", "replaces parts of the base"),
        ({"use_dora": True}, "unsupported", "use_dora"),
        ({"rank_pattern": {"q_proj": 8}}, "unsupported", "rank_pattern"),
        ({"alpha_pattern": {"q_proj": 8}}, "unsupported", "alpha_pattern"),
        ({"bias": "all"}, "unsupported", "'bias'"),
        ({"init_lora_weights": "pissa"}, "base_changed", "'pissa'"),
        ({"init_lora_weights": 1}, "base_changed", "init_lora_weights"),
        ({"loftq_config": {"bits": 4}}, "base_changed", "loftq_config"),
        ({"chat_template": "{{x}}"}, "chat_template", "prompt's form"),
        ({"tokenizer_class": "X"}, "tokenizer", "overrides the base's"),
        ({"new_in_peft_9": {"a": 1}}, "unknown_field", "'new_in_peft_9'"),
        ({"peft_type": "IA3"}, "config", "'IA3'"),
        ({"base_model_name_or_path": ""}, "config", "no base model"),
        ({"base_model_name_or_path": None}, "config", "no base model"),
        ({"r": 0}, "config", "no rank"),
        ({"r": True}, "config", "no rank"),
        ({"r": 4.0}, "config", "no rank"),
        ({"lora_alpha": "8"}, "config", "no number"),
        ({"lora_alpha": float("nan")}, "config", "no number"),
        ({"lora_alpha": float("inf")}, "config", "no number"),
        ({"lora_alpha": 0}, "alpha", "scales by 0"),
        ({"lora_alpha": -8}, "alpha", "scales by -2"),
        ({"lora_alpha": 4096}, "alpha", "over 64"),
        ({"target_modules": ".*_proj"}, "config", "patterns are not taken"),
        ({"target_modules": []}, "config", "no list of module names"),
        ({"use_rslora": "yes"}, "config", "neither true nor false"),
        ({"task_type": 3}, "config", "no text"),
    ],
)
def test_each_refusal_has_its_reason(
    tmp_path: Path, changes: dict[str, Any], code: str, said: str
) -> None:
    _, reasons = read(tmp_path, configuration(**changes))
    assert list(reasons) == [code] and said in reasons[code]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not sound JSON"),
        ('{"r": 1, "r": 2}', "stands twice"),
        ("[]", "no JSON object"),
        ("{" * 100_000, "not sound JSON"),
        (" " * (1 << 20) + "{}", "over 1048576"),
        ('{"r": ' + "1" * 5000 + "}", "not sound JSON"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, text: str, said: str) -> None:
    config, reasons = read(tmp_path, text)
    assert config is None and said in reasons["config"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


@given(st.sampled_from(sorted(configuration())), JSON)
def test_no_value_of_a_field_raises(
    tmp_path_factory: pytest.TempPathFactory, name: str, value: object
) -> None:
    """Either there are reasons, or what is stored is read back the same."""
    folder = tmp_path_factory.mktemp("config")
    config, reasons = read(folder, configuration(**{name: value}))
    if not reasons:
        assert config and read(folder, config.content().decode()) == (config, {})
