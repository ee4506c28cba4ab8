"""Processes that do jobs: `recordroom worker`, and those that a server starts (`python -m recordroom.workers`)."""

from __future__ import annotations

import base64
import logging
import os
import signal
import sys
import threading
from types import FrameType

import msgspec

from .client.session import Session
from .connection import connect

__all__ = ["end_at_signals", "main"]


class _Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a server tells a process: where it listens for it, and with which key."""

    url: str
    key: str
    lease: float
    idle: float
    log_level: str = "info"


def end_at_signals() -> None:
    """From now on SIGTERM ends what goes on as Ctrl-C does: a job that is under way is given back."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Do jobs as a server tells, until there are none for a while; the exit code."""
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=_Order)
    end_at_signals()
    threading.Thread(target=_end_with_server, daemon=True).start()
    logging.basicConfig(level=order.log_level.upper())
    with connect(order.url, access_token=order.key) as session:
        session.jobs.sessions = lambda name: _session_of(order, name)
        try:
            session.jobs.work(lease=order.lease, idle=order.idle)
        except KeyboardInterrupt:
            return 0
    return 0


def _session_of(order: _Order, name: str) -> Session:
    secret = f"{order.key}.{base64.urlsafe_b64encode(name.encode()).decode()}"
    return connect(order.url, access_token=secret, plugins=False)


def _end_with_server() -> None:
    """Without its server there is nobody to tell what came of a job."""
    while os.read(0, 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
