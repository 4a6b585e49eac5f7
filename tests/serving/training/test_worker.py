"""The training process by itself: batches, packing, and the other ways to train."""

import json
import subprocess
from array import array
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fairlead.serving.training import process
from fairlead.serving.training.base_model import BaseModel
from fairlead.serving.training.preparation import Sources
from fairlead.serving.training.recipe import read_recipe
from fairlead.serving.training.training import Training, train
from tests.serving.training.conftest import Write, different

pytestmark = pytest.mark.vllm

COLLATED = """
import json, sys
sys.path.insert(0, sys.argv[1])
import worker, pathlib
rows = worker.Rows(pathlib.Path(sys.argv[2]), int(sys.argv[3]))
batch = worker.collated([rows[n] for n in range(len(rows))])
print(json.dumps({name: value.tolist() for name, value in batch.items()}))
"""
LOSSES = """
import json, sys
sys.path.insert(0, sys.argv[1])
import worker, pathlib, torch
torch.set_num_threads(1)
model = worker.transformers.AutoModelForCausalLM.from_pretrained(sys.argv[3])
found = []
for part in (0, 1):
    rows = worker.Rows(pathlib.Path(sys.argv[2]), part)
    batch = worker.collated([rows[n] for n in range(len(rows))])
    with torch.no_grad():
        found.append(float(model(**batch, num_items_in_batch=1, use_cache=False).loss))
print(json.dumps(found))
"""


LEAKY = """
import json, sys
sys.path.insert(0, sys.argv[1])
import worker, pathlib, torch
model = worker.transformers.AutoModelForCausalLM.from_pretrained(sys.argv[3])
rows = worker.Rows(pathlib.Path(sys.argv[2]), 0)
worker.check_packing(model, rows)
class Leaky:
    device = model.device
    def eval(self):
        model.eval()
    def __call__(self, input_ids, **given):
        given["attention_mask"] = torch.ones_like(input_ids)
        return model(input_ids, **given)
try:
    worker.check_packing(Leaky(), rows)
except worker.Failed as error:
    print(json.dumps(error.code))
"""


def said(python: str, script: str, *arguments: object) -> Any:
    folder = str(Path(process.__file__).parent)
    command = [python, "-c", script, folder, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def write_rows(folder: Path, sequences: list[list[int]], parts: list[list[list[int]]]) -> None:
    """A token file, and for each part its rows as lists of numbers of sequences."""
    starts, table, tokens = [], array("q"), array("i")
    for sequence in sequences:
        starts.append(len(tokens))
        tokens.extend(sequence)
    for part, rows in enumerate(parts):
        for number, row in enumerate(rows):
            for each in row:
                table.extend((part, number, starts[each], len(sequences[each])))
    (folder / "tokens.bin").write_bytes(tokens.tobytes())
    (folder / "rows.bin").write_bytes(table.tobytes())


SEQUENCES = [[-6, -7, 8, 9], [-11, 12], [-21, -22, -23, 24, -25, 26, 27]]


def test_labels_are_on_the_answers_alone(training_python: str, tmp_path: Path) -> None:
    write_rows(tmp_path, SEQUENCES, [[[0], [1]], [[0, 1], [2]]])
    plain = said(training_python, COLLATED, tmp_path, 0)
    assert plain == {
        "input_ids": [[5, 6, 8, 9], [10, 12, 0, 0]],
        "labels": [[-100, -100, 8, 9], [-100, 12, -100, -100]],
        "attention_mask": [[1, 1, 1, 1], [1, 1, 0, 0]],
    }
    packed = said(training_python, COLLATED, tmp_path, 1)
    assert packed == {
        "input_ids": [[5, 6, 8, 9, 10, 12, 0], [20, 21, 22, 24, 24, 26, 27]],
        "labels": [[-100, -100, 8, 9, -100, 12, -100], [-100, -100, -100, 24, -100, 26, 27]],
        "position_ids": [[0, 1, 2, 3, 0, 1, 0], [0, 1, 2, 3, 4, 5, 6]],
    }


def test_packed_sequences_do_not_see_each_other(
    training_python: str, tmp_path: Path, base: BaseModel
) -> None:
    """The same sequences have the same loss, each in a row or all in one."""
    write_rows(tmp_path, SEQUENCES, [[[0], [1], [2]], [[2, 0], [1]]])
    apart, together = said(training_python, LOSSES, tmp_path, base.folder)
    assert together == pytest.approx(apart, rel=1e-5)


def test_a_base_that_would_mix_packed_sequences_is_refused(
    training_python: str, tmp_path: Path, base: BaseModel
) -> None:
    write_rows(tmp_path, SEQUENCES, [[[0, 1], [2]]])
    assert said(training_python, LEAKY, tmp_path, base.folder) == "packing"


@pytest.mark.parametrize(
    "changes",
    [
        {"training": {"gradient_checkpointing": True, "accumulation": 1, "schedule": "linear"}},
        {"training": {"precision": "bf16"}, "lora": {"rslora": True, "targets": ["q_proj"]}},
        {"training": {"packing": True, "batch_size": 2}, "data": {"validation_share": 0.0}},
    ],
    ids=["checkpointing", "bf16", "packing"],
)
def test_other_ways_to_train(
    training_python: str,
    base: BaseModel,
    write: Write,
    tmp_path: Path,
    changes: dict[str, dict[str, Any]],
) -> None:
    few = {"max_steps": 2, "threads": 1, "device": "cpu"}
    recipe = read_recipe(None, {**changes, "training": {**few, **changes["training"]}})
    data = write(different(20))
    training = Training(
        sources=Sources(data=data.path),
        base=base,
        recipe=recipe,
        folder=tmp_path / "out",
        python=training_python,
    )
    trained = train(training)
    assert trained.record["metrics"]["steps"] == 2
    config = json.loads((trained.adapter / "adapter_config.json").read_text())
    assert config["use_rslora"] == recipe.lora.rslora
    if recipe.lora.targets != "all-linear":
        assert config["target_modules"] == ["q_proj"]


def test_a_validation_file_takes_the_place_of_the_split(
    training_python: str, base: BaseModel, write: Write, tmp_path: Path
) -> None:
    data = write(different(20))
    aside = write([*different(26)[20:]], "aside.jsonl")
    training = Training(
        sources=Sources(data=data.path, validation=aside.path),
        base=base,
        recipe=read_recipe(None, {"training": {"max_steps": 2, "threads": 1}}),
        folder=tmp_path / "out",
        python=training_python,
    )
    record = train(training).record
    assert (record["plan"]["train"], record["plan"]["validation"]) == (20, 6)
    assert len(record["data"]["validation_digest"]) == 64
    assert record["metrics"]["validation_loss"] is not None
    held = replace(training.sources, validation=write(different(3), "held.jsonl").path)
    with pytest.raises(Exception, match="questions of the validation set, 3 lines"):
        train(replace(training, sources=held))
