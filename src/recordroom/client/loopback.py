"""Where a browser brings the answer of a provider: a page on this machine, for one log-in (RFC 8252, section 7.3)."""

from __future__ import annotations

import contextlib
import hmac
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

__all__ = ["Receiver", "receiving"]

_PATH = "/callback"
_GOOD = ("That is all here", "Your program goes on from here. You can close this window.")
_REFUSED = ("You are not logged in", "The provider refused. Your program says more; you can close this window.")
_OTHER = ("This is not the log-in that was begun", "Go back to your program and begin again.")
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>recordroom: {title}</title>
<style>body {{ font: 1.1rem/1.6 system-ui, sans-serif; max-width: 32rem; margin: 20vh auto; padding: 0 1rem }}</style>
<h1>{title}</h1><p>{text}</p></html>
"""


class Receiver:
    """Takes the one answer that carries `state`. Other callers get a page that says no, and change nothing."""

    def __init__(self, state: str) -> None:
        self.state = state
        self.redirect = ""
        self.answers: queue.Queue[dict[str, str]] = queue.Queue()

    def wait(self, timeout: float) -> dict[str, str] | None:
        """The parameters of the answer, or None where none came in time."""
        try:
            return self.answers.get(timeout=timeout)
        except queue.Empty:
            return None

    def take(self, parameters: dict[str, str]) -> tuple[int, tuple[str, str]]:
        """Keep an answer if it is ours; the status and the page for it."""
        if not hmac.compare_digest(parameters.get("state", "").encode(), self.state.encode()):
            return 400, _OTHER
        self.answers.put(parameters)
        return (200, _GOOD) if "code" in parameters else (403, _REFUSED)


@contextlib.contextmanager
def receiving(state: str) -> Iterator[Receiver]:
    """A receiver that listens on a port of the system's choice, at `receiver.redirect`, while the block runs."""
    receiver = Receiver(state)
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(receiver)) as server:
        # A browser may open a connection and send nothing on it; the end does not wait for such.
        server.daemon_threads = True
        server.block_on_close = False
        receiver.redirect = f"http://127.0.0.1:{server.server_address[1]}{_PATH}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10
        server_version = "recordroom"
        sys_version = ""

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path != _PATH:
                return self._answer(404, _OTHER)
            given = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            return self._answer(*receiver.take(given))

        def _answer(self, status: int, page: tuple[str, str]) -> None:
            body = _PAGE.format(title=page[0], text=page[1]).encode()
            self.send_response(status)
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the address holds the code."""

    return Handler


_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
    "Connection": "close",
}
