"""Connections to one PostgreSQL database: made when needed, kept for the next one who needs one."""

from __future__ import annotations

import asyncio
import os
import select
import threading
import time
import weakref
from typing import Any, Generic, TypeVar

import psycopg
from psycopg.generators import fetch_many
from psycopg.pq import ConnStatus, TransactionStatus

from ...errors import StoreUnavailable
from .postgres_address import Address
from .postgres_errors import connection_error
from .postgres_steps import AsyncConnection, Connection
from .postgres_values import adapters

__all__ = ["AsyncPool", "Link", "Pool"]

_IDLE = 8  # connections that are kept
_SETTLE_SECONDS = 30.0
_SETUP = (
    # Nothing outside of the room's schema can take the place of one of its tables.
    'SET search_path TO "{schema}", pg_temp;'
    " SET TimeZone TO 'UTC';"
    # Nothing waits forever, not even for a reader of one's own that is half through a stream.
    " SET lock_timeout TO '60s';"
    " SET client_min_messages TO warning;"
    # Streams are read to the end, so the first rows need not come first.
    " SET cursor_tuple_fraction TO 1.0;"
    # Compiling a query to machine code takes longer than running it, for queries as they are here.
    " SET jit TO off;"
    # What was acknowledged stays, whatever the server does by itself.
    " SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)
_READ_ONLY = "; SET default_transaction_read_only TO on"


C = TypeVar("C", Connection, AsyncConnection)


class Link(Generic[C]):
    """One connection, and what the pool and its user know of it."""

    def __init__(self, connection: C) -> None:
        self.connection: C = connection
        self.pooled = False  # it was idle, so it may be dead without anybody knowing
        self.schema_revision: int | None = None  # for which its prepared statements were made
        self.ending = False  # COMMIT was sent, and its answer is not here yet

    @property
    def state(self) -> TransactionStatus:
        """Whether a transaction is open on it."""
        return TransactionStatus(self.connection.pgconn.transaction_status)

    @property
    def is_open(self) -> bool:
        """Whether a transaction is open on it that can be ended."""
        return self.state in (TransactionStatus.INTRANS, TransactionStatus.INERROR)

    def end_reading(self) -> None:
        """End a transaction that wrote nothing, without waiting for the answer."""
        if not self.is_open:
            return
        try:
            self.connection.pgconn.send_query(b"COMMIT")
            self.ending = self.connection.pgconn.flush() == 0
        except psycopg.Error:
            self.close()

    def hears(self) -> bool:
        """Take in what it has been told meanwhile; whether it could."""
        try:
            self.connection.pgconn.consume_input()
        except psycopg.Error:
            return False
        return True

    def is_idle(self) -> bool:
        """Whether nothing says that it cannot be used."""
        return self.connection.pgconn.status == ConnStatus.OK and self.state == TransactionStatus.IDLE

    def close(self) -> None:
        """End it at once; what was not committed is undone."""
        self.connection.pgconn.finish()


class _Pool(Generic[C]):
    """Links that are idle. Never waits for one: there are as many as are in use."""

    def __init__(self, address: Address, *, read_only: bool) -> None:
        self.address = address
        self._setup = (_SETUP.format(schema=address.schema) + (_READ_ONLY if read_only else "")).encode()
        self._lock = threading.Lock()
        self._idle: list[Link[C]] = []
        self._closed = False
        self._process = os.getpid()
        weakref.finalize(self, _close_links, self._idle, self._process)

    def give_back(self, link: Link[C]) -> None:
        """Take a link back; one in the middle of something is closed."""
        usable = not link.connection.closed and (link.ending or link.state == TransactionStatus.IDLE)
        with self._lock:
            if usable and not self._closed and len(self._idle) < _IDLE:
                self._idle.append(link)
                return
        link.close()

    def close(self) -> None:
        """Close what is idle now, and what is in use when it is given back."""
        with self._lock:
            self._closed = True
            _close_links(self._idle, self._process)

    def close_idle(self) -> None:
        """Close what is idle now."""
        with self._lock:
            _close_links(self._idle, self._process)

    @property
    def is_own(self) -> bool:
        """Whether this process made it."""
        return os.getpid() == self._process

    def check_usable(self) -> None:
        """StoreUnavailable after closing, and in a process that was forked off since."""
        if self._closed:
            raise StoreUnavailable(reason=f"{self.address.where} was closed")
        if os.getpid() != self._process:
            # Two processes on one connection would read each other's answers.
            reason = f"{self.address.where} was opened before this process was forked; open it again here"
            raise StoreUnavailable(reason=reason)

    def _pop(self) -> Link[C] | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    @property
    def _parameters(self) -> dict[str, Any]:
        return {**self.address.parameters, "client_encoding": "utf8"}


class Pool(_Pool[Connection]):
    """Gives links to threads, each to one at a time."""

    def take(self) -> Link[Connection]:
        """A link with no transaction open; StoreUnavailable and others where none can be had."""
        self.check_usable()
        while (link := self._pop()) is not None:
            if link.hears() and _settled(link) and link.is_idle():
                link.pooled = True
                return link
            link.close()
        return Link(self.connect())

    def connect(self) -> Connection:
        """A new connection."""
        try:
            connection: Connection = psycopg.connect(**self._parameters, autocommit=True, context=adapters)
        except psycopg.Error as error:
            failed = connection_error(error, self.address.where)
        else:
            try:
                connection.execute(self._setup, prepare=False)
            except BaseException:
                connection.close()
                raise
            return connection
        # Raised out here, it does not carry psycopg's error along, which holds the password.
        raise failed


class AsyncPool(_Pool[AsyncConnection]):
    """Gives links to the tasks of one event loop, each to one at a time."""

    async def take(self) -> Link[AsyncConnection]:
        """As of `Pool`."""
        self.check_usable()
        while (link := self._pop()) is not None:
            if link.hears() and await _settled_async(link) and link.is_idle():
                link.pooled = True
                return link
            link.close()
        return Link(await self.connect())

    async def connect(self) -> AsyncConnection:
        """A new connection."""
        try:
            connection: AsyncConnection = await psycopg.AsyncConnection.connect(
                **self._parameters, autocommit=True, context=adapters
            )
        except psycopg.Error as error:
            failed = connection_error(error, self.address.where)
        else:
            try:
                await connection.execute(self._setup, prepare=False)
            except BaseException:
                connection.pgconn.finish()
                raise
            return connection
        raise failed


def _settled(link: Link[Connection]) -> bool:
    """Take in the answer to COMMIT, if there is one to come; whether that could be."""
    if not link.ending:
        return True
    link.ending = False
    pgconn = link.connection.pgconn
    deadline = time.monotonic() + _SETTLE_SECONDS
    poll = select.poll()
    poll.register(pgconn.socket, select.POLLIN)
    try:
        while pgconn.is_busy():
            if not poll.poll(max(deadline - time.monotonic(), 0.0) * 1000):
                return False
            pgconn.consume_input()
        while pgconn.get_result() is not None:
            pass
    except psycopg.Error:
        return False
    return True


async def _settled_async(link: Link[AsyncConnection]) -> bool:
    if not link.ending:
        return True
    link.ending = False
    pgconn = link.connection.pgconn
    try:
        if pgconn.is_busy():
            async with asyncio.timeout(_SETTLE_SECONDS):
                await link.connection.wait(fetch_many(pgconn))
        while pgconn.get_result() is not None:
            pass
    except (psycopg.Error, TimeoutError):
        return False
    except BaseException:
        link.close()
        raise
    return True


def _close_links(idle: list[Link[Any]], process: int) -> None:
    # Closing the copy that a forked process has would end the connection of the one that made it.
    if os.getpid() == process:
        while idle:
            idle.pop().close()
