"""Logs of a server: a line per event, as text for people or as JSON for machines, with request ids and without secrets.

No line has a header, a query string, a body or a value: what a request was about is said by its route.
"""

from __future__ import annotations

import datetime as dt
import logging
import sys
from typing import Any, Literal, TextIO

import msgspec

__all__ = ["RequestLog", "configure"]

_LOGGERS = ("recordroom", "uvicorn")


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = dt.datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        fields = " ".join(f"{name}={value}" for name, value in getattr(record, "fields", {}).items())
        text = f"{moment} {record.levelname.lower():<7} {record.getMessage()} {fields}".rstrip()
        if not text.isprintable():
            # Names may have anything in them, and must not look like other lines.
            text = text.encode("unicode_escape").decode()
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def configure(level: str, form: Literal["auto", "text", "json"], stream: TextIO | None = None) -> None:
    """Send what the server logs to `stream` (stderr). "auto": text to a terminal, otherwise JSON."""
    out = stream or sys.stderr
    as_text = form == "text" or (form == "auto" and out.isatty())
    handler = logging.StreamHandler(out)
    handler.setFormatter(_Text() if as_text else _Json())
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(level.upper())
        logger.propagate = False
    # What uvicorn says at `info` (that it has started) is said better elsewhere.
    logging.getLogger("uvicorn").setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))


class RequestLog:
    """A line for each request (`every`), or for those that failed in the server or took longer than `slow` seconds."""

    def __init__(self, *, every: bool = False, slow: float = 1.0) -> None:
        self.every = every
        self.slow = slow
        self._log = logging.getLogger("recordroom.requests")

    def note(self, request_id: bytes, actor: str, what: str, status: int, seconds: float) -> None:
        """One request is done; `what` is its method and route. Status 0: the client went away."""
        failed = status >= 500
        if not (self.every or failed or seconds > self.slow):
            return
        level = logging.ERROR if failed else logging.INFO
        fields = {
            "request_id": request_id.decode(),
            "actor": actor,
            "status": status or "gone",
            "ms": round(seconds * 1e3, 1),
        }
        self._log.log(level, what, extra={"fields": fields})
