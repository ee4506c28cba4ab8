"""Committing: take what was recorded, send it once, settle its outcome.

The transport is called outside the session's lock, so edits go on meanwhile and belong to the next commit. A commit
whose fate is not known (the connection broke) is sent again under its own id, by itself a few times and then by the
next `commit()`, so that it applies once. Any other failure gives the operations back in front of what came since.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from .. import errors
from ..errors import Conflict, Error, ServerUnavailable, StoreUnavailable
from ..model.ids import new_id, show_id
from ..model.operations import Clash as WireClash
from ..model.operations import Commit, CommitResult, Publish, Refusal
from .entity import Entity
from .packing import Packed, fold_edits, pack
from .pause import paused_collector
from .settling import settle
from .symbols import NOT_SET
from .work import Batch

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Clash", "Committed", "Committer", "OnConflict", "Refused"]

_RETRY_AFTER = (0.05, 0.5)
_MOST_ROUNDS = 10

OnError = Literal["stop", "continue"]


class Clash(NamedTuple):
    """One attribute that you and others changed: its value when you read it, yours and theirs.

    Where you delete an entity that others changed, `mine` is NOT_SET.
    """

    entity: Entity
    attribute: str
    base: Any
    mine: Any
    theirs: Any


OnConflict = Literal["merge", "fail", "mine"] | Callable[[Clash], Any]


class Refused(NamedTuple):
    """An entity that a commit with on_error="continue" left out, and why. Its changes are still local."""

    entity: Entity
    error: Error


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of `session.commit()`. False where there was nothing to commit (`revision` is 0 then)."""

    revision: int = 0
    time: dt.datetime | None = None
    refused: tuple[Refused, ...] = ()
    repeated: bool = False

    def __bool__(self) -> bool:
        return self.revision > 0


class _Flight(NamedTuple):
    commit: Commit
    batch: Batch
    packed: Packed


