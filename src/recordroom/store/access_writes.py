"""What a restricted actor may write: the questions that a commit asks of the access rules, and their answers.

A `Guard` goes along with one segment of a commit. Questions about the state before it are asked at its start,
each in one statement for any number of entities. What comes up on the way (what a cascade takes along, who has
a value that must be unique) raises `Unanswered`: the segment is undone, the question is asked, and it begins
anew. Questions about the state after it are asked at its end (`access_judging`).

What an actor may not see is not there for it: every message, fact and result says the same in both cases.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..errors import PermissionDenied
from ..model.actor import Actor
from ..model.ids import show_id
from .catalog import Catalog
from .plans import Plan

if TYPE_CHECKING:
    # Access reads the room through what stands above this module.
    from .access import Access
    from .access_rules import Rules

__all__ = ["Ask", "Change", "Guard", "Question", "Unanswered", "Writer", "denied"]


class Writer(NamedTuple):
    """Who writes, where that is not the owner: what it may do (None: everything), and the databases of the room."""

    actor: Actor
    access: Access | None
    catalogs: Mapping[str, Catalog]
    reverting: bool = False  # what comes back must be visible too


class Question(NamedTuple):
    """Whether the actor may do something (`verb`) with entities of a type: all of it, or these attributes."""

    verb: str
    type: str
    attributes: tuple[str, ...] = ()


Ask = Callable[[Question, Collection[bytes]], Plan[set[bytes]]]
_WORDS = {"create": "creating", "update": "changing", "delete": "deleting", "share": "sharing", "read": "seeing"}


def denied(question: Question, entity: bytes) -> PermissionDenied:
    """The error of an actor who may not do this with an entity that it sees, or makes."""
    attributes = f"{', '.join(question.attributes)} of " if question.verb == "update" and question.attributes else ""
    shown = show_id(entity)
    return PermissionDenied(
        what=f"{_WORDS[question.verb]} {attributes}{question.type} {shown}",
        verb=question.verb,
        type=question.type,
        entity=shown,
        attributes=question.attributes,
    )


class Unanswered(Exception):
    """A segment needs answers about the state before it that it does not have; its guard knows which."""


class Change(NamedTuple):
    """Entities that a segment made or changed, and in what."""

    type: str
    ids: Sequence[bytes]
    attributes: tuple[str, ...]


class Guard:
    """The answers that a segment has, and what it leaves to be judged at its end."""

    def __init__(self, rules: Rules, catalog: Catalog, ask: tuple[Ask, Ask], apart: frozenset[str]) -> None:
        """`ask`: what answers about the state before the segment, and about that after it.

        `apart` are the types about whose entities rules alone do not say everything.
        """
        self.changed: list[Change] = []
        self.reverting = False
        self._before, self.after = ask
        self._rules = rules
        self._schema = catalog.schema
        self._apart = apart
        self._always: dict[Question, bool] = {}
        self._asked: dict[Question, set[bytes]] = {}
        self._held: dict[Question, set[bytes]] = {}
        self._open: dict[Question, set[bytes]] = {}

    def anew(self) -> None:
        """Forget what was changed, and keep what was answered."""
        self.changed.clear()

    def note(self, type_name: str, ids: Sequence[bytes], attributes: tuple[str, ...]) -> None:
        """Entities were made or changed: whether the actor may leave them so is judged at the end."""
        self.changed.append(Change(type_name, ids, attributes))

    # --- what needs no asking ---

    def always(self, question: Question) -> bool:
        """Whether the answer is yes for every entity of the type, and was at any time."""
        known = self._always.get(question)
        if known is None:
            verb, type_name, names = question
            terms = [self._rules.covering(verb, type_name, name) for name in names or (None,)]
            known = type_name not in self._apart and all(self._rules.always(each, type_name) for each in terms)
            self._always[question] = known
        return known

    def never(self, verb: str, type_name: str) -> bool:
        """Whether the answer is no whatever the entity is."""
        return type_name not in self._apart and not self._rules.covering(verb, type_name)

    def masks(self, type_name: str, name: str) -> bool:
        """Whether there may be entities that the actor sees without seeing this attribute."""
        return self._rules.hides(self._schema.owner(type_name, name), self._schema.attribute(type_name, name))

    # --- the state before ---

    def want(self, question: Question, ids: Iterable[bytes | None]) -> None:
        """See to it that a question is asked of some entities."""
        if self.always(question):
            return
        fresh = {each for each in ids if each is not None} - self._asked.get(question, set())
        if fresh:
            self._open.setdefault(question, set()).update(fresh)

    def answer(self) -> Plan[None]:
        """Ask what is open. Nothing of the segment may have been done."""
        waiting, self._open = self._open, {}
        for question, ids in waiting.items():
            held = yield from self._before(question, ids)
            self._asked.setdefault(question, set()).update(ids)
            self._held.setdefault(question, set()).update(held)

    def check_answered(self) -> None:
        """Unanswered where something came up that has to be asked."""
        if self._open:
            raise Unanswered

    def held(self, question: Question, ids: Collection[bytes]) -> set[bytes]:
        """Those of `ids` that the actor could do this with before the segment; Unanswered where that is not known."""
        if self.always(question):
            return set(ids)
        self.want(question, ids)
        self.check_answered()
        return self._held.get(question, set()).intersection(ids)

    def held_later(self, question: Question, ids: Collection[bytes]) -> set[bytes]:
        """As `held`, for what may be asked when the segment is done: what is not known counts as not held till then."""
        if self.always(question):
            return set(ids)
        self.want(question, ids)
        return self._held.get(question, set()).intersection(ids)
