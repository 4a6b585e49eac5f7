"""A real server on loopback that speaks Chat Completions, or fails as it is told, byte by byte."""

import asyncio
import json
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass
class Seen:
    """One request; `left` is set once its client closed the connection."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    connection: int
    left: asyncio.Event = field(default_factory=asyncio.Event)


class Connection:
    """One client's connection, to be answered on."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(
        self, status: int, body: bytes, kind: str = "application/json", **headers: str
    ) -> None:
        lines = [f"HTTP/1.1 {status} Said", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.send("\r\n".join([*lines, "", ""]).encode() + body)

    async def begin_stream(self) -> None:
        await self.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )

    async def chunk(self, data: bytes) -> None:
        await self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    async def end_stream(self) -> None:
        await self.send(b"0\r\n\r\n")

    def reset(self) -> None:
        """Closes with RST, as a process that died does."""
        connected = self.writer.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def gone(self) -> None:
        """Returns once the client has closed."""
        while await self._reader.read(1 << 16):
            pass


Act = Callable[[Connection, Seen], Awaitable[None]]


def answered(text: str = "Hello.", **fields: Any) -> dict[str, Any]:
    """A whole answer; `fields` go into the message."""
    finish = fields.pop("finish_reason", "stop")
    logprobs = fields.pop("logprobs", None)
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    usage.update(fields.pop("usage", {}))
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "served",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, **fields},
                "logprobs": logprobs,
                "finish_reason": finish,
            }
        ],
        "usage": usage,
    }


def event(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return (
        b"data: " + json.dumps({"model": "served", "choices": [choice], **more}).encode() + b"\n\n"
    )


USAGE = (
    b'data: {"model": "served", "choices": [], "usage": {"prompt_tokens": 9,'
    b' "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}}\n\n'
)
DONE = b"data: [DONE]\n\n"
WORDS = ("Hel", "lo", " you", ".")


def reply(
    status: int = 200, body: object = None, kind: str = "application/json", **headers: str
) -> Act:
    """An answer as given; what is not bytes becomes JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body or answered()).encode()

    async def act(connection: Connection, seen: Seen) -> None:
        await connection.answer(status, raw, kind, **headers)

    return act


HELLO = tuple(event({"content": word}) for word in WORDS)


def streaming(
    chunks: Sequence[bytes] = (*HELLO, event({}, "stop"), USAGE, DONE),
    *,
    pause: float = 0.0,
    then: str = "end",
) -> Act:
    """These chunks; `then`: `end`, `close`, `reset`, or `stall` until the client goes."""

    async def act(connection: Connection, seen: Seen) -> None:
        await connection.begin_stream()
        for chunk in chunks:
            await connection.chunk(chunk)
            if pause:
                await asyncio.sleep(pause)
        await ended(connection, then)

    return act


async def ended(connection: Connection, then: str) -> None:
    if then == "end":
        await connection.end_stream()
    elif then == "close":
        connection.writer.close()
    elif then == "reset":
        connection.reset()
    else:
        await connection.gone()


async def well(connection: Connection, seen: Seen) -> None:
    """As a good server does."""
    await (streaming() if seen.body.get("stream") else reply())(connection, seen)


async def drop(connection: Connection, seen: Seen) -> None:
    connection.writer.close()


async def reset(connection: Connection, seen: Seen) -> None:
    connection.reset()


async def hang(connection: Connection, seen: Seen) -> None:
    """No answer until the client goes."""
    await connection.gone()


class ChatServer:
    """Answers well unless `acts`, or else `always`, say what is done first."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.acts: deque[Act] = deque()
        self.always: Act = well
        self.told: Act = reply(404, {})
        """What a GET is answered with; it is not among `seen`."""
        self.url = ""
        self.asked = asyncio.Event()
        """Set by the first request."""
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """As a process that is killed: nobody listens any more, every connection is reset."""
        assert self._server is not None
        self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        connection = Connection(reader, writer)
        try:
            while seen := await _request(reader, writer):
                if seen.method == "GET":
                    await self.told(connection, seen)
                    continue
                self.seen.append(seen)
                self.asked.set()
                act = self.acts.popleft() if self.acts else self.always
                try:
                    await act(connection, seen)
                finally:
                    if writer.is_closing() or reader.at_eof():
                        seen.left.set()
                if writer.is_closing():
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            connection.reset()
        finally:
            self._open.discard(task)
            writer.close()


async def _request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Seen | None:
    head = await reader.readline()
    if not head:
        return None
    method, path, _ = head.decode().split(" ", 2)
    headers: dict[str, str] = {}
    while line := (await reader.readline()).decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    port = writer.get_extra_info("peername")[1]
    return Seen(method, path, headers, json.loads(raw) if raw else {}, port)
