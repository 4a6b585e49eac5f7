"""Which text of a PDF page is painted so that it can be seen.

Follows the graphics state through the page's operators. Not seen are render modes 3 and 7, and
white text on a page where nothing but white was painted before it. Text behind pictures, outside
the page, in hidden layers or of full transparency is not recognised.
"""

from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from pypdf.generic import ArrayObject, TextStringObject

Layer: TypeAlias = Literal["visible", "unpainted", "white"]

_UNPAINTED: Final = (3, 7)
_SHOWS: Final = {b"Tj": 0, b"TJ": 0, b"'": 0, b'"': 2}
"""Operators that show text, and which operand holds it."""
_PAINTS: Final = frozenset({b"f", b"F", b"f*", b"B", b"B*", b"b", b"b*"})
_FULL: Final = 0.98


@dataclass(frozen=True, slots=True)
class _State:
    mode: int = 0
    white: bool = False


class Paint:
    """Given to pypdf as its visitor; blanks all text that is not of the wanted layer.

    `others` says which layers had text too, `images` whether a picture was painted.
    """

    def __init__(self, wanted: Layer) -> None:
        self.others: set[Layer] = set()
        self.images = False
        self._wanted = wanted
        self._state = _State()
        self._saved: list[_State] = []
        self._coloured = False

    def before(self, operator: bytes, operands: list[Any], *_: object) -> None:
        """Called with each operator before pypdf acts on it."""
        if operator in _SHOWS:
            self._show(operands, _SHOWS[operator])
        elif operator in (b"q", b"Do"):
            self._saved.append(self._state)
            if operator == b"Do":
                self.images = self._coloured = True
        elif operator == b"Q":
            self._restore()
        elif operator == b"Tr" and operands:
            mode = operands[0] if isinstance(operands[0], int) else 0
            self._state = replace(self._state, mode=int(mode))
        elif operator in (b"g", b"rg", b"k", b"sc", b"scn", b"cs"):
            self._state = replace(self._state, white=_is_white(operator, operands))
        elif operator == b"sh" or (operator in _PAINTS and not self._state.white):
            self._coloured = True

    def after(self, operator: bytes, *_: object) -> None:
        """Called when pypdf is done with an operator; a form leaves the state as it was."""
        if operator == b"Do":
            self._restore()

    def _restore(self) -> None:
        if self._saved:
            self._state = self._saved.pop()

    def _show(self, operands: list[Any], place: int) -> None:
        layer = self._layer()
        if layer != self._wanted and len(operands) > place:
            self.others.add(layer)
            empty = ArrayObject() if isinstance(operands[place], list) else TextStringObject("")
            operands[place] = empty

    def _layer(self) -> Layer:
        if self._state.mode in _UNPAINTED:
            return "unpainted"
        return "white" if self._state.white and not self._coloured else "visible"


def _is_white(operator: bytes, operands: list[Any]) -> bool:
    """Whether a fill colour is white; one number alone may be an ink, so it counts for `g` only."""
    if not operands or not all(isinstance(each, (int, float)) for each in operands):
        return False
    numbers = [float(each) for each in operands]
    if len(numbers) == 4:
        return all(number <= 1 - _FULL for number in numbers)
    return (len(numbers) == 3 or operator == b"g") and all(number >= _FULL for number in numbers)
