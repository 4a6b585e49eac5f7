"""Programs that stand where a Python with torch would: they say what it says, and train nothing."""

import sys
from pathlib import Path

SAYING = """
import json, os, signal, sys, time
def say(**fields):
    print(json.dumps(fields), flush=True)
"""
TRAINING = """
if "-c" in sys.argv:
    names = ("torch", "transformers", "peft", "accelerate")
    device = {"kind": "cpu", "name": "x", "bf16": False, "memory": 0}
    print("fairlead:" + json.dumps({"versions": dict.fromkeys(names, "1"), "device": device}))
    sys.exit()
job = json.load(open(sys.argv[-1]))
folder = job["folder"]
say(event="begin", step=0, steps=job["steps"])
"""
DONE = """
os.mkdir(folder + "/adapter")
open(folder + "/adapter/adapter_model.safetensors", "w").write(str(os.getpid()))
result = {"steps": job["steps"], "environment": {}, "history": [], "loss": 1.0}
json.dump(result, open(folder + "/result.json", "w"))
say(event="done", step=job["steps"])
"""


def write_script(path: Path, text: str) -> str:
    """A program of Python that can `say` events."""
    path.write_text(f"#!{sys.executable}\n{SAYING}\n{text}")
    path.chmod(0o755)
    return str(path)
