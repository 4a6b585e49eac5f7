"""The page on training names every setting with its default, and every code with its severity."""

import json
import re
from pathlib import Path

from fairlead.serving.training import Recipe
from fairlead.serving.training.findings import KINDS

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")


def test_every_setting_stands_on_the_page_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+\.\w+)` \| `([^|]+)` \| [^|]*\|$", PAGE, re.M)
    kept = Recipe().model_dump(mode="json")
    wanted = [
        (f"{section}.{name}", json.dumps(value))
        for section, values in kept.items()
        for name, value in values.items()
    ]
    assert rows == wanted


def test_every_code_stands_on_the_page_with_its_severity() -> None:
    rows = re.findall(r"^\| `(\w+)`( †)? \| (\w+) \| [^|]+ \|$", PAGE, re.M)
    assert [(code, bool(fixed), severity) for code, fixed, severity in rows] == [
        (code, kind.fixed, kind.severity) for code, kind in KINDS.items()
    ]
