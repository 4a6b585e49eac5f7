"""Whether a reader of a page sees an element: the rules, one by one.

What is hidden is told by attributes, by styles, or by colours that equal their ground. A closed
`<details>` counts as visible: a click opens it, and questions with folded answers are common.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from fairlead.retrieval.loaders.colours import BLACK, WHITE, Colour, alike, colour
from fairlead.retrieval.loaders.styles import Style

TELLING: Final = frozenset({"bgcolor", "color", "href", "text"})
"""Attributes that, besides styles, matter to `seen_inside`."""
_LENGTH: Final = re.compile(r"(-?\d{0,9}\.?\d{1,9})\s*([a-z]+|%)?")
_PIXELS: Final = {
    "px": 1.0, "pt": 1.33, "em": 16.0, "rem": 16.0, "ex": 8.0, "ch": 8.0, "cm": 37.8, "mm": 3.78,
    "in": 96.0, "pc": 16.0, "vw": 12.8, "vh": 8.0, "vmin": 8.0, "vmax": 12.8, "%": 8.0,
}  # fmt: skip
"""On a screen of 1280 by 800; a percentage is of its height."""
_FAR: Final = -500.0
"""Pixels beyond which an element is off the screen."""
_INVISIBLE: Final = 0.05
"""Opacity up to which nothing can be seen."""
_SMALLEST: Final = 2.0
"""Pixels of type below which nothing can be read."""
_NUMBERS: Final = re.compile(r"-?\d{0,9}\.?\d{1,9}")
_SCALED: Final = re.compile(r"scale(?:3d|x|y)?\(\s*0*\.?0*\s*[,)]")
_MOVED: Final = re.compile(r"translate(?:3d|x|y)?\(([^()]*)\)")
_FADED: Final = re.compile(r"opacity\(\s*(\d{0,9}\.?\d{1,9})(%?)\s*\)")
_CLIPPED: Final = re.compile(r"inset\(\s*(?:5\d|[6-9]\d|100)(?:\.\d+)?%|circle\(\s*0|polygon\(\s*0")
_PAINTS: Final = {"font": "color", "body": "text"}
"""Old-fashioned attributes with the colour of the text."""
_LINK: Final = Colour(0, 0, 238)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """What an element hands down to those inside it."""

    shown: bool = True
    """`visibility`."""
    small: bool = False
    text: Colour | None = BLACK
    """None where linked style sheets may decide."""
    ground: Colour | None = WHITE

    def hides(self) -> str:
        """Why text right here cannot be seen; empty when it can."""
        if not self.shown:
            return "visibility:hidden"
        if self.small:
            return "font-size:0"
        if self.text is not None:
            if self.text.alpha <= _INVISIBLE:
                return "transparent text"
            if self.ground is not None and alike(self.text, self.ground):
                return "text in the colour of its ground"
        return ""


def hidden_by(tag: str, attributes: Mapping[str, str | None], style: Style) -> str:
    """Why nobody sees anything of the element; empty when it may be seen."""
    if "hidden" in attributes:
        return "hidden attribute"
    if (attributes.get("aria-hidden") or "").strip().lower() == "true":
        return "aria-hidden"
    if tag == "dialog" and "open" not in attributes:
        return "closed dialog"
    if "popover" in attributes:
        return "closed popover"
    return _hidden_by_style(style) if style else ""


def seen_inside(
    sight: Sight, tag: str, attributes: Mapping[str, str | None], style: Style
) -> Sight:
    """What the element hands down, its own styles and old-fashioned attributes included."""
    changes: dict[str, object] = {}
    if said := style.get("visibility"):
        changes["shown"] = said not in ("hidden", "collapse")
    if (size := _size(style)) is not None:
        changes["small"] = size < _SMALLEST
    if ground := (style.get("background-color") or attributes.get("bgcolor") or ""):
        changes["ground"] = _ground(colour(ground.lower()), sight.ground)
    if painted := style.get("background") or style.get("background-image"):
        image = "url(" in painted or "gradient(" in painted
        changes["ground"] = None if image else _ground(colour(painted), sight.ground)
    said = style.get("-webkit-text-fill-color") or style.get("color")
    said = said or (attributes.get(_PAINTS.get(tag, "")) or "").lower()
    if said and said not in ("inherit", "currentcolor", "unset"):
        changes["text"] = None if _clips_text(style) else colour(said)
    elif tag == "a" and "href" in attributes and sight.text is not None:
        changes["text"] = _LINK
    return replace(sight, **changes) if changes else sight  # type: ignore[arg-type]  # its own fields


def _hidden_by_style(style: Style) -> str:
    get = style.get
    if get("display") == "none":
        return "display:none"
    if get("content-visibility") == "hidden":
        return "content-visibility:hidden"
    if _fraction(get("opacity", "1")) <= _INVISIBLE or _faded(get("filter", "")):
        return "opacity:0"
    if _zero_box(style) or _clipped(style):
        return "no area"
    if _off_screen(style):
        return "off the screen"
    return ""


def _off_screen(style: Style) -> bool:
    placed = style.get("position") in ("absolute", "fixed", "relative")
    sides = ("left", "right", "top", "bottom") if placed else ()
    moved = [style.get(name, "") for name in (*sides, "text-indent")]
    for arguments in _MOVED.findall(style.get("transform", "")):
        moved += [each for each in arguments.split(",") if "%" not in each]  # % of its own size
    return any((_pixels(value) or 0) <= _FAR for value in moved)


def _zero_box(style: Style) -> bool:
    cut = any(
        style.get(name, "").startswith(("hidden", "clip"))
        for name in ("overflow", "overflow-x", "overflow-y")
    )
    sides = ("width", "height", "max-width", "max-height")
    sizes = [size for name in sides if (size := _pixels(style.get(name, ""))) is not None]
    return (cut and any(size <= 1 for size in sizes)) or bool(
        _SCALED.search(style.get("transform", ""))
    )


def _clipped(style: Style) -> bool:
    clip = style.get("clip", "")
    if clip.startswith("rect(") and style.get("position") in ("absolute", "fixed"):
        numbers = [float(number) for number in _NUMBERS.findall(clip)]
        if len(numbers) == 4 and all(abs(number) <= 1 for number in numbers):
            return True
    return bool(_CLIPPED.search(style.get("clip-path", "")))


def _clips_text(style: Style) -> bool:
    """A picture shows through the letters."""
    return "text" in (style.get("background-clip"), style.get("-webkit-background-clip"))


def _ground(own: Colour | None, below: Colour | None) -> Colour | None:
    if own is not None and own.alpha <= _INVISIBLE:
        return below
    return own


def _size(style: Style) -> float | None:
    """Pixels of type; None where nothing was declared."""
    said = style.get("font-size") or style.get("font", "").partition("/")[0]
    for word in said.split():
        size = _fraction(word) * 16 if word.endswith("%") else _pixels(word)
        if size is not None:
            return size
    return None


def _pixels(value: str) -> float | None:
    """A length; None for what is none, such as `auto`."""
    found = _LENGTH.match(value.strip())
    if not found:
        return None
    number = float(found[1])
    if not found[2]:
        return number if number == 0 else None
    return number * _PIXELS[found[2]] if found[2] in _PIXELS else None


def _fraction(value: str) -> float:
    found = _LENGTH.match(value.strip())
    if not found:
        return 1.0
    return float(found[1]) / (100 if found[2] == "%" else 1)


def _faded(value: str) -> bool:
    found = _FADED.search(value)
    return found is not None and _fraction(found[1] + found[2]) <= _INVISIBLE
