"""Tools for this assistant: `fairlead tools ls --tools tools.py` lists them."""

from fairlead import tool

ORDERS: dict[int, dict[str, str]] = {
    1042: {"item": "glass mug", "status": "delivered", "delivered": "2026-11-03"},
    1043: {"item": "desk lamp", "status": "on its way"},
}


@tool(effect="read")
async def find_order(order: int) -> dict[str, str]:
    """Look up an order: its item, status and delivery date.

    Args:
        order: The order number.
    """
    return ORDERS.get(order, {"status": f"there is no order {order}"})
