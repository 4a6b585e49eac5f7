"""Trains one adapter, in a process of its own and in any Python that has the packages.

    python worker.py job.json

Needs torch, transformers, peft, accelerate and numpy, and no Fairlead: the job's file says
everything, tokens come ready from the token file (see encoding.py). Prints one JSON object a line.
Ends when its standard input is closed, so that it does not outlive whoever started it. A
checkpoint counts once it has the mark that is written last; after a kill the newest that counts is
where training goes on. The adapter appears in `adapter/` whole or not at all.
"""

import errno
import fcntl
import json
import os
import platform
import shutil
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import IO, Any

os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # or cuBLAS is not deterministic
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

import numpy as np
import peft
import torch
import transformers

MARK = "complete.json"
_OUT = sys.stdout
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Failed(Exception):
    """Ends the training; `code` is what the parent process tells errors apart by."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def say(event: str, **fields: Any) -> None:
    """One line of progress."""
    _OUT.write(json.dumps({"event": event, **fields}) + "\n")
    _OUT.flush()


class Rows:
    """Sequences of one part of the data, several in a row where they are packed."""

    def __init__(self, folder: Path, part: int) -> None:
        table = np.fromfile(folder / "rows.bin", dtype=np.int64).reshape(-1, 4)
        table = table[table[:, 0] == part]
        cuts = np.flatnonzero(np.diff(table[:, 1])) + 1
        self._rows = np.split(table[:, 2:], cuts) if len(table) else []
        self._tokens = np.memmap(folder / "tokens.bin", dtype=np.int32, mode="r")

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> list[Any]:
        return [self._tokens[start : start + length] for start, length in self._rows[number]]


def collated(rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Ids, and labels on the answers alone. Packed sequences, and what fills up the row behind
    them, are kept apart by positions that begin anew; others by a mask."""
    width = max(sum(map(len, row)) for row in rows)
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    labels = torch.full((len(rows), width), -100)
    positions = torch.zeros((len(rows), width), dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for number, row in enumerate(rows):
        signed = torch.from_numpy(np.concatenate(row).astype(np.int64))
        end = len(signed)
        ids[number, :end] = torch.where(signed < 0, -1 - signed, signed)
        labels[number, :end] = torch.where(signed < 0, -100, signed)
        mask[number, :end] = 1
        lengths = [*map(len, row), width - end]
        positions[number] = torch.cat([torch.arange(length) for length in lengths])
    if max(map(len, rows)) > 1:
        return {"input_ids": ids, "labels": labels, "position_ids": positions}
    return {"input_ids": ids, "labels": labels, "attention_mask": mask}


def make_model(job: Mapping[str, Any]) -> Any:
    """The base with an adapter that changes nothing yet."""
    wide = torch.bfloat16 if job["precision"] == "bf16" else torch.float32
    options: dict[str, Any] = {"dtype": wide}
    if job["training"]["quantise"] == "nf4":
        options["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=wide,
        )
        options["device_map"] = {"": 0}
    model = transformers.AutoModelForCausalLM.from_pretrained(
        job["base"], local_files_only=True, use_safetensors=True, trust_remote_code=False, **options
    )
    model.config.use_cache = False
    checkpointing = job["training"]["gradient_checkpointing"]
    if job["training"]["quantise"] == "nf4":
        model = peft.prepare_model_for_kbit_training(model, checkpointing, {"use_reentrant": False})
    elif checkpointing:
        model.enable_input_require_grads()
    lora = job["lora"]
    return peft.get_peft_model(
        model,
        peft.LoraConfig(
            task_type="CAUSAL_LM",
            r=lora["rank"],
            lora_alpha=lora["alpha"],
            lora_dropout=lora["dropout"],
            use_rslora=lora["rslora"],
            target_modules=lora["targets"],
            bias="none",
        ),
    )


def arguments(job: Mapping[str, Any], validated: bool) -> Any:
    """The trainer's own settings."""
    given = job["training"]
    return transformers.TrainingArguments(
        output_dir=str(Path(job["folder"]) / "checkpoints"),
        max_steps=job["steps"],
        per_device_train_batch_size=given["batch_size"],
        per_device_eval_batch_size=given["batch_size"],
        gradient_accumulation_steps=given["accumulation"],
        learning_rate=given["learning_rate"],
        lr_scheduler_type=given["schedule"],
        warmup_steps=round(given["warmup"] * job["steps"]),
        weight_decay=given["weight_decay"],
        max_grad_norm=given["max_grad_norm"],
        gradient_checkpointing=given["gradient_checkpointing"],
        gradient_checkpointing_kwargs={"use_reentrant": False},
        bf16=job["precision"] == "bf16",
        use_cpu=given["device"] == "cpu",
        seed=given["seed"],
        logging_steps=max(1, job["steps"] // 1000),
        logging_nan_inf_filter=False,
        eval_strategy="steps" if validated else "no",
        eval_steps=job["evaluate_every"],
        save_strategy="steps",
        save_steps=job["evaluate_every"],
        save_total_limit=2,
        load_best_model_at_end=validated,
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to="none",
    )


class Watch(transformers.TrainerCallback):  # type: ignore[misc] # the package is not always there
    """Tells the parent process, marks checkpoints, ends early and at numbers that are none."""

    def __init__(self, patience: int) -> None:
        self._patience = patience

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and not np.isfinite(loss):
            raise Failed("diverged", f"the loss is {loss} at step {state.global_step}")
        if loss is not None:
            say("step", step=state.global_step, steps=state.max_steps, loss=loss)

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any
    ) -> None:
        say("evaluation", step=state.global_step, loss=metrics["eval_loss"])
        if self._patience and since_best(state.log_history) >= self._patience:
            control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        for path in folder.iterdir():
            flush(path)
        write_whole(folder / MARK, {"step": state.global_step})
        say("checkpoint", step=state.global_step)


def check_packing(model: Any, rows: Rows) -> None:
    """Raises `Failed` where the base's own code lets packed sequences see each other."""
    row = next((row for row in map(rows.__getitem__, range(len(rows))) if len(row) > 1), [])
    model.eval()
    seen = []
    with torch.no_grad():  # the first token of the second sequence, packed and alone
        for each, at in ((row, len(row[0])), (row[1:2], 0)) if row else ():
            batch = {name: value.to(model.device) for name, value in collated([each]).items()}
            seen.append(model(**batch, use_cache=False).logits[0, at].float())
    if seen and (seen[0] - seen[1]).norm() > 0.05 * seen[1].norm():  # 0 or 1 on a tiny base
        raise Failed("packing", "a packed sequence sees the one before it")


def since_best(history: Sequence[Mapping[str, Any]]) -> int:
    """Looks at the validation set since the best one."""
    losses = [each["eval_loss"] for each in history if "eval_loss" in each]
    return len(losses) - 1 - losses.index(min(losses)) if losses else 0


def is_over(start: Path, job: Mapping[str, Any], trainer: Any) -> bool:
    """Whether no step was to be made after that checkpoint; then the best one is taken up."""
    state = transformers.TrainerState.load_from_json(str(start / "trainer_state.json"))
    patience = job["training"]["patience"]
    early = patience and since_best(state.log_history) >= patience
    if not early and state.global_step < job["steps"]:
        return False
    trainer.state = state
    best = start.with_name(f"checkpoint-{state.best_global_step or state.global_step}")
    trainer.model.load_adapter(str(best), "default", is_trainable=True)
    return True


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole one; what a kill left half made is removed."""
    whole = []
    for path in folder.glob("checkpoint-*"):
        if (path / MARK).is_file():
            whole.append(path)
        else:
            shutil.rmtree(path)
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def train(job: Mapping[str, Any]) -> None:
    """Trains to the end, and leaves the adapter and what is to be told of it."""
    folder, given = Path(job["folder"]), job["training"]
    transformers.set_seed(given["seed"])
    torch.use_deterministic_algorithms(given["deterministic"])
    if given["threads"]:
        torch.set_num_threads(given["threads"])
    began = time.monotonic()
    rows, validation = Rows(folder, 0), Rows(folder, 1)
    model = make_model(job)
    trainer = transformers.Trainer(
        model=model,
        args=arguments(job, bool(len(validation))),
        train_dataset=rows,
        eval_dataset=validation if len(validation) else None,
        data_collator=collated,
        callbacks=[Watch(given["patience"])],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    if given["packing"]:
        check_packing(model, rows)
    start = last_checkpoint(folder / "checkpoints")
    step = int(start.name.rpartition("-")[2]) if start else 0
    say("begin", step=step, steps=job["steps"], process=os.getpid())
    if not (start and is_over(start, job, trainer)):
        trainer.train(resume_from_checkpoint=str(start) if start else None)
    history = trainer.state.log_history
    losses = [each["eval_loss"] for each in history if "eval_loss" in each]
    write_adapter(model, job)
    result = {
        "steps": trainer.state.global_step,
        "loss": next((each["loss"] for each in reversed(history) if "loss" in each), None),
        "validation_loss": min(losses, default=None),
        "best_step": trainer.state.best_global_step if losses else trainer.state.global_step,
        "history": [told(each) for each in history if "loss" in each or "eval_loss" in each],
        "seconds": round(time.monotonic() - began, 3),
        "resumed_from": step,
        "environment": environment(model),
    }
    write_whole(folder / "result.json", result)
    os.replace(folder / "adapter.part", folder / "adapter")
    say("done", step=trainer.state.global_step)


def told(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What of an entry of the trainer's history is kept."""
    if "eval_loss" in entry:
        return {"step": entry["step"], "validation_loss": entry["eval_loss"]}
    return {name: entry[name] for name in ("step", "loss", "learning_rate", "grad_norm")}


def write_adapter(model: Any, job: Mapping[str, Any]) -> None:
    """Weights in safetensors, and a configuration that names the base and no path."""
    folder = Path(job["folder"]) / "adapter.part"
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # a card to be filled in, with the path in it
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = job["base_name"]
    targets = config["target_modules"]
    if job["lora"]["targets"] == "all-linear":  # peft names every module with its whole path
        targets = {name.rpartition(".")[2] for name in targets}
    config["target_modules"] = sorted(targets)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    for each in folder.iterdir():
        flush(each)


def environment(model: Any) -> dict[str, Any]:
    """What the numbers depend on besides data and settings. No names of machines or people."""
    names = ("torch", "transformers", "peft", "accelerate", "bitsandbytes", "safetensors", "numpy")
    present = {each.name.lower() for each in metadata.distributions()}
    cuda = model.device.type == "cuda"
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": {name: metadata.version(name) for name in names if name in present},
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "cuda": torch.version.cuda if cuda else None,
        "threads": torch.get_num_threads(),
    }


