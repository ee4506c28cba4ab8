"""Rules of one actor as the conditions of one schema: what the compiler, the writer and explanations read.

A rule that names no type of the schema, or whose condition makes no sense for a type, grants nothing there.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from ..errors import Error, InvalidQuery, UnknownName
from ..model.schema import SYSTEM, Attribute, Schema
from ..query.grammar import parse_condition
from ..query.resolve import resolve_condition
from ..query.resolved import And, Condition, Constant, Exists, Matches, Not, Or, Root
from ..query.shape import letter
from .account_changes import ACCOUNTS_DATABASE
from .default_roles import ACCOUNT_TYPES

__all__ = ["EVERY_TYPE", "VERBS", "Grant", "Rules", "Term", "facts_named", "is_account_type"]

VERBS = ("read", "create", "update", "delete", "share")
EVERY_TYPE = "*"
_ADMIN_TYPES = frozenset({"User", "Group", "Role", "Rule", "Token", "Webhook"})  # written with scope "admin" only
_FACT = re.compile(r"\$([^\W\d]\w*(?:\.[^\W\d]\w*)*)")


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule, share or built-in rule allows.

    `verb` on entities of `type` ("*": every type that is not about accounts) in `database` ("": each), where
    `condition` holds ("": always), and `attributes` of them ((): all). `role` and `rule` say where it is from; for
    shares, which are one grant for all of a type, and for what everybody may do, both are empty.
    """

    verb: str
    type: str
    database: str = ""
    condition: str = ""
    attributes: tuple[str, ...] = ()
    role: str = ""
    rule: bytes = b""

    @property
    def whole(self) -> bool:
        """Whether it has neither condition nor attributes nor database."""
        return not (self.condition or self.attributes or self.database)


class Term(NamedTuple):
    """A grant as it holds for exact `types` of one hierarchy: where `condition` (of `root`) holds; None: always."""

    types: frozenset[str]
    root: Root
    condition: Condition | None
    attributes: frozenset[str] | None  # None: all
    grant: Grant

    def covers(self, attribute: str) -> bool:
        """Whether it is about `attribute`; system attributes come with the row."""
        return self.attributes is None or attribute in self.attributes or attribute in SYSTEM


def facts_named(condition: str) -> set[str]:
    """The names of the parameters in the text of a condition, such as "actor.projects"."""
    return set(_FACT.findall(condition))


def is_account_type(database: str, schema: Schema, name: str) -> bool:
    """Whether entities of a type are about accounts: it is one of the account types, or extends one."""
    return database == ACCOUNTS_DATABASE and not set(ACCOUNT_TYPES).isdisjoint(schema.ancestors(name))


