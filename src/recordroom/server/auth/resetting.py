"""Passwords as people change and reset them, and invitations."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...errors import PermissionDenied
from ...store.accounts import UserState, main_of, user_state
from ...store.catalog import Catalogs
from ...store.plans import Plan
from ...store.requests import now
from ...store.secrets import forget_secrets, secret_of
from .attempts import network_of, succeeded
from .codes import CODE, keep_code, new_code
from .desk import Desk, check_scope
from .identity import Identity
from .password import PASSWORD, check_new, hashed
from .requests import Fields, not_right
from .tokens import was_by_code

__all__ = ["Invitation", "Resetting"]


class Invitation(NamedTuple):
    """Who is invited, and the code that lets them in; None for those who have a password."""

    user: UserState
    code: str | None

    def __repr__(self) -> str:
        return f"<Invitation of {self.user.name}>"


class Resetting(Desk):
    """Changing, resetting, inviting."""

    async def set_password(self, identity: Identity, request: Any, *, client: str) -> None:
        """Change the own password: {"password": the present one, "new_password"} (POST /v1/password).

        The present one is not needed where there is none, in a session that was opened with a one-time code. Every other
        session of the user ends.
        """
        fields = Fields(request, "password")
        present, new = fields.maybe("password"), fields.text("new_password")
        fields.done()
        actor, token = identity.actor, identity.token
        check_scope(identity, "changing the password")
        if actor.user is None or token is None:
            raise PermissionDenied(what="changing the password of nobody")
        if not await self._read(lambda catalogs: self._needs_none(identity)):
            await self._checked(actor.name, present or "", network_of(client), "the present password is not right")
        normal = check_new(new, actor.name, self.settings.password_length)
        hash_ = await self._passwords.run(hashed, normal)
        await self._write(lambda catalogs: self._change_password(catalogs, identity, hash_, network_of(client)))

    def _needs_none(self, identity: Identity) -> Plan[bool]:
        """Whether a password may be set without the one before: there is none, and a one-time code opened the session."""
        if (yield from secret_of(self._dialect, identity.actor.user or b"", PASSWORD)) is not None:
            return False
        return (yield from was_by_code(self._dialect, identity.token or b""))

    def _change_password(self, catalogs: Catalogs, identity: Identity, hash_: str, client: str) -> Plan[None]:
        main, moment, actor = main_of(catalogs), now(), identity.actor
        user = yield from user_state(main, actor.user or b"")
        if user is None or not user.active:
            not_right()
        yield from self._keep_password(user.id, hash_)
        yield from succeeded(self._dialect, user.name, client, moment)
        yield from forget_secrets(self._dialect, [user.id], [CODE])
        yield from self._end_sessions(main, user, actor.name, identity.token)

    async def reset(self, identity: Identity, user: str) -> dict[str, Any]:
        """{"code", "user", "expires_in"}: a one-time code for a user, whose password and sessions end.

        POST /v1/users/{name or id}/reset. Needs the right to change that User, for oneself too: whoever found a key or
        a token of somebody must not be able to take their place for good.
        """
        check_scope(identity, "resetting passwords")
        code = new_code()

        def plan(catalogs: Catalogs) -> Plan[str]:
            whose = yield from self._changeable(catalogs, identity, user, own_too=False)
            yield from forget_secrets(self._dialect, [whose.id], [PASSWORD])
            yield from self._end_sessions(main_of(catalogs), whose, identity.actor.name, None)
            yield from keep_code(self._dialect, whose.id, code, now(), self.settings.code_seconds)
            return whose.name

        name = await self._write(plan)
        return {"code": code, "user": name, "expires_in": self.settings.code_seconds}

    async def invitation(self, identity: Identity, user: str) -> Invitation:
        """What to write to a user who is invited: a one-time code, unless they can log in already."""
        check_scope(identity, "inviting users")
        code = new_code()

        def plan(catalogs: Catalogs) -> Plan[Invitation]:
            whose = yield from self._changeable(catalogs, identity, user, own_too=False)
            if (yield from self._password_of(whose)) is not None:
                return Invitation(whose, None)
            yield from keep_code(self._dialect, whose.id, code, now(), self.settings.invitation_seconds)
            return Invitation(whose, code)

        return await self._write(plan)
