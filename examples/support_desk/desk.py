"""The five tools of the support desk, over a small order book in SQLite.

The order book is made from `orders.json` on first use: in memory, or in the folder named by
`SUPPORT_DESK_FOLDER`, where it stays. Nothing leaves the machine: a refund is a row, an e-mail is
a row in the outbox.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Annotated, Literal, TypeAlias, get_args

from fairlead import Authority, Payload, tool
from fairlead.errors import InputError, NotFound

Model: TypeAlias = Literal[
    "Kestrel 2", "Fjord 5", "Cairn 45", "Ember", "Pilot", "Skerry", "Tarn", "Dunlin", "Rill"
]
_SEED = Path(__file__).with_name("orders.json")
_SCHEMA = """
CREATE TABLE orders (
    order_id INTEGER PRIMARY KEY, customer TEXT NOT NULL, email TEXT NOT NULL,
    country TEXT NOT NULL, product TEXT NOT NULL, quantity INTEGER NOT NULL,
    total TEXT NOT NULL, currency TEXT NOT NULL, status TEXT NOT NULL, ordered TEXT NOT NULL,
    delivered TEXT, carrier TEXT NOT NULL, payment TEXT NOT NULL
) STRICT;
CREATE TABLE stock (
    product TEXT PRIMARY KEY, kiel INTEGER NOT NULL, leeds INTEGER NOT NULL,
    portland INTEGER NOT NULL
) STRICT;
CREATE TABLE refunds (order_id INTEGER NOT NULL REFERENCES orders, amount TEXT NOT NULL) STRICT;
CREATE TABLE outbox (recipient TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL) STRICT;
PRAGMA user_version = 1
"""


class OrderBook:
    """Orders, stock, refunds and outgoing mail; one connection, used by one call at a time."""

    def __init__(self, folder: Path | None = None) -> None:
        place = folder / "orders.sqlite" if folder else ":memory:"
        self._lock = Lock()
        self._db = sqlite3.connect(place, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        with self._change() as db:
            if db.execute("PRAGMA user_version").fetchone()[0] == 0:
                _fill(db)

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """Every row of `query`."""
        with self._lock:
            return self._db.execute(query, values).fetchall()

    def refunded(self, order_id: int) -> Decimal:
        """What was paid back for an order so far."""
        return _sum(self.rows("SELECT amount FROM refunds WHERE order_id = ?", order_id))

    def refund(self, order_id: int, amount: Decimal, total: Decimal) -> bool:
        """Pays `amount` back, unless more than `total` would have been paid back then."""
        with self._change() as db:
            paid = db.execute("SELECT amount FROM refunds WHERE order_id = ?", (order_id,))
            if amount <= 0 or _sum(paid.fetchall()) + amount > total:
                return False
            db.execute("INSERT INTO refunds VALUES (?, ?)", (order_id, str(amount)))
            return True

    def mail(self, recipient: str, subject: str, body: str) -> None:
        """Puts an e-mail into the outbox."""
        with self._change() as db:
            db.execute("INSERT INTO outbox VALUES (?, ?, ?)", (recipient, subject, body))

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            yield self._db


@cache
def order_book() -> OrderBook:
    """The order book that the tools below share."""
    folder = os.environ.get("SUPPORT_DESK_FOLDER")
    return OrderBook(Path(folder) if folder else None)


@tool(effect="read", returns="first_party")
def find_order(order_id: int) -> dict[str, str | int]:
    """Look up one order: product, total, country, status, dates of order and delivery, carrier.

    Args:
        order_id: Number of the order, for example 1042.
    """
    return _described(_order(order_id))


@tool(effect="read", returns="first_party")
def find_customer_orders(email: str) -> list[dict[str, str | int]]:
    """List every order of one customer, newest first.

    Args:
        email: E-mail address of the customer.
    """
    query = "SELECT * FROM orders WHERE email = ? COLLATE NOCASE ORDER BY order_id DESC"
    found = order_book().rows(query, email.strip())
    if not found:
        raise NotFound(f"no orders under {email!r}", hint="Ask for another address or a number.")
    return [_described(row) for row in found]


@tool(effect="read", returns="first_party")
def product_stock(model: Model) -> dict[str, str | int]:
    """How many pieces of a product are in stock in Kiel, Leeds and Portland.

    Args:
        model: The model's name, without what it is.
    """
    found = order_book().rows("SELECT * FROM stock WHERE product LIKE ? || ' %'", model)
    if not found:
        raise NotFound(f"no model {model!r}", hint=f"The shop sells {', '.join(get_args(Model))}.")
    stock = dict(found[0])
    return stock | {"in stock": stock["kiel"] + stock["leeds"] + stock["portland"]}


@tool(effect="send", returns="first_party")
def refund_order(
    order_id: Annotated[int, Authority], amount: Annotated[float, Authority]
) -> dict[str, str | int]:
    """Pay money back for an order, to the means of payment that was used.

    Args:
        order_id: Number of the order.
        amount: How much to pay back, in the currency of the order.
    """
    order, book = _order(order_id), order_book()
    money = Decimal(f"{amount:.2f}")
    total, currency = Decimal(order["total"]), order["currency"]
    if not book.refund(order_id, money, total):
        left = total - book.refunded(order_id)
        raise InputError(
            f"cannot refund {money} {currency} for order {order_id}",
            hint=f"{left} {currency} of it have not been paid back yet.",
        )
    return {"order": order_id, "refunded": f"{money} {currency}", "to": order["payment"]}


@tool(effect="send", returns="first_party")
def email_customer(
    to: Annotated[str, Authority],
    subject: Annotated[str, Payload],
    body: Annotated[str, Payload],
) -> dict[str, str]:
    """Send an e-mail to a customer.

    Args:
        to: E-mail address of the customer.
        subject: Subject line.
        body: Text of the message.
    """
    order_book().mail(to, subject, body)
    return {"sent to": to, "subject": subject}


TOOLS: tuple[object, ...] = (
    find_order,
    find_customer_orders,
    product_stock,
    refund_order,
    email_customer,
)
"""What the assistant is given."""


def _fill(db: sqlite3.Connection) -> None:
    for statement in _SCHEMA.split(";"):
        db.execute(statement)
    for table, rows in json.loads(_SEED.read_text(encoding="utf-8")).items():
        marks = ", ".join(f":{column}" for column in rows[0])
        db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


def _sum(rows: Iterable[sqlite3.Row]) -> Decimal:
    return sum((Decimal(row["amount"]) for row in rows), Decimal(0))


def _order(order_id: int) -> sqlite3.Row:
    found = order_book().rows("SELECT * FROM orders WHERE order_id = ?", order_id)
    if not found:
        raise NotFound(f"no order {order_id!r}", hint="Check the number in the confirmation.")
    return found[0]


def _described(order: sqlite3.Row) -> dict[str, str | int]:
    back = order_book().refunded(order["order_id"])
    described = {
        "order": order["order_id"],
        "product": order["product"],
        "quantity": order["quantity"],
        "total": f"{order['total']} {order['currency']}",
        "customer": order["customer"],
        "email": order["email"],
        "country": order["country"],
        "status": order["status"],
        "ordered": order["ordered"],
        "delivered": order["delivered"] or "not yet",
        "carrier": order["carrier"],
        "payment": order["payment"],
    }
    return described | ({"refunded": f"{back} {order['currency']}"} if back else {})
