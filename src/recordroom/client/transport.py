"""How a session reaches a room: one narrow protocol. `connect` chooses the implementation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from ..model.operations import Commit, CommitResult, Operation
from ..model.schema import Schema
from ..query.request import (
    AccessAnswer,
    AccessRequest,
    Change,
    DatabaseInfo,
    Header,
    HistoryRequest,
    Hit,
    JournalEntry,
    Members,
    MembersRequest,
    Page,
    QueryRequest,
    SchemaEffect,
    SearchRequest,
)
from ..query.subscriptions import Followed, FollowRequest

__all__ = ["Transport"]


class Transport(Protocol):
    """Each call is one round trip; a `stream` is one, however many pages it brings.

    Safe to call from several threads. Errors are those of `recordroom.errors`.
    """

    @property
    def where(self) -> str:
        """A path or an address, for messages."""

    @property
    def actor(self) -> str:
        """The name of who asks."""

    def schema(self, database: str, revision: int | None = None) -> Schema:
        """The schema now. With `revision`, the same object as last time where nothing changed since."""

    def databases(self) -> list[DatabaseInfo]:
        """Every database of the room."""

    def query(self, request: QueryRequest) -> Page:
        """One page."""

    def stream(self, request: QueryRequest) -> Iterator[Page]:
        """Every page of one snapshot, `request.size` rows each, in bounded memory."""

    def count(self, request: QueryRequest) -> int:
        """How many rows the query has, its limit and offset counted in."""

    def explain_access(self, request: AccessRequest) -> list[AccessAnswer]:
        """For each verb the rule that allows somebody to do it with an entity, or why none does."""

    def explain(self, request: QueryRequest) -> str:
        """The statement that would run, its parameters and the database's plan, as text for a person."""

    def members(self, request: MembersRequest) -> Members:
        """The members of one relation of many owners."""

    def commit(self, commit: Commit) -> CommitResult:
        """Apply a commit once; a repeat gets the first result."""

    def history(self, request: HistoryRequest) -> list[Change]:
        """Who changed what of one entity, newest first."""

    def search(self, request: SearchRequest) -> list[Hit]:
        """Entities whose texts hold every word, best first."""

    def revision_at(self, moment: int) -> int:
        """The revision that was the latest at `moment` (microseconds since 1970, UTC); 0 before the first."""

    def journal(self, after: int = 0, limit: int = 100) -> Sequence[JournalEntry]:
        """Commits with a revision above `after`, oldest first."""

    def follow(self, request: FollowRequest) -> Followed:
        """The events after a revision that fit subscriptions; waits for one, as long as the request says."""

    def header(self, revision_or_id: int | bytes) -> Header:
        """One commit without its operations."""

    def revert(self, revision: int, commit: Commit) -> CommitResult:
        """Apply the inverse of the commit with `revision` under the id and notes of `commit` (without operations)."""

    def preview(self, database: str, operations: Sequence[Operation]) -> list[SchemaEffect]:
        """What schema operations would do to the entities there are, one by one; nothing is changed."""

    def create_database(self, info: DatabaseInfo) -> DatabaseInfo:
        """A new, empty database."""

    def drop_database(self, key: str) -> None:
        """Drop a database with everything in it."""

    def close(self) -> None:
        """Close it; again does nothing."""