class Committer:
    """Sends the commits of one session, one at a time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._one_at_a_time = threading.RLock()
        self._unsure: _Flight | None = None

    # --- commit ----------------------------------------------------------------------------------

    def commit(self, notes: str | None, on_conflict: OnConflict, on_error: OnError) -> Committed:
        """Send everything recorded; see `Session.commit`."""
        self._session._editor.allow()
        with self._one_at_a_time:
            last = Committed()
            if self._unsure is not None:
                last = self._fly(self._unsure)
            rule: Any = "merge" if callable(on_conflict) else on_conflict
            for left in range(_MOST_ROUNDS, 0, -1):
                flight = self._take_off(Commit(id=new_id(), notes=notes, on_conflict=rule, on_error=on_error))
                if flight is None:
                    return last
                try:
                    return self._fly(flight)
                except Conflict as conflict:
                    if not callable(on_conflict) or left == 1:
                        raise self._shown(conflict) from None
                    self._resolve(conflict, on_conflict)
        return last

    def _take_off(self, commit: Commit) -> _Flight | None:
        session = self._session
        with session._lock, paused_collector:
            if not session._work.now:
                return None
            batch = session._work.take()
            fold_edits(batch)
            packed = pack(batch, session._identity.facts, session._work.silent)
        if not packed.operations:
            # Nothing but values that were set while recording was off.
            with session._lock:
                session._work.give_back(batch)
            return None
        commit.database = session.database
        commit.operations = packed.operations
        return _Flight(commit, batch, packed)

    def _fly(self, flight: _Flight) -> Committed:
        session = self._session
        self._unsure = None
        try:
            result = self._send(flight.commit)
        except Exception as error:
            if isinstance(error, Error) and _leaves_open(error):
                self._unsure = flight
            else:
                with session._lock:
                    session._work.give_back(flight.batch)
            raise
        except BaseException:
            # Interrupted: it may have been applied or not.
            self._unsure = flight
            raise
        with session._lock, paused_collector:
            refused = tuple(map(self._refused, result.refused))
            settle(session, flight.batch, flight.packed, result)
        return Committed(revision=result.revision, time=moment(result.time), refused=refused, repeated=result.repeated)

    def _send(self, commit: Commit) -> CommitResult:
        for pause in _RETRY_AFTER:
            try:
                return self._try(commit)
            except ServerUnavailable:
                # A remote room has tried again by itself.
                raise
            except StoreUnavailable:
                time.sleep(pause)
        return self._try(commit)

    def _try(self, commit: Commit) -> CommitResult:
        # An embedded room applies the commit in this call: a bulk build like any other.
        with paused_collector:
            return self._session.transport.commit(commit)

    def _refused(self, refusal: Refusal) -> Refused:
        entity = self._entity(refusal.type, refusal.entity)
        return Refused(entity, error_of(refusal.code, refusal.message, refusal.facts))

    def _entity(self, type_name: str, each: bytes) -> Entity:
        identity = self._session._identity
        root = identity.facts(type_name).root
        found = identity.find(root, each)
        if found is None:
            identity.stubs(type_name, [each])
            found = identity.map(root)[each]
        return found

    # --- give up ---------------------------------------------------------------------------------

    def rollback(self) -> None:
        """Forget everything recorded, once a commit on its way has come back."""
        with self._one_at_a_time, self._session._lock:
            if self._unsure is not None:
                self._session._work.give_back(self._unsure.batch)
                self._unsure = None
            work, identity = self._session._work, self._session._identity
            for page in work.now.new:
                known = identity.map(identity.facts(page.type).root)
                page.gone.update(range(len(page.ids)))
                page.sent = True  # Closed: the next new entity goes into another page.
                for each in page.ids:
                    known.pop(each, None)
            for entity in (*work.now.modified, *work.silent):
                if not entity._page.new:
                    entity._edits = None
            work.clear()
            self._session._relations.touched.clear()

    # --- schema, events, undo --------------------------------------------------------------------

    def send_operations(self, operations: Sequence[Any], notes: str | None) -> Committed:
        """Commit operations that are not the unit of work's."""
        self._session._editor.allow()
        commit = Commit(
            id=new_id(), database=self._session.database, operations=list(operations), notes=notes, on_conflict="merge"
        )
        result = self.send(commit)
        return Committed(revision=result.revision, time=moment(result.time), repeated=result.repeated)

    def send(self, commit: Commit) -> CommitResult:
        """Send a commit that is not the unit of work's; it is tried again like any other."""
        with self._one_at_a_time:
            return self._send(commit)

    def revert(self, revision: int, notes: str | None) -> Committed:
        """Make the inverse commit of a commit; what it touched is forgotten and loads again."""
        session = self._session
        session._editor.allow()
        commit = Commit(id=new_id(), database=session.database, notes=notes)
        with self._one_at_a_time:
            result = session.transport.revert(revision, commit)
            entries = session.transport.journal(result.revision - 1, 1)
        with session._lock:
            for entry in entries:
                for type_name, each in _touched(entry.operations):
                    self._expire(type_name, each)
            session._relations.expire_all()
        return Committed(revision=result.revision, time=moment(result.time), repeated=result.repeated)

    def _expire(self, type_name: str, each: bytes) -> None:
        session = self._session
        if type_name in session.schema:
            entity = session._identity.find(session._identity.facts(type_name).root, each)
            if entity is not None:
                session._loader.expire([entity])

    # --- conflicts -------------------------------------------------------------------------------

    def _resolve(self, conflict: Conflict, choose: Callable[[Clash], Any]) -> None:
        """Ask for the value of each attribute that clashes, and base the edits on what the room has now."""
        for wire, clash in self._clashes(conflict):
            chosen = choose(clash)
            session, entity = self._session, clash.entity
            with session._lock:
                work = session._work
                if clash.mine is NOT_SET:
                    self._resolve_delete(entity, wire, keep=chosen == clash.theirs)
                elif chosen == clash.theirs:
                    work.forget(entity, clash.attribute)
                else:
                    raw = session._editor.raw(entity._facts, clash.attribute, chosen, entity)
                    assert entity._edits is not None
                    entity._edits[clash.attribute] = raw
                    work.now.rebased.setdefault(entity, {})[clash.attribute] = wire.revision
                # What is loaded is older than what was chosen from.
                session._loader.expire([entity])

    def _resolve_delete(self, entity: Entity, wire: WireClash, *, keep: bool) -> None:
        deleted = self._session._work.now.deleted
        if keep:
            deleted.pop(entity, None)
        elif entity in deleted:
            deleted[entity] = wire.revision

    def _clashes(self, conflict: Conflict) -> Iterator[tuple[WireClash, Clash]]:
        for wire in conflict.facts.get("clashes") or list(conflict.facts["attributes"].values()):
            entity = self._entity(wire.type, wire.entity)
            facts, name = entity._facts, wire.attribute
            mine: Any = NOT_SET
            if entity not in self._session._work.now.deleted:
                mine = self._value(entity, name, wire.mine)
            base, theirs = self._value(entity, name, wire.base), self._value(entity, name, wire.theirs)
            yield wire, Clash(entity, facts.attribute(name).name, base, mine, theirs)

    def _value(self, entity: Entity, name: str, raw: Any) -> Any:
        return self._session._loader.shown(entity, name, raw)

    def _shown(self, conflict: Conflict) -> Conflict:
        """The conflict with values as people see them."""
        clashes = [clash for _, clash in self._clashes(conflict)]
        first = [clash for clash in clashes if show_id(clash.entity._id) == conflict.facts["entity"]]
        facts = {
            **conflict.facts,
            "attributes": {clash.attribute: clash for clash in first},
            "clashes": clashes,
        }
        return Conflict(conflict.message, **facts)


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_BY_CODE: dict[str, type[Error]] = {
    found.code: found
    for name in errors.__all__
    if isinstance(found := getattr(errors, name), type) and issubclass(found, Error)
}


def _touched(operations: Iterable[Any]) -> Iterator[tuple[str, bytes]]:
    """(type, id) of the entities that operations of the journal are about."""
    for operation in operations:
        for each in getattr(operation, "ids", ()):
            yield operation.type, each


def _leaves_open(error: Error) -> bool:
    """Whether the commit may have been applied."""
    return isinstance(error, StoreUnavailable) or bool(error.facts.get("unsure"))


def moment(micros: int) -> dt.datetime:
    """Microseconds since 1970 as a datetime in UTC."""
    return _EPOCH + dt.timedelta(microseconds=micros)


def error_of(code: str, message: str, facts: dict[str, Any]) -> Error:
    """The error that a code stands for."""
    return _BY_CODE.get(code, Error)(message, **facts)


def event(topic: str, data: Any, target: str) -> Publish:
    """The operation that publishes an event."""
    return Publish(topic=topic, data=data, target=target)
