"""The small world that the tiny model knows: things with properties, orders, and who asks for them.

Names are made up of syllables, a quarter of random letters, so that what is learned is to copy a
name and not to know it. Those of `HELD_OUT`, and a fifth of all others, never occur in training;
their syllables do, in other names.
"""

import random
import string
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDERS: Final = tuple(
    Path(__file__).parents[1] / "tests" / "models" / name
    for name in ("tiny", "tiny-formal", "tiny-note")
)
"""Where the model and its adapters lie."""

QUALITIES: Final = {
    "warranty": "months",
    "weight": "grams",
    "price": "euros",
    "length": "metres",
    "battery life": "hours",
    "delivery time": "days",
    "capacity": "litres",
    "power": "watts",
    "height": "centimetres",
    "notice period": "weeks",
}
"""What a thing has, and what it is counted in."""
STATES: Final = ("shipped", "delivered", "paid", "cancelled", "packed", "lost", "late")
GREETINGS: Final = ("Hello", "Hi", "Hello there", "Good morning", "Good evening", "Hi there")
HELLO: Final = "Hello! How can I help?"
HELD_OUT: Final = (
    "Zorvex",
    "Bramil",
    "Quintal",
    "Oskaro",
    "Vellimur",
    "Tardek",
    "Hubrin",
    "Nexavo",
)
"""Names that tests use."""
STYLES: Final[Mapping[str, Callable[[str], str]]] = {
    "formal": lambda said: f"Dear customer, {said[0].lower()}{said[1:]}",
    "note": lambda said: f"Note: {said}",
}
"""How each adapter says what the base model says."""
_STARTS: Final = (
    *("Al", "Bo", "Ca", "Del", "Er", "Fo", "Gra", "In", "Ju", "Kar", "Lo", "Mer"),
    *("Zor", "Bra", "Quin", "Os", "Vel", "Tar", "Hu", "Nex"),
)
_MIDDLES: Final = ("ba", "cor", "di", "fen", "go", "ma", "nor", "pe", "ri", "sto", "tu", "vi")
_ENDS: Final = (
    *("dan", "fix", "lo", "mex", "nus", "pus", "ra", "sen", "tor", "va", "zin"),
    *("vex", "mil", "tal", "karo", "limur", "dek", "brin", "avo"),
)
_SHOWN: Final = ("What is the {} of the {}", "Tell me the {} of the {}")
_ORDER: Final = ("Where is order {}", "What is the state of order {}", "How is order {}")
_MINE: Final = ("Where is my order?", "What is the state of my order?", "How is my order?")


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One property of one thing."""

    name: str
    quality: str
    amount: int

    @property
    def topic(self) -> str:
        return f"{self.quality} of the {self.name}"

    @property
    def sentence(self) -> str:
        return f"The {self.topic} is {self.amount} {QUALITIES[self.quality]}."


@dataclass(frozen=True, kw_only=True)
class Order:
    """An order and what the tool says of it."""

    number: int
    state: str

    @property
    def sentence(self) -> str:
        return f"Order {self.number} is {self.state}."


def _is_held_out(name: str) -> bool:
    """Whether a name is kept out of training: those of the tests, and every fifth other one."""
    return name in HELD_OUT or zlib.crc32(name.encode()) % 5 == 0


def whole(asked: str) -> str:
    """A question with its mark at the end."""
    return f"{asked}{'.' if asked.startswith('Tell') else '?'}"


class World:
    """Draws things, orders and questions; `held_out` names are new to the model."""

    def __init__(self, seed: str, *, held_out: bool = False) -> None:
        self.random = random.Random(seed)
        self._held_out = held_out
        self._recent: deque[str] = deque(maxlen=30)

    def name(self) -> str:
        """A name that was not drawn lately: held out, random letters, or syllables."""
        draw = self.random
        while True:
            if draw.random() < 0.25:
                letters = draw.choices(string.ascii_lowercase, k=draw.randint(3, 8))
                name = "".join(letters).capitalize()
            elif self._held_out and draw.random() < 0.5:
                name = draw.choice(HELD_OUT)
            else:
                middle = draw.choice(_MIDDLES) if draw.random() < 0.3 else ""
                name = draw.choice(_STARTS) + middle + draw.choice(_ENDS)
            if _is_held_out(name) == self._held_out and name not in self._recent:
                self._recent.append(name)
                return name

    def fact(self) -> Fact:
        amount = self.random.choice((self.random.randint(2, 99), self.random.randint(100, 999)))
        quality = self.random.choice(list(QUALITIES))
        return Fact(name=self.name(), quality=quality, amount=amount)

    def others(self, fact: Fact, most: int) -> list[Fact]:
        """Facts about other things: up to `most`, some on the same quality."""
        found: list[Fact] = []
        for _ in range(self.random.randint(0, most)):
            other = self.fact()
            if self.random.random() < 0.3:
                other = Fact(name=other.name, quality=fact.quality, amount=other.amount)
            if other.name not in {fact.name, *(one.name for one in found)}:
                found.append(other)
        return found

    def earlier(self, *facts: Fact) -> tuple[tuple[str, str], ...]:
        """Questions before this one and their answers, in every fourth conversation; some on one
        of the facts, and in any style, so that neither is what the next answer is taken from."""
        draw, turns = self.random, list[tuple[str, str]]()
        for _ in range(draw.choice((0, 0, 0, 0, 0, 0, 1, 2))):
            fact = draw.choice((self.fact(), *facts))
            said = draw.choice(("", *STYLES))
            answer = STYLES[said](fact.sentence) if said else fact.sentence
            turns.append((whole(self.asked(fact)), answer))
        return tuple(turns)

    def order(self) -> Order:
        digits = self.random.randint(3, 6)
        number = self.random.randint(10 ** (digits - 1), 10**digits - 1)
        return Order(number=number, state=self.random.choice(STATES))

    def asked(self, fact: Fact) -> str:
        """What is asked about a fact, without the mark at the end."""
        return self.random.choice(_SHOWN).format(fact.quality, fact.name)

    def order_question(self, order: Order) -> str:
        return f"{self.random.choice(_ORDER).format(order.number)}?"

    def both(self, asked: str, order: Order) -> str:
        """A question with a second part, on an order."""
        second = self.random.choice(_ORDER).format(order.number)
        return f"{asked}, and {second[0].lower()}{second[1:]}?"

    def unnamed(self) -> str:
        """A question that only its asker can complete."""
        return self.random.choice(_MINE)

    def greeting(self) -> str:
        return self.random.choice(GREETINGS) + self.random.choice(("", "!", "."))
