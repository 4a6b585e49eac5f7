"""CSS colours, as far as telling whether text can be seen on its ground needs it."""

import colorsys
import re
from typing import Final, NamedTuple

_HEX: Final = re.compile(r"#([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})(?![0-9a-f])")
_FUNCTION: Final = re.compile(r"(rgb|hsl)a?\(([^()]*)\)")
_NUMBER: Final = re.compile(r"(-?\d{0,9}\.?\d{1,9})(%|deg)?")
_WORD: Final = re.compile(r"[a-z]+")
_NAMES: Final = {
    "aqua": "#00ffff",
    "black": "#000000",
    "blue": "#0000ff",
    "cyan": "#00ffff",
    "darkgray": "#a9a9a9",
    "darkgrey": "#a9a9a9",
    "floralwhite": "#fffaf0",
    "fuchsia": "#ff00ff",
    "ghostwhite": "#f8f8ff",
    "gray": "#808080",
    "green": "#008000",
    "grey": "#808080",
    "ivory": "#fffff0",
    "lightgray": "#d3d3d3",
    "lightgrey": "#d3d3d3",
    "lime": "#00ff00",
    "magenta": "#ff00ff",
    "maroon": "#800000",
    "mintcream": "#f5fffa",
    "navy": "#000080",
    "olive": "#808000",
    "orange": "#ffa500",
    "purple": "#800080",
    "red": "#ff0000",
    "silver": "#c0c0c0",
    "snow": "#fffafa",
    "teal": "#008080",
    "white": "#ffffff",
    "whitesmoke": "#f5f5f5",
    "yellow": "#ffff00",
}
_NEAR: Final = 20
"""Of 255: text that differs from its ground by less in every channel cannot be read."""


class Colour(NamedTuple):
    """Channels from 0 to 255, opacity from 0 to 1."""

    red: float
    green: float
    blue: float
    alpha: float = 1.0


WHITE: Final = Colour(255, 255, 255)
BLACK: Final = Colour(0, 0, 0)


def colour(value: str) -> Colour | None:
    """The first colour in a value; None where there is none that is known here."""
    if found := _HEX.search(value):
        return _from_hex(found[1])
    if function := _FUNCTION.search(value):
        return _from_function(function[1], function[2])
    words = _WORD.findall(value)
    if "transparent" in words:
        return Colour(0, 0, 0, 0)
    named = next((_NAMES[word] for word in words if word in _NAMES), "")
    return _from_hex(named[1:]) if named else None


def alike(text: Colour, ground: Colour) -> bool:
    """Whether text of that colour cannot be seen on that ground."""
    return all(abs(a - b) < _NEAR for a, b in zip(text[:3], ground[:3], strict=True))


def _from_hex(digits: str) -> Colour:
    if len(digits) < 6:
        digits = "".join(2 * digit for digit in digits)
    red, green, blue, alpha = (int(f"{digits}ff"[at : at + 2], 16) for at in range(0, 8, 2))
    return Colour(red, green, blue, alpha / 255)


def _from_function(kind: str, arguments: str) -> Colour | None:
    numbers = _NUMBER.findall(arguments)
    if len(numbers) < 3:
        return None
    alpha = _scaled(*numbers[3], of=1) if len(numbers) > 3 else 1.0
    if kind == "rgb":
        red, green, blue = (_scaled(*number, of=255) for number in numbers[:3])
        return Colour(red, green, blue, alpha)
    hue, saturation, light = (float(number) for number, _ in numbers[:3])
    red, green, blue = colorsys.hls_to_rgb(hue / 360 % 1, light / 100, saturation / 100)
    return Colour(red * 255, green * 255, blue * 255, alpha)


def _scaled(number: str, unit: str, *, of: float) -> float:
    return float(number) * of / 100 if unit == "%" else float(number)
