"""Following: what the journal has after a revision, as events that fit subscriptions, for one actor.

The position that comes back moves on past what does not fit, so that going on from there is right and cheap. A query is
asked of the room as it was right after the commit (of what was deleted, right before), so the answer does not depend
on when somebody asks. Memory is bounded by bytes of journal, not by commits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InvalidQuery, PastPruned, UnknownDatabase, UnknownName
from ..model.event_expressions import Expression, facts_of, matches, reaches
from ..model.events import COMMIT, Event, events_of
from ..model.operations import Delete, Link, Operation, Publish, Unlink
from ..model.schema import Schema
from ..query.request import JournalEntry, QueryRequest
from ..query.subscriptions import (
    MOST_SUBSCRIPTIONS,
    Delivery,
    Followed,
    FollowRequest,
    Match,
    read_subscription,
)
from ..query.syntax import And, In, Parameter, Path, Query, Selected
from .catalog import Catalogs
from .plans import Fetch, Plan
from .reading import needs_search

if TYPE_CHECKING:
    from .requests import Requests

__all__ = ["follow_plan"]

_BYTES = 4 * 2**20
_MOST_COMMITS = 1000
_MOST_CHANGES = 10_000  # in the events of one answer, roughly
_MOST_QUESTIONS = 1_000  # asked of the database for one answer, at most
_AT_ONCE = 10_000
_CHANGED = "recordroom_changed"


def follow_plan(requests: Requests, catalogs: Catalogs, request: FollowRequest) -> Plan[Followed]:
    """The events after `request.after` that fit; PastPruned where they are gone. The schema must know what queries name."""
    if max(len(request.subscriptions), len(request.subscribers)) > MOST_SUBSCRIPTIONS:
        raise InvalidQuery(reason=f"there are at most {MOST_SUBSCRIPTIONS} subscriptions at once")
    trees = [read_subscription(each) for each in request.subscriptions]
    queries = [each for each in trees if isinstance(each, Query)]
    head, upto, count = yield from _window(request)
    if request.after is None:
        yield from _check(requests, request, queries)
        return Followed(position=head)
    if not count:
        return Followed(position=max(request.after, head))
    entries = yield from requests.journal(max(request.after, 0), count).plan()
    asked = _Asked(requests, request, trees, _schema(catalogs, request.database), head)
    deliveries: list[Delivery] = []
    size, questions = 0, 0
    for entry in entries:
        revision = entry.header.revision
        if revision > upto or size > _MOST_CHANGES or questions > _MOST_QUESTIONS:
            upto = revision - 1
            break
        found = yield from _Matcher(asked, entry).deliveries()
        deliveries += found
        questions += 2 * len(queries) if entry.operations else 0
        size += sum(len(each.event.changes) + 1 for each in found)
    return Followed(position=upto, deliveries=deliveries, more=upto < head)


def _window(request: FollowRequest) -> Plan[tuple[int, int, int]]:
    """The room's revision, that of the last commit to look at now, and how many there are up to it."""
    rows = yield Fetch("SELECT revision, pruned FROM rr_room")
    head, pruned = rows[0]
    if request.after is None or request.after >= head:
        return head, head, 0
    after = max(request.after, 0)
    if after < pruned:
        raise PastPruned(revision=after + 1, oldest=pruned + 1)
    limit = max(1, min(request.limit, _MOST_COMMITS))
    rows = yield Fetch(
        "SELECT revision, length(operations) FROM rr_journal"
        f" WHERE revision > {int(after)} ORDER BY revision LIMIT {limit}"
    )
    upto, count, size = after, 0, 0
    for revision, length in rows:
        size += length
        if count and size > _BYTES:
            break
        upto, count = revision, count + 1
    return head, upto if count else head, count


def _schema(catalogs: Catalogs, database: str) -> Schema:
    found = catalogs.by_key.get(database)
    return Schema() if found is None else found.schema


def _check(requests: Requests, request: FollowRequest, queries: Sequence[Query]) -> Plan[None]:
    """Raise what is wrong with queries."""
    for query in queries:
        if needs_search(None, query):
            raise InvalidQuery(reason="`matches` searches the present only; a subscription cannot use it")
        yield from _ask(requests, request, query, [], None)