def write_whole(path: Path, value: object) -> None:
    """JSON in a file that is there whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(value), encoding="utf-8")
    flush(part)
    os.replace(part, path)


def flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def end_with_parent() -> None:
    """Ends this process at once when whoever started it is gone."""

    def wait() -> None:
        while os.read(0, 1):  # not through sys.stdin, whose lock is in the way of a clean end
            pass
        os._exit(3)

    threading.Thread(target=wait, daemon=True).start()


def taken(lock: IO[str]) -> bool:
    """Whether the folder is this process's now. One whose parent was killed ends within a step."""
    until = time.monotonic() + 60
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > until:
                return False
            time.sleep(0.1)


def explained(error: BaseException) -> tuple[str, str]:
    """Code and message of whatever stopped the training."""
    said = f"{type(error).__name__}: {error}".strip()
    each: BaseException | None = error
    while each is not None:
        if isinstance(each, Failed):
            return each.code, str(each)
        text = str(each)
        short = "out of memory" in text or "can't allocate memory" in text  # a CPU's words
        if short or isinstance(each, (torch.OutOfMemoryError, MemoryError)):
            return "memory", text.splitlines()[0][:200] if text else said
        if isinstance(each, OSError) and each.errno in _FULL:
            return "disk", each.strerror or said
        each = each.__cause__ or each.__context__
    # torch and safetensors tell of a full disk in words of their own
    if "No space left" in said or "File too large" in said or "failed writing file" in said:
        return "disk", said.splitlines()[0]
    if "deterministic" in said and "implementation" in said:
        return "deterministic", said.splitlines()[0]
    return "unexpected", said[:500]


def main(path: Path) -> int:
    """The exit status: 0 where the adapter is there."""
    job = json.loads(path.read_text(encoding="utf-8"))
    folder = Path(job["folder"])
    sys.stdout = sys.stderr  # whatever libraries print is no progress
    end_with_parent()
    with (folder / "lock").open("w") as lock:
        if not taken(lock):
            say("failed", code="busy", message="it did not end within a minute")
            return 1
        try:
            train(job)
        except Exception as error:
            code, message = explained(error)
            say("failed", code=code, message=message)
            if code == "unexpected":
                raise
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
