"""Connections to one PostgreSQL database: made when needed, kept for the next one who needs one."""

from __future__ import annotations

import os
import select
import threading
import time
import weakref

import psycopg
from psycopg.pq import ConnStatus, TransactionStatus

from ...errors import StoreUnavailable
from .postgres_address import Address
from .postgres_errors import connection_error
from .postgres_statements import Connection
from .postgres_values import adapters

__all__ = ["Link", "Pool"]

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


class Link:
    """One connection, and what the pool and its user know of it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.pooled = False  # it was idle, so it may be dead without anybody knowing
        self.schema_revision: int | None = None  # for which its prepared statements were made
        self.ending = False  # COMMIT was sent, and its answer is not here yet

    @property
    def state(self) -> TransactionStatus:
        """Whether a transaction is open on it."""
        return TransactionStatus(self.connection.pgconn.transaction_status)

    def end_reading(self) -> None:
        """End a transaction that wrote nothing, without waiting for the answer."""
        if self.state not in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            return
        try:
            self.connection.pgconn.send_query(b"COMMIT")
            self.ending = self.connection.pgconn.flush() == 0
        except psycopg.Error:
            self.connection.close()

    def roll_back(self) -> None:
        """Undo what was not committed; psycopg then forgets statements prepared for what is gone."""
        if self.state in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            self.connection.execute(b"ROLLBACK", prepare=False)

    def is_usable(self) -> bool:
        """Whether nothing says that it is not, after taking in what it has been told meanwhile."""
        pgconn = self.connection.pgconn
        try:
            pgconn.consume_input()
            if self.ending:
                self._settle()
                self.ending = False
        except psycopg.Error:
            return False
        return pgconn.status == ConnStatus.OK and self.state == TransactionStatus.IDLE

    def _settle(self) -> None:
        pgconn = self.connection.pgconn
        deadline = time.monotonic() + _SETTLE_SECONDS
        poll = select.poll()
        poll.register(pgconn.socket, select.POLLIN)
        while pgconn.is_busy():
            if not poll.poll(max(deadline - time.monotonic(), 0.0) * 1000):
                raise psycopg.OperationalError("no answer to COMMIT")
            pgconn.consume_input()
        while pgconn.get_result() is not None:
            pass


class Pool:
    """Gives links to whoever needs one, each to one at a time. Never waits: there are as many as are in use."""

    def __init__(self, address: Address, *, read_only: bool) -> None:
        self._address = address
        self._setup = (_SETUP.format(schema=address.schema) + (_READ_ONLY if read_only else "")).encode()
        self._lock = threading.Lock()
        self._idle: list[Link] = []
        self._closed = False
        self._process = os.getpid()
        weakref.finalize(self, _close_links, self._idle, self._process)

    def take(self) -> Link:
        """A link with no transaction open; StoreUnavailable and others where none can be had."""
        self.check_usable()
        while True:
            with self._lock:
                link = self._idle.pop() if self._idle else None
            if link is None:
                return Link(self._connect())
            if link.is_usable():
                link.pooled = True
                return link
            link.connection.close()

    def give_back(self, link: Link) -> None:
        """Take a link back; one in the middle of something is closed."""
        usable = not link.connection.closed and (link.ending or link.state == TransactionStatus.IDLE)
        with self._lock:
            if usable and not self._closed and len(self._idle) < _IDLE:
                self._idle.append(link)
                return
        link.connection.close()

    def close(self) -> None:
        """Close what is idle now, and what is in use when it is given back."""
        with self._lock:
            self._closed = True
            _close_links(self._idle, self._process)

    def close_idle(self) -> None:
        """Close what is idle now."""
        with self._lock:
            _close_links(self._idle, self._process)

    def check_usable(self) -> None:
        """StoreUnavailable after closing, and in a process that was forked off since."""
        if self._closed:
            raise StoreUnavailable(reason=f"{self._address.where} was closed")
        if os.getpid() != self._process:
            # Two processes on one connection would read each other's answers.
            reason = f"{self._address.where} was opened before this process was forked; open it again here"
            raise StoreUnavailable(reason=reason)

    def _connect(self) -> Connection:
        try:
            connection: Connection = psycopg.connect(
                **{**self._address.parameters, "client_encoding": "utf8"}, autocommit=True, context=adapters
            )
        except psycopg.Error as error:
            failed = connection_error(error, self._address.where)
        else:
            try:
                connection.execute(self._setup, prepare=False)
            except BaseException:
                connection.close()
                raise
            return connection
        # Raised out here, it does not carry psycopg's error along, which holds the password.
        raise failed


def _close_links(idle: list[Link], process: int) -> None:
    # Closing the copy that a forked process has would end the connection of the one that made it.
    if os.getpid() == process:
        while idle:
            idle.pop().connection.close()
