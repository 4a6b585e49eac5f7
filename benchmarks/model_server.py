"""A model server for benchmarks: answers Chat Completions from bytes made beforehand.

    python benchmarks/model_server.py [--delay SECONDS] [--core N]

Prints its port. It parses nothing of a request but its length, whether it streams and how many
assistant messages it holds, so that it costs little beside what is measured. Replies go by that
number, again from the first where it exceeds them: `--replies FILE` is a JSON object with a list of
messages for each path's beginning; without, one sentence for all. A stream has `--pieces` pieces.
"""

import argparse
import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_ASSISTANT = re.compile(rb'"role": ?"assistant"')
_STREAM = re.compile(rb'"stream": ?true')


def whole(message: dict[str, Any]) -> bytes:
    finish = "tool_calls" if message.get("tool_calls") else "stop"
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "base",
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }
    raw = json.dumps(body).encode()
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
    )
    return head.encode() + raw


def streamed(pieces: int) -> bytes:
    """One stream, as vLLM writes it; each event is a chunk of the transfer encoding."""

    def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        body = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "base",
            "choices": [choice],
        }
        return b"data: " + json.dumps(body).encode() + b"\n\n"

    events = [event({"role": "assistant", "content": ""})]
    events += [event({"content": f"word{number} "}) for number in range(pieces)]
    events += [event({}, "stop"), b"data: [DONE]\n\n"]
    chunks = b"".join(f"{len(each):x}\r\n".encode() + each + b"\r\n" for each in events)
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    return head + chunks + b"0\r\n\r\n"


async def serve(replies: dict[bytes, list[bytes]], stream: bytes, delay: float) -> None:
    async def serving(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                found = _LENGTH.search(head)
                body = await reader.readexactly(int(found[1]) if found else 0)
                if delay:
                    await asyncio.sleep(delay)
                if _STREAM.search(body):
                    writer.write(stream)
                else:
                    path = head.split(b" ", 2)[1]
                    said = next((v for k, v in replies.items() if path.startswith(k)), [])
                    if head.startswith(b"GET") or not said:
                        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                        continue
                    turn = len(_ASSISTANT.findall(body)) if len(said) > 1 else 0
                    writer.write(said[turn % len(said)])
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serving, "127.0.0.1", 0, limit=1 << 24)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--core", type=int)
    parser.add_argument("--replies", type=Path)
    parser.add_argument("--pieces", type=int, default=200)
    given = parser.parse_args()
    if given.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {given.core})
    said = {"/": [{"role": "assistant", "content": "Order 1042 is on its way."}]}
    if given.replies:
        said = json.loads(given.replies.read_text())
    replies = {
        start.encode(): [whole(message) for message in messages] for start, messages in said.items()
    }
    asyncio.run(serve(replies, streamed(given.pieces), given.delay))


if __name__ == "__main__":
    main()
