"""Trains the tiny model in tests/models anew, from the prompts as they are now.

    python scripts/tiny_model.py --python PYTHON

writes the training text in this environment, then trains under PYTHON, which has torch,
transformers and peft; without, that of the vLLM which `fairlead models install` made. It takes
half an hour on one core. The model is a test fixture: it knows nothing but its own small world,
and follows no prompt but those it was trained on.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from fairlead.serving.launch import find
from scripts.tiny_text import main as write_text
from scripts.tiny_world import FOLDERS

ROOT: Final = Path(__file__).parents[1]
WANTED: Final = "import peft, tokenizers, torch, transformers"


def interpreter(given: str | None) -> str:
    """The Python to train with. Exits with what to do where there is none."""
    python = given or str(find() or "")
    if not python or subprocess.run([python, "-c", WANTED], capture_output=True).returncode:
        sys.exit(
            "There is no Python with torch, transformers, peft and tokenizers: name one with "
            "--python (TRAINER=… for make), or let `fairlead models install` make one."
        )
    return python


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--python", default=os.environ.get("TRAINER"))
    python = interpreter(parser.parse_args().python or None)
    with tempfile.TemporaryDirectory() as made:
        text, models = Path(made, "text"), [Path(made, folder.name) for folder in FOLDERS]
        write_text(text)
        command = [python, "-m", "scripts.tiny_training", text, *models]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        subprocess.run([*map(str, command)], check=True, cwd=ROOT, env=environment)
        for folder, model in zip(FOLDERS, models, strict=True):  # all of it, or nothing
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(model, folder)


if __name__ == "__main__":
    main()
