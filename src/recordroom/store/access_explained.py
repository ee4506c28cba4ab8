"""Why an actor may or may not do something with an entity: the rule that allows it, or why none does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..errors import Error, NotFound
from ..model.actor import Actor
from ..model.ids import show_id
from ..model.kinds import Storage
from ..query.request import AccessAnswer, AccessRequest
from .access import Access, access_of, allowed, user_named, visible
from .access_rules import EVERY_TYPE, VERBS, Grant, check_condition, is_account_type
from .account_changes import ACCOUNTS_DATABASE
from .actor_facts import ShareRow
from .catalog import Catalog, Catalogs, catalog_of
from .layout import layout_of
from .opened import Opened
from .plans import FetchKeys, Plan

__all__ = ["explain_access_plan"]


def explain_access_plan(
    opened: Opened, asking: Actor, catalogs: Catalogs, request: AccessRequest
) -> Plan[list[AccessAnswer]]:
    """For each verb the rule that allows, or why none does.

    Who may not change the schema asks about themselves only, and about what they see.
    """
    own = yield from access_of(opened, asking, catalogs)
    if own is not None and not _about_self(asking, request):
        own.check_define("explaining the access of others")
    actor = yield from _about(catalogs, asking, request)
    catalog = catalog_of(catalogs, request.database)
    exact = yield from _exact_type(catalog, own, request)
    access = own if actor is asking else (yield from access_of(opened, actor, catalogs))
    answers: dict[str, AccessAnswer] = {}
    for verb in VERBS:
        answers[verb] = yield from _answer(catalog, access, verb, (exact, request.id))
    return list(answers.values())


def _about(catalogs: Catalogs, asking: Actor, request: AccessRequest) -> Plan[Actor]:
    """Whom the question is about: a user by id or name; oneself where nobody is said."""
    if _about_self(asking, request):
        return asking
    if request.user:
        return Actor(name="", user=request.user)
    return (yield from user_named(catalogs.by_key.get(ACCOUNTS_DATABASE), request.user_name))


def _about_self(asking: Actor, request: AccessRequest) -> bool:
    return request.user in (b"", asking.user) and request.user_name in ("", asking.name)


def _exact_type(catalog: Catalog, own: Access | None, request: AccessRequest) -> Plan[str]:
    """The type of the entity; NotFound where there is none, or the one who asks does not see it."""
    layout = layout_of(catalog, request.type)
    column = "entity_type" if layout.typed else "id"
    rows = yield FetchKeys(layout.table, "id", [request.id], (column,), (Storage.BYTES, layout.storage[column]))
    exact = str(rows[0][0]) if rows and layout.typed else layout.root
    seen = yield from visible(catalog, own, request.type, [request.id])
    if not rows or not catalog.schema.is_a(exact, request.type) or not seen:
        raise NotFound(type=request.type, entity=show_id(request.id))
    return exact


def _answer(catalog: Catalog, access: Access | None, verb: str, entity: tuple[str, bytes]) -> Plan[AccessAnswer]:
    if access is None:
        return AccessAnswer(verb=verb, allowed=True, why="may do everything")
    type_name, entity_id = entity
    concerned = [grant for grant in access.grants if _concerns(catalog, grant, verb, type_name)]
    # What allows all of it is told before what allows some attributes.
    for grant in sorted(concerned, key=lambda each: bool(each.attributes)):
        alone = Access(access.actor, [grant], access.facts)
        if (yield from allowed(catalog, alone, verb, type_name, [entity_id])):
            return _by(grant, access, entity_id)
    return AccessAnswer(verb=verb, allowed=False, why=_why_not(catalog, access, (verb, type_name), concerned))


def _by(grant: Grant, access: Access, entity: bytes) -> AccessAnswer:
    """What a grant allows."""
    share = next((each for each in access.shares if each.entity == entity and _is_from(grant, each)), None)
    if share is not None:
        return AccessAnswer(verb=grant.verb, allowed=True, rule=share.id, why=f"share {show_id(share.id)}")
    return AccessAnswer(
        verb=grant.verb,
        allowed=True,
        role=grant.role,
        rule=grant.rule,
        condition=grant.condition,
        attributes=grant.attributes,
        why=_named(grant),
    )


def _is_from(grant: Grant, share: ShareRow) -> bool:
    here = (grant.database, grant.type) == (share.database, share.type)
    return here and not grant.rule and "shared_" in grant.condition and (share.writes or grant.verb == "read")


def _concerns(catalog: Catalog, grant: Grant, verb: str, type_name: str) -> bool:
    if grant.verb != verb or grant.database not in ("", catalog.database):
        return False
    if grant.type == EVERY_TYPE:
        return not is_account_type(catalog.database, catalog.schema, type_name)
    return catalog.schema.is_a(type_name, grant.type)


def _named(grant: Grant) -> str:
    """Where a grant is from, for a person."""
    if not grant.rule:
        return "what is shared with this user" if "shared_" in grant.condition else "everybody may see themselves"
    return f"role {grant.role!r}, rule {show_id(grant.rule)}"


def _why_not(catalog: Catalog, access: Access, about: tuple[str, str], concerned: Sequence[Grant]) -> str:
    verb, type_name = about
    if not concerned:
        narrowed = f" with the scopes {', '.join(access.actor.scopes)}" if access.actor.scopes else ""
        return f"no rule of this user is about {verb} of {type_name}{narrowed}"
    return "; ".join(_reasons(catalog, access, type_name, concerned))


def _reasons(catalog: Catalog, access: Access, type_name: str, concerned: Iterable[Grant]) -> Iterable[str]:
    for grant in concerned:
        about = type_name if grant.type == EVERY_TYPE else grant.type
        try:
            check_condition(catalog.schema, about, grant.condition, access.facts)
        except Error as error:
            yield f"{_named(grant)}: its condition {grant.condition!r} makes no sense for {about}: {error}"
        else:
            yield f"{_named(grant)}: its condition {grant.condition!r} does not hold"
