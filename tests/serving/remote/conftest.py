from collections.abc import AsyncIterator

import pytest

from tests.serving.remote.protocol import ChatServer


@pytest.fixture
async def server() -> AsyncIterator[ChatServer]:
    """A new one for each test."""
    async with ChatServer() as made:
        yield made
