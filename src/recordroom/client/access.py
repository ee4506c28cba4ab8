"""Why somebody may or may not do something with an entity, as records for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..model.ids import as_id, show_id
from ..query.request import AccessRequest
from .entity import Entity

if TYPE_CHECKING:
    from .session import Session

__all__ = ["AccessReason", "explain_access"]


class AccessReason(NamedTuple):
    """Whether somebody may do `verb` with an entity, and why.

    Where a rule allows it: the name of its `role`, the id of the `rule`, its `condition` and the `attributes` that it is
    about (() for all). Of a share, `role` is None and `rule` the id of the Share.
    """

    verb: str
    allowed: bool
    why: str
    role: str | None = None
    rule: str | None = None
    condition: str | None = None
    attributes: tuple[str, ...] = ()


def explain_access(session: Session, entity: Entity, user: Entity | str | None) -> list[AccessReason]:
    """For each verb whether a user (an entity, an id or a name; None: oneself) may do it with an entity, and why."""
    request = AccessRequest(
        database=session.database, type=entity._type, id=entity._id, user=_id(user), user_name=_name(user)
    )
    return [
        AccessReason(
            verb=each.verb,
            allowed=each.allowed,
            why=each.why,
            role=each.role or None,
            rule=show_id(each.rule) if each.rule else None,
            condition=each.condition or None,
            attributes=tuple(each.attributes),
        )
        for each in session.transport.explain_access(request)
    ]


def _id(user: Entity | str | None) -> bytes:
    if isinstance(user, Entity):
        return user._id
    try:
        return as_id(user)
    except ValueError:
        return b""


def _name(user: Entity | str | None) -> str:
    return user if isinstance(user, str) and not _id(user) else ""
