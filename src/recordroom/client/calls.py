"""Calls to a server: one request and its answer, with credentials and tried again where that helps.

Errors that the server names are raised as they are. Where no answer comes that means something, it is ServerUnavailable.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any, NoReturn, TypeVar

import msgspec

from ..errors import (
    Error,
    InvalidRequest,
    NotAuthenticated,
    ProviderUnavailable,
    QueryTimeout,
    RoomNotFound,
    ServerUnavailable,
    StoreUnavailable,
)
from ..model import wire
from .credentials import Credentials
from .http import Answer, Broken, Connections, Message, Options, Streamed
from .retry import Retry, Tries

__all__ = ["Caller", "Request"]

T = TypeVar("T")

_ASKING = {"Accept": wire.MSGPACK}
_SENDING = {"Accept": wire.MSGPACK, "Content-Type": wire.MSGPACK}
_MOST_REFRESHES = 2
_NOT_CHANGED = 304
_ANOTHER_VERSION = "its answer cannot be understood; it may be of another version"
# Answers that say of themselves that asking again is of no use, whatever their status.
_FINAL = (QueryTimeout, ProviderUnavailable)
# What is said before a request is looked at. After attempts that broke off it leaves open whether one of them was heard:
# the fact `unsure` says so.
_UNHEARD = (NotAuthenticated, RoomNotFound)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked. `repeatable`: asking twice does no more than asking once, so it may be tried again.

    `retry` and `read` (seconds between two pieces of the answer) stand in for those of the session.
    """

    method: str = "POST"
    path: str
    body: Any = None
    repeatable: bool = True
    retry: Retry | None = None
    read: float | None = None