class Rules:
    """The grants of an actor in one database. Equal `key`s mean equal statements, whoever the actors are.

    Holds no facts about the actor but what `key` says: those are parameters of statements.
    """

    def __init__(
        self, database: str, schema: Schema, grants: Sequence[Grant], facts: Mapping[str, Any], *, admin: bool
    ) -> None:
        self._database = database
        self._schema = schema
        self._admin = admin
        self.statements: dict[Hashable, Any] = {}
        self._terms: dict[tuple[str, str], tuple[Term, ...]] = {}
        self._open: dict[str, bool] = {}
        self._hiding: dict[str, tuple[str, ...]] = {}
        found: dict[tuple[str, str], list[Term]] = {}
        for grant in grants:
            if grant.verb in VERBS and grant.database in ("", database):
                for root, term in self._terms_of(grant, facts):
                    found.setdefault((grant.verb, root), []).append(term)
        self._terms = {each: tuple(terms) for each, terms in found.items()}
        self._letters = tuple(
            (name, letter(facts[name]))
            for name in sorted({name for grant in grants for name in facts_named(grant.condition)})
            if name in facts
        )

    @cached_property
    def key(self) -> Hashable:
        """What statements depend on."""
        return self._letters, tuple(
            (each, tuple((term.types, term.root.type, term.grant.condition, term.attributes) for term in terms))
            for each, terms in self._terms.items()
        )

    # --- what holds where ---

    def terms(self, verb: str, type_name: str) -> tuple[Term, ...]:
        """The terms for entities in the hierarchy of `type_name`."""
        return self._terms.get((verb, self._schema.root(type_name)), ())

    def covering(self, verb: str, type_name: str, attribute: str | None = None) -> list[Term]:
        """The terms that are about `type_name` or those that extend it, and about `attribute` where one is given."""
        kept = set(self._schema.subtypes(type_name))
        return [
            term
            for term in self.terms(verb, type_name)
            if not kept.isdisjoint(term.types) and (attribute is None or term.covers(attribute))
        ]

    def always(self, terms: Iterable[Term], type_name: str) -> bool:
        """Whether one of the terms holds for each `type_name`, whatever is in it."""
        there: frozenset[str] = frozenset().union(*(term.types for term in terms if term.condition is None))
        return there.issuperset(self.concrete(type_name))

    def concrete(self, type_name: str) -> list[str]:
        """The types that entities of `type_name` may be of exactly."""
        return [name for name in self._schema.subtypes(type_name) if not self._schema[name].abstract]

    def all_visible(self, type_name: str) -> bool:
        """Whether every entity of a type may be read, some attribute of it at least."""
        return self.always(self.covering("read", type_name), type_name)

    def hides(self, type_name: str, attribute: Attribute) -> bool:
        """Whether values of a stored attribute, declared in `type_name`, may be hidden where the row is not."""
        if attribute.system:
            return False
        every = self.covering("read", type_name)
        if any(not term.covers(attribute.name) for term in every):
            return not self.always(self.covering("read", type_name, attribute.name), type_name)
        return False

    def open(self, type_name: str) -> bool:
        """Whether the table of the hierarchy may be read as it is."""
        root = self._schema.root(type_name)
        known = self._open.get(root)
        if known is None:
            known = self._open[root] = self.all_visible(root) and not any(
                self.hides(name, each) or (each.kind == "reference" and not self.all_visible(each.target))
                for name in self._schema.subtypes(root)
                for each in self._schema[name].attributes
                if each.stored
            )
        return known

    def hiding(self, type_name: str) -> tuple[str, ...]:
        """The attributes of a hierarchy that may be hidden where the entity is not."""
        root = self._schema.root(type_name)
        known = self._hiding.get(root)
        if known is None:
            names = {
                each.name
                for name in self._schema.subtypes(root)
                for each in self._schema.attributes(name).values()
                if self.hides(name, each)
            }
            known = self._hiding[root] = tuple(sorted(names))
        return known

    # --- from grants to terms ---

    def _terms_of(self, grant: Grant, facts: Mapping[str, Any]) -> Iterator[tuple[str, Term]]:
        schema = self._schema
        if grant.type == EVERY_TYPE:
            for name in schema:
                if not schema[name].extends:
                    yield from self._spread(grant, name, facts)
        elif grant.type in schema:
            yield from self._term(grant, grant.type, facts)

    def _spread(self, grant: Grant, name: str, facts: Mapping[str, Any]) -> Iterator[tuple[str, Term]]:
        """The terms of a rule for every type: as far up in each hierarchy as its condition makes sense."""
        found = list(self._term(grant, name, facts))
        if found:
            yield from found
            return
        for child in self._schema.subtypes(name):
            if self._schema[child].extends == name:
                yield from self._spread(grant, child, facts)

    def _term(self, grant: Grant, name: str, facts: Mapping[str, Any]) -> Iterator[tuple[str, Term]]:
        types = frozenset(each for each in self._schema.subtypes(name) if self._concerns(grant, each))
        condition = read_condition(self._schema, name, grant.condition, facts) if types else None
        if condition is not None and condition != Constant(False):
            attributes = frozenset(grant.attributes) if grant.attributes else None
            kept = None if condition == Constant(True) else condition
            yield self._schema.root(name), Term(types, Root(0, name), kept, attributes, grant)

    def _concerns(self, grant: Grant, name: str) -> bool:
        if not is_account_type(self._database, self._schema, name):
            return True
        if grant.type == EVERY_TYPE:
            return False
        return self._admin or grant.verb == "read" or _ADMIN_TYPES.isdisjoint(self._schema.ancestors(name))


def read_condition(schema: Schema, type_name: str, text: str, facts: Mapping[str, Any]) -> Condition | None:
    """The condition of a rule for one type; None where it makes no sense there."""
    try:
        return check_condition(schema, type_name, text, facts)
    except Error:
        return None


def check_condition(schema: Schema, type_name: str, text: str, facts: Mapping[str, Any]) -> Condition:
    """The condition of a rule for one type; InvalidQuery or UnknownName where it makes no sense there.

    A condition that names a fact which this actor does not have holds for nothing.
    """
    if not text:
        return Constant(True)
    for name in facts_named(text) - facts.keys():
        raise UnknownName(f"This user has no ${name}.", name=name)
    _, condition = resolve_condition(schema, type_name, parse_condition(text), facts)
    if _searches(condition):
        raise InvalidQuery(reason="`matches` has no place in a rule: what is indexed may be a moment old")
    return condition


def _searches(condition: Condition) -> bool:
    match condition:
        case Matches():
            return True
        case And(conditions=conditions) | Or(conditions=conditions):
            return any(map(_searches, conditions))
        case Not(condition=inner) | Exists(condition=inner):
            return _searches(inner)
    # Of a sub-query, its own condition.
    where = getattr(getattr(condition, "query", None), "where", None)
    return where is not None and _searches(where)
