"""Two programs that run beside and inside the engine, on the standard library alone."""

__all__: list[str] = []