class Caller:
    """Everything that is asked of one server as one actor. Safe to call from several threads. Opens nothing by itself."""

    def __init__(
        self,
        where: str,
        credentials: Credentials | None = None,
        *,
        options: Options | None = None,
        retry: Retry | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.where = where
        self.credentials = credentials
        self.retry = retry or Retry()
        self._connections = Connections(where, options or Options())
        self._sleep = sleep
        self._met = False  # the server has answered once
        self.sent = 0  # requests, those that were tried again counted each time

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    # --- one answer ---

    def ask(self, request: Request, kind: type[T]) -> T:
        """The answer to a request, as a `kind`."""
        return self._until(request, lambda message: self._understood(self._send(request, message), kind))

    def ask_changed(self, request: Request, kind: type[T], tag: str = "") -> tuple[T | None, str]:
        """The answer and its tag; None where it is still the one of `tag`, and does not travel again."""
        headers = {"If-None-Match": tag} if tag else {}

        def attempt(message: Message) -> tuple[T | None, str]:
            answer = self._send(request, message._replace(headers={**message.headers, **headers}))
            if tag and answer.status == _NOT_CHANGED:
                return None, tag
            return self._understood(answer, kind), answer.headers.get("etag", "")

        return self._until(request, attempt)

    def do(self, request: Request) -> None:
        """Ask for something that has no answer but that it was done."""
        self._until(request, lambda message: self._good(self._send(request, message)))

    # --- bytes ---

    def exchange(self, request: Request, headers: Mapping[str, str], body: Callable[[], Any] | None = None) -> Answer:
        """The answer to bytes that `body` makes anew for each attempt, under headers that say what they are."""

        def attempt(message: Message) -> Answer:
            sent = None if body is None else body()
            sending = message._replace(headers={**message.headers, **headers}, body=sent)
            return self._good(self._send(request, sending))

        return self._until(request, attempt)

    def open(self, request: Request, headers: Mapping[str, str]) -> Streamed:
        """An answer of bytes, to be read as they come. Whoever leaves it early closes it."""

        def attempt(message: Message) -> Streamed:
            found = self._connections.stream(message._replace(headers={**message.headers, **headers}))
            try:
                if not 200 <= found.status < 300:
                    self._good(found.whole())
            except BaseException:
                found.close()
                raise
            return found

        return self._until(request, attempt)

    def _send(self, request: Request, message: Message) -> Answer:
        return self._connections.send(message, alone=not request.repeatable)

    # --- pages as they come ---

    def stream(self, request: Request, kind: type[T]) -> Iterator[T]:
        """The parts of a stream. Until the first has come it is tried again, then an end that is none is an error."""

        def begin(message: Message) -> tuple[Streamed, Iterator[T]]:
            found = self._connections.stream(message)
            try:
                parts = self._parts(self._good_stream(found), kind)
                return found, _started(parts)
            except BaseException:
                found.close()
                raise

        streamed, parts = self._until(request, begin)
        with closing(streamed):
            try:
                yield from parts
            except Broken as broken:
                raise self._unavailable(f"{broken.reason} in the middle of the answer", 1, 0.0) from broken

    def _parts(self, streamed: Streamed, kind: type[T]) -> Iterator[T]:
        frames = wire.Frames(kind)
        for piece in streamed.pieces():
            yield from _understood(frames.feed(piece))
        if not frames.complete:
            raise Broken("the connection broke off")

    def _good_stream(self, streamed: Streamed) -> Streamed:
        given = _content_type(streamed.headers)
        if streamed.status != 200 or given != wire.MSGPACK:
            self._good(streamed.whole())
            raise _Garbled(streamed.status, given)
        return streamed

    # --- trying ---

    def _until(self, request: Request, attempt: Callable[[Message], T]) -> T:
        """What an attempt gives, made again as the policy says."""
        body = None if request.body is None else wire.encode(request.body)
        tries = Tries(request.retry or self.retry)
        while True:
            try:
                found = self._authorized(request, body, attempt)
            except _Refused as refused:
                self._pause_after(refused, tries, request)
            except Broken as broken:
                self._pause_after_break(broken, tries, request)
            except _UNHEARD as error:
                error.facts["unsure"] = tries.count > 0
                raise
            else:
                self._met = True
                return found

    def _authorized(self, request: Request, body: bytes | None, attempt: Callable[[Message], T]) -> T:
        """What an attempt gives, made again with another credential where the server refuses one."""
        headers, refreshes = _ASKING if body is None else _SENDING, 0
        while True:
            authorization = None if self.credentials is None else self.credentials.header()
            if authorization is not None:
                headers = {**headers, "Authorization": authorization}
            try:
                self.sent += 1
                return attempt(Message(request.method, request.path, body, headers, request.read))
            except NotAuthenticated as error:
                refreshes += 1
                if not self._refreshed(authorization, refreshes):
                    raise self._explained(error) from None

    def _refreshed(self, stale: str | None, count: int) -> bool:
        if self.credentials is None or stale is None or count > _MOST_REFRESHES:
            return False
        return self.credentials.refresh(stale)

    def _explained(self, error: NotAuthenticated) -> NotAuthenticated:
        if self.credentials is not None:
            return error
        where = self.where
        text = (
            f'{where} asks who you are: give api_key=… or set RECORDROOM_API_KEY, or log in with rr.login("{where}").'
        )
        return NotAuthenticated(text, where=where, reason="there is no credential")

    def _pause_after(self, refused: _Refused, tries: Tries, request: Request) -> None:
        # 429 says that nothing was done.
        repeatable = request.repeatable or refused.status == 429
        pause = tries.after_status(refused.status, refused.retry_after)
        if pause is None or not repeatable:
            self._give_up(refused, tries)
        self._sleep(pause)

    def _pause_after_break(self, broken: Broken, tries: Tries, request: Request) -> None:
        pause = tries.after_break(met=self._met)
        if pause is None or broken.lasting or (broken.sent and not request.repeatable):
            raise self._unavailable(broken.reason, tries.count, tries.seconds) from broken
        self._sleep(pause)

    def _give_up(self, refused: _Refused, tries: Tries) -> NoReturn:
        error = refused.error
        if error is not None and not isinstance(error, StoreUnavailable):
            error.facts.update(attempts=tries.count, seconds=round(tries.seconds, 1))
            raise error
        reason = refused.reason if error is None else error.facts.get("reason") or error.message.rstrip(".")
        raise self._unavailable(reason, tries.count, tries.seconds, status=refused.status) from error

    def _unavailable(self, reason: str, attempts: int, seconds: float, **more: Any) -> ServerUnavailable:
        return ServerUnavailable(where=self.where, reason=reason, attempts=attempts, seconds=round(seconds, 1), **more)

    # --- what an answer means ---

    def _understood(self, answer: Answer, kind: type[T]) -> T:
        given = _content_type(self._good(answer).headers)
        if answer.status != 200 or given != wire.MSGPACK:
            raise _Garbled(answer.status, given)
        try:
            return wire.decode(answer.body, kind)
        except InvalidRequest as error:
            raise Broken(_ANOTHER_VERSION) from error

    def _good(self, answer: Answer) -> Answer:
        """The answer, where it is no error."""
        if 200 <= answer.status < 300:
            return answer
        if 300 <= answer.status < 400:
            raise self._elsewhere(answer)
        if _content_type(answer.headers) != wire.JSON:
            self._raise_unnamed(answer)
        self._met = True
        error = wire.decode_error(answer.body, answer.status)
        if answer.status in self.retry.statuses and not isinstance(error, _FINAL):
            raise _Refused(answer, error)
        raise error

    def _raise_unnamed(self, answer: Answer) -> NoReturn:
        """Somebody else than a room's server answered: a proxy, or a server of something else."""
        if answer.status >= 500 or answer.status in self.retry.statuses:
            raise _Refused(answer, None)
        what = _content_type(answer.headers) or "nothing"
        raise RoomNotFound(
            f"There is no room at {self.where}: it answers {answer.status} with {what}, not as a server of rooms does.",
            path=self.where,
        )

    def _elsewhere(self, answer: Answer) -> Error:
        place = answer.headers.get("location", "").partition("?")[0].partition("#")[0][:200]
        shown = place if place.isprintable() and "@" not in place else "another place"
        return RoomNotFound(
            f"There is no room at {self.where}: it sends on to {shown or 'another place'}. Connect to the address itself; "
            "nothing is sent on, as it carries a credential.",
            path=self.where,
        )


class _Refused(Exception):
    """The server answered that it cannot now. `error` is what it said, if it said it as a server of rooms does."""

    def __init__(self, answer: Answer, error: Error | None) -> None:
        super().__init__(answer.status)
        self.status = answer.status
        self.error = error
        self.reason = f"it answered {answer.status}"
        self.retry_after = _seconds(answer.headers.get("retry-after"))


class _Garbled(Broken):
    """An answer that is none: the page of a proxy, for example."""

    def __init__(self, status: int, content_type: str) -> None:
        super().__init__(f"it answered {status} with {content_type[:60] or 'nothing'}, not as a server of rooms does")


def _started(parts: Iterator[T]) -> Iterator[T]:
    """The same parts, the first of which has come."""
    first = next(parts, None)
    if first is None:
        return iter(())
    return _chained(first, parts)


def _chained(first: T, rest: Iterator[T]) -> Iterator[T]:
    yield first
    yield from rest


def _understood(parts: Iterator[T]) -> Iterator[T]:
    try:
        yield from parts
    except InvalidRequest as error:
        raise Broken(_ANOTHER_VERSION) from error


def _content_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _seconds(text: str | None) -> float | None:
    """`Retry-After`: seconds, or a date (RFC 9110, section 10.2.3)."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    from email.utils import parsedate_to_datetime

    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None
