"""Plans: engine work without I/O.

A plan is a generator: it yields the statement it needs next and is sent that statement's result. A
driver runs it (`Driver.run`). So the same engine serves SQLite and PostgreSQL, sync and async, and a
test may answer the statements by hand.

Values in statements and results are raw scalars (`model.kinds`); drivers convert at their edge by
storage class where their database keeps another form (booleans and decimals on SQLite).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from ..errors import StoreUnavailable
from ..model.kinds import Storage
from .wake import Wake

__all__ = [
    "ALONE",
    "ROOM",
    "TURN",
    "AsyncDriver",
    "DeleteKeys",
    "Driver",
    "Fetch",
    "FetchKeys",
    "InsertColumns",
    "Interrupted",
    "Plan",
    "Run",
    "Statement",
    "Turn",
    "UpdateColumns",
    "Violation",
    "Writing",
    "divided",
]

T = TypeVar("T")
Row = tuple[Any, ...]


class Fetch(NamedTuple):
    """Run SQL that answers rows. Result: list of tuples.

    `sql` is in the driver's dialect with positional parameters. `storage` gives the storage class of
    each result column, or is () where nothing needs converting (system tables: text, integers, bytes).
    A list as a parameter binds as one value: an array on PostgreSQL, JSON text on SQLite.
    """

    sql: str
    parameters: Sequence[Any] = ()
    storage: tuple[Storage, ...] = ()


# The room's row. A reading plan may ask for it again and again: a driver asks the database once for each snapshot.
ROOM = Fetch("SELECT schema_revision, access_revision, revision FROM rr_room")


class Run(NamedTuple):
    """Run SQL for its effect. Result: the number of rows changed."""

    sql: str
    parameters: Sequence[Any] = ()


class InsertColumns(NamedTuple):
    """Insert rows given as columns (executemany on SQLite, COPY on PostgreSQL). Result: None.

    `storage` names each column's storage class, in the order of `columns`.
    """

    table: str
    columns: Mapping[str, Sequence[Any]]
    storage: tuple[Storage, ...]


class UpdateColumns(NamedTuple):
    """Set `columns` of the rows whose `key` columns equal `keys`, row by row. Result: None."""

    table: str
    keys: Mapping[str, Sequence[Any]]
    columns: Mapping[str, Sequence[Any]]
    storage: tuple[Storage, ...]  # of keys, then of columns


class DeleteKeys(NamedTuple):
    """Delete the rows whose key columns equal `keys`. Result: None."""

    table: str
    keys: Mapping[str, Sequence[Any]]
    storage: tuple[Storage, ...]


class FetchKeys(NamedTuple):
    """Fetch `columns` of the rows whose `key` is one of `values`, in no promised order. Result: list of tuples.

    `storage` is of the key, then of `columns`. `values` may hold a million keys; each is asked once.
    """

    table: str
    key: str
    values: Sequence[Any]
    columns: tuple[str, ...]
    storage: tuple[Storage, ...]


class Violation(Exception):
    """The database refused a statement because of a constraint.

    Drivers throw it into the plan at that statement; the plan may roll back to a savepoint and go on.
    """

    def __init__(
        self, kind: str, constraint: str = "", detail: str = "", *, table: str = "", columns: tuple[str, ...] = ()
    ) -> None:
        super().__init__(f"{kind}: {constraint} {detail}".strip())
        self.kind = kind  # "unique" (a primary key too), "foreign_key" or "other"
        self.constraint = constraint  # its name, where the database tells (PostgreSQL does)
        self.detail = detail
        self.table = table  # where the database tells
        self.columns = columns  # of a unique set, where the database tells (SQLite does)


class Turn(NamedTuple):
    """Nothing is asked: others on an event loop may have their turn. Result: None."""


TURN = Turn()
_MANY = 2_000  # rows, from which on work with them takes long enough to be divided


def divided(count: int) -> Plan[None]:
    """Between two pieces of work with `count` rows: give others their turn."""
    if count > _MANY:
        yield TURN


class Interrupted(StoreUnavailable):
    """The database cannot be reached: {reason}.

    The connection was lost in the middle of something. Nothing of it stands, unless `unknown` says that it may. Those
    who ran the plan can make it anew and run it again.
    """


class Writing(NamedTuple):
    """How a plan may be written."""

    announce: bool = False  # other processes are told of it
    together: bool = False  # it may share a transaction with others
    again: bool = False  # running it again does no harm, even where it stands already


ALONE = Writing()


Statement = Fetch | Run | InsertColumns | UpdateColumns | DeleteKeys | FetchKeys | Turn
Plan = Generator[Statement, Any, T]


class Driver(Protocol):
    """One database of either make. Errors of the database become those of `recordroom.errors` at this edge."""

    dialect: str  # "sqlite" or "postgresql"
    where: str
    statements: int  # how many were run, for tests and `explain`
    read_only: bool
    alone: bool  # no other process writes to it meanwhile
    durability: Literal["full", "normal"]  # of connections made from now on

    def run(self, plan: Plan[T]) -> T:
        """Run a reading plan in one snapshot."""

    def write(self, plan: Plan[T], writing: Writing = ALONE) -> T:
        """Run a plan as the one writer, in one transaction: committed when it returns, rolled back when it raises."""

    def stream(self, plan: Plan[tuple[Fetch, Callable[[list[Row]], T]]], size: int) -> Iterator[T]:
        """Run a plan that gives a statement and what makes something of its rows; then its rows, `size` at a time.

        All in one snapshot and in bounded memory.
        """

    def snapshot(self) -> AbstractContextManager[Callable[[Statement], Any]]:
        """What answers statements one by one, all of them in one snapshot."""

    def rebuild(self, plan: Plan[T]) -> T:
        """As `write`, for a plan that changes the room's own tables."""

    def watch(self, seconds: float) -> None:
        """Wait until another process may have committed something, or `seconds` have passed."""

    def exclusive(self) -> AbstractContextManager[None]:
        """For maintenance that needs the database alone (compacting)."""

    def compact(self) -> None:
        """Give back space that is not used."""

    def version(self) -> str:
        """Name and version of the database, such as "SQLite 3.54.1"."""

    def close(self) -> None:
        """Close every connection."""


class AsyncDriver(Protocol):
    """A `Driver` for an event loop: the same, awaited. Long work gives other tasks their turn between its pieces."""

    dialect: str
    where: str
    read_only: bool
    budget: float | None  # seconds that a reading plan may take, or a page of a stream: QueryTimeout

    async def run(self, plan: Plan[T]) -> T:
        """Run a reading plan in one snapshot."""

    async def write(self, plan: Plan[T], writing: Writing = ALONE) -> T:
        """Run a plan as the one writer, in one transaction.

        A task that is cancelled while the plan runs changes nothing. Where it is cancelled during the commit, what it
        wrote may stand.
        """

    async def follow(self, wake: Wake) -> None:
        """Tell `wake` of every revision that other processes commit from now on."""

    def stream(self, plan: Plan[tuple[Fetch, Callable[[list[Row]], T]]], size: int) -> AsyncGenerator[T, None]:
        """As `Driver.stream`. Whoever leaves early closes it (`aclose`)."""

    async def close(self) -> None:
        """Close every connection."""


def nothing() -> Plan[None]:
    """A plan that needs no statement."""
    yield from ()
