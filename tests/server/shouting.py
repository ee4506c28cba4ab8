"""A dialect for tests: says in capitals where it was asked."""

from __future__ import annotations

from typing import Any

MADE: list[Any] = []


class Shouting:
    prefixes = ("/shout", "/v1/events/loud")

    def __init__(self) -> None:
        self.closed = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = scope["path"].upper().encode()
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": body.decode()})
            await send({"type": "websocket.close"})
            return
        await send({"type": "http.response.start", "status": 203, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    async def close(self) -> None:
        self.closed += 1


def make(service: Any, settings: Any) -> Shouting:
    MADE.append(Shouting())
    return MADE[-1]
