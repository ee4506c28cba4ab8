"""A receiver of webhooks on loopback: keeps what it is sent, and answers as it is told."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec

__all__ = ["Receiver", "Request"]


class Request(NamedTuple):
    """One request as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def topics(self) -> list[str]:
        return [each["topic"] for each in self.json["events"]]


class Receiver:
    """`answers` are the statuses of the next requests; 200 when there are none left. `hold` keeps requests waiting."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)
        self.requests: list[Request] = []
        self.hold = threading.Event()
        self.hold.set()
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = outer._received(Request({n.lower(): v for n, v in self.headers.items()}, body))
                self.send_response(status)
                self.send_header("location", "http://127.0.0.1:9/elsewhere")
                self.send_header("content-length", str(10**12))
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook?x=1"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def _received(self, request: Request) -> int:
        with self._changed:
            self.requests.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            status = self.answers.pop(0) if self.answers else 200
            self._changed.notify_all()
        self.hold.wait(60)
        with self._lock:
            self._at_once -= 1
        return status

    def until(self, count: int) -> None:
        """Wait for so many requests."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.requests) >= count, timeout=60)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
