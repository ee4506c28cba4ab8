"""Recognition: who shows a credential, once for each credential and revision, and when each was last used."""

from __future__ import annotations

import asyncio

from ...errors import Error, NotAuthenticated
from ...model.actor import Actor
from ...store.accounts import main_of, token_state
from ...store.catalog import Catalogs
from ...store.plans import Plan
from ...store.requests import Guard, now
from ...store.secrets import digest, mark_used
from .api_key import API_KEY, PREFIX, key_state
from .desk import Desk
from .identity import Identity
from .requests import not_right
from .tokens import REFRESH, SESSION, Signer, signing_keys

__all__ = ["Recognition", "Renewed"]


class Renewed(Exception):
    """A credential is good, but not what it was: identify anew."""


class Recognition(Desk):
    """Who asks."""

    async def identify(self, authorization: str | None) -> Identity:
        """Who shows this header value, `Bearer …`, and with which token. NotAuthenticated, or TokenExpired."""
        credential, moment = _bearer(authorization), now()
        key = digest(credential)
        identity = await self._read(lambda catalogs: self._identified(catalogs, credential, key, moment))
        self._used(identity, moment)
        return identity

    def expect(self, authorization: str | None) -> tuple[Identity, Guard] | None:
        """Who showed this header value when it was verified last, if anybody did.

        It holds only with its guard, which verifies that it is still so in the snapshot or the transaction of each request:
        NotAuthenticated where it is not good any more, Renewed where the identity has changed.
        """
        credential, moment = _bearer(authorization), now()
        key = digest(credential)
        expected = self._known.last(key)
        if expected is None:
            return None

        def guard(catalogs: Catalogs) -> Plan[None]:
            identity = yield from self._identified(catalogs, credential, key, moment)
            if identity is not expected and identity != expected:
                raise Renewed

        self._used(expected, moment)
        return expected, guard

    def _used(self, identity: Identity, moment: int) -> None:
        if identity.token is not None and self._uses.note(identity.token, moment) and self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write_uses())

    def _identified(self, catalogs: Catalogs, credential: str, key: bytes, moment: int) -> Plan[Identity]:
        revision = (catalogs.access_revision, catalogs.revision)
        known = self._known.get(key, revision, moment)
        if known is not None:
            return known
        if credential.startswith(PREFIX):
            token = yield from key_state(catalogs, credential)
            ends = None if token is None else token.expires
        else:
            signer = yield from self._known_signer(credential)
            claims = signer.read(credential, moment)
            token = yield from token_state(main_of(catalogs), claims.session)
            ends = claims.expires
            if token is not None and (token.user.id != claims.user or token.kind != SESSION):
                token = None
        if token is None or not token.good(moment):
            not_right()
        actor = Actor(name=token.user.name, user=token.user.id, scopes=token.scopes)
        identity = Identity(actor=actor, token=token.id, kind=token.kind, expires=ends)
        self._known.put(key, revision, identity)
        return identity

    def _known_signer(self, token: str) -> Plan[Signer]:
        """What reads `token`: keys are looked up again, for another process may have made or dropped one."""
        kept = yield from signing_keys(self._dialect)
        if kept is None:
            not_right()
        return (yield from self._signer_of(kept))

    async def _write_uses(self) -> None:
        try:
            await self.write_uses()
        finally:
            self._writing = None

    async def write_uses(self) -> None:
        """Write down when tokens were last used."""
        noted = self._uses.take(now())
        try:
            if noted:
                await self._write(lambda catalogs: mark_used(self._dialect, noted, (API_KEY, REFRESH)))
        except Error:
            self._uses.give_back(noted)


def _bearer(authorization: str | None) -> str:
    """The credential in a header value."""
    if not authorization:
        raise NotAuthenticated(where="The room", reason="there is no key or token; log in, or give an API key")
    scheme, _, credential = authorization.strip().partition(" ")
    credential = credential.strip()
    if scheme.lower() != "bearer" or not credential or len(credential) > 4096 or not credential.isascii():
        not_right()
    return credential