def _ask(
    requests: Requests, request: FollowRequest, query: Query, ids: Sequence[bytes], at: int | None
) -> Plan[list[bytes]]:
    """Those of `ids` that a query finds."""
    changed = In(Path(("id",)), (Parameter(_CHANGED),))
    where = changed if query.where is None else And((changed, query.where))
    asked = Query(type=query.type, select=(Selected(Path(("id",)), "id"),), where=where)
    page = yield from requests.query(
        QueryRequest(
            database=request.database,
            query=asked,
            size=max(len(ids), 1),
            at=at,
            parameters={_CHANGED: list(ids)},
        )
    ).plan()
    return page.ids


class _Asked(NamedTuple):
    """Who asks for what, of which schema, and the room's revision."""

    requests: Requests
    request: FollowRequest
    trees: Sequence[Expression | Query]
    schema: Schema
    head: int


class _Matcher:
    """What of one commit fits which subscription."""

    def __init__(self, asked: _Asked, entry: JournalEntry) -> None:
        self._asked = asked
        self._entry = entry
        request, actor = asked.request, asked.requests.actor.name
        self._subscribers = [{"actor": actor, **each} for each in request.subscribers or [request.subscriber]]

    def deliveries(self) -> Plan[list[Delivery]]:
        """The events of the commit that fit something, in order."""
        found = []
        for event in events_of(_common(self._entry), self._entry.operations):
            if self._asked.request.all_targets or any(reaches(event.target, each) for each in self._subscribers):
                fits = yield from self._matches(event)
                if fits:
                    found.append(Delivery(event=event, matches=fits))
        return found

    def _matches(self, event: Event) -> Plan[list[Match]]:
        facts = facts_of(event)
        found = []
        for place, tree in enumerate(self._asked.trees):
            if not isinstance(tree, Query):
                if matches(tree, facts):
                    found.append(Match(subscription=place))
            elif event.place == 0:
                entities = yield from self._entities(tree)
                if entities:
                    found.append(Match(subscription=place, entities=entities))
        return found

    def _entities(self, query: Query) -> Plan[list[bytes]]:
        """The entities that the commit changed and that the query wants, in the order of the commit."""
        header, schema = self._entry.header, self._asked.schema
        if header.database != self._asked.request.database or query.type not in schema:
            return []
        changed, deleted = self._changed(schema.root(query.type))
        revision = header.revision
        at = None if revision == self._asked.head else revision
        try:
            kept = yield from self._wanted(query, [each for each in changed if each not in deleted], at)
            gone = yield from self._wanted(query, list(deleted), revision - 1)
        except (UnknownName, UnknownDatabase):
            # The query was right when it was given; the schema has changed since.
            return []
        wanted = kept | gone
        return [each for each in changed if each in wanted]

    def _wanted(self, query: Query, ids: Sequence[bytes], at: int | None) -> Plan[set[bytes]]:
        found: set[bytes] = set()
        for start in range(0, len(ids), _AT_ONCE):
            found.update(
                (yield from _ask(self._asked.requests, self._asked.request, query, ids[start : start + _AT_ONCE], at))
            )
        return found

    def _changed(self, root: str) -> tuple[dict[bytes, None], dict[bytes, None]]:
        """Entities of a hierarchy that the commit changed, and those of them that it deleted."""
        schema = self._asked.schema
        changed: dict[bytes, None] = {}
        deleted: dict[bytes, None] = {}
        for operation in self._entry.operations:
            type_name = getattr(operation, "type", "")
            if type_name in schema and schema.root(type_name) == root:
                ids = list(_owners(operation))
                changed.update(dict.fromkeys(ids))
                if isinstance(operation, Delete):
                    deleted.update(dict.fromkeys(ids))
        return changed, deleted


def _owners(operation: Operation) -> Iterator[bytes]:
    if isinstance(operation, (Link, Unlink)):
        yield from operation.sources
    elif not isinstance(operation, Publish):
        yield from getattr(operation, "ids", ())


def _common(entry: JournalEntry) -> Event:
    """What the events of a commit share."""
    header = entry.header
    return Event(
        topic=COMMIT,
        revision=header.revision,
        commit=header.commit_id,
        database=header.database,
        actor=header.actor,
        time=header.time,
        notes=header.notes,
    )
