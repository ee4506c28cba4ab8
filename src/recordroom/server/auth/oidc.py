"""Single sign-on by OpenID Connect: a token of a provider proves who somebody is, and becomes a session here.

Providers are found by discovery. Their documents and keys are kept for an hour; a token that names a key we do not know,
or names none and fits none, makes us look once more, at most twice a minute. Checked are the signature (by an algorithm
of the provider's list, never "none" or a shared secret), issuer, audience, authorized party, times, the nonce, and that
an id token comes once only.
Sources: OpenID Connect Core 1.0, section 3.1.3.7; RFC 9068 for access tokens.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key
from joserfc.jws import JWSRegistry, extract_compact

from ...errors import InvalidSettings, InvalidValue, ProviderUnavailable
from ...model.actor import OWNER
from ...model.ids import new_id
from ...model.kinds import text_is_clean
from ...model.operations import Link, Operation, Unlink
from ...store.accounts import UserState, commit_as, ids_of, linked, new_entity, user_named, user_of
from ...store.catalog import Catalog
from ...store.plans import Plan
from ...store.secrets import Secret, digest, keep_secret, secret_of
from .fetching import check_address, fetch, make_pool
from .requests import not_right
from .settings import ALGORITHMS, OidcProvider

__all__ = ["External", "Oidc", "provisioned"]

_FRESH = 3600.0
_ANEW = 30.0
_LONGEST = 20_000
_SECOND = 1_000_000
_USED = "used_token"
_TAKEN = (OWNER.name, "recordroom")
_REFUSED = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


class External(NamedTuple):
    """Somebody as a provider knows them. `proof` is the digest of the token if it is good only once; `expires` its end."""

    provider: OidcProvider
    subject: str
    name: str
    full_name: str | None
    email: str | None
    groups: frozenset[str]
    proof: bytes | None
    expires: int

    @property
    def external(self) -> str:
        """What a User's `external` is."""
        return f"{self.provider.issuer}|{self.subject}"


class _Found(NamedTuple):
    """What a provider publishes: its keys by id, when they were fetched, and when a token last made us fetch them."""

    keys: Mapping[str | None, Sequence[Key]]
    at: float
    anew: float


class Oidc:
    """The providers of a server. Nothing is fetched before the first token comes."""

    def __init__(self, providers: Sequence[OidcProvider]) -> None:
        for each in providers:
            _check(each)
        self._providers = {each.name: each for each in providers}
        if len(self._providers) < len(providers):
            raise InvalidSettings(where="auth.providers", reason="two providers have the same name")
        self._found: dict[str, _Found] = {}
        self._locks = {name: asyncio.Lock() for name in self._providers}
        self._http = make_pool()
        self._threads: ThreadPoolExecutor | None = None

    def shown(self) -> list[dict[str, Any]]:
        """What clients need to know of the providers."""
        found = []
        for each in self._providers.values():
            plain: dict[str, Any] = {
                "name": each.name,
                "label": each.label or each.name,
                "issuer": each.issuer,
                "client_id": each.client_id,
                "scopes": list(each.scopes),
            }
            plain |= {"client_secret": each.client_secret} if each.client_secret else {}
            found.append(plain | ({"audience": each.audience} if each.audience else {}))
        return found

    async def verify(self, name: str, kind: str, token: str, nonce: str | None) -> External:
        """Whom an "id_token" or "access_token" of a provider is about; NotAuthenticated where it does not prove it."""
        provider = self._providers.get(name)
        if provider is None:
            expected = f"one of {', '.join(map(repr, self._providers))}" if self._providers else "none: there are none"
            message = f"tokens.provider: expected {expected}."
            raise InvalidValue(message, type="tokens", attribute="provider", value="a text", expected=expected)
        audience = provider.client_id if kind == "id_token" else provider.audience
        if not audience or len(token) > _LONGEST:
            not_right()
        claims = await self._claims(provider, kind, token)
        _check_claims(provider, claims, audience, time.time())
        if kind == "id_token":
            _check_id_token(provider, claims, nonce)
        return _external(provider, claims, digest(token) if kind == "id_token" else None)

    async def _claims(self, provider: OidcProvider, kind: str, token: str) -> dict[str, Any]:
        """What a token says, if the provider signed it. One that names no key may be signed by a new one."""
        try:
            header = extract_compact(token.encode()).headers()
        except _REFUSED:
            not_right()
        kid, form = header.get("kid"), str(header.get("typ", "")).lower().removeprefix("application/")
        if (kid is not None and not isinstance(kid, str)) or (kind == "id_token" and form == "at+jwt"):
            not_right()
        claims = _verified(provider, token, await self._keys(provider, kid))
        if claims is None and kid is None:
            claims = _verified(provider, token, await self._keys(provider, kid, missed=True))
        return not_right() if claims is None else claims

    async def _keys(self, provider: OidcProvider, kid: str | None, *, missed: bool = False) -> Sequence[Key]:
        """The keys with an id, or all; fetched again where they are old, or, not too often, where one is missed."""
        async with self._locks[provider.name]:
            found, moment = self._found.get(provider.name), time.monotonic()
            if found is None or moment - found.at > _FRESH:
                found = _Found(await self._fetched(provider), moment, found.anew if found else moment - _ANEW)
            elif (missed or (kid is not None and kid not in found.keys)) and moment - found.anew >= _ANEW:
                found = _Found(await self._fetched(provider), moment, moment)
            self._found[provider.name] = found
        if kid is None:
            return [key for keys in found.keys.values() for key in keys][:10]
        return found.keys.get(kid, ())

    async def _fetched(self, provider: OidcProvider) -> Mapping[str | None, Sequence[Key]]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(2, thread_name_prefix="providers")
        work = partial(_published_keys, self._http, provider)
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def close(self) -> None:
        """Close connections, and stop the threads when they are done."""
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown)
        self._http.clear()


def _check(provider: OidcProvider) -> None:
    where = f"auth.providers {provider.name!r}"
    if not provider.name or not provider.client_id:
        raise InvalidSettings(where=where, reason="name and client_id must be given")
    wrong = sorted(set(provider.algorithms) - set(ALGORITHMS))
    if wrong or not provider.algorithms:
        reason = f"algorithms: expected some of {', '.join(ALGORITHMS)}, got {', '.join(wrong) or 'none'}"
        raise InvalidSettings(where=where, reason=reason)
    try:
        check_address(provider.issuer, provider.issuer)
    except ProviderUnavailable as error:
        raise InvalidSettings(where=where, reason=f"issuer: {error.facts['reason']}") from error


# --- keys -----------------------------------------------------------------------------------------


def _published_keys(http: Any, provider: OidcProvider) -> Mapping[str | None, Sequence[Key]]:
    """The keys that a provider publishes now: slow."""
    issuer = provider.issuer
    document = fetch(http, issuer, issuer.rstrip("/") + "/.well-known/openid-configuration")
    if document.get("issuer") != issuer:
        raise ProviderUnavailable(issuer=issuer, reason="it says that its issuer is another")
    published = fetch(http, issuer, check_address(issuer, document.get("jwks_uri")))
    keys: dict[str | None, list[Key]] = {}
    for each in _list(published.get("keys"))[:100]:
        if not isinstance(each, dict) or each.get("use", "sig") != "sig" or each.get("kty") not in ("RSA", "EC", "OKP"):
            continue
        kid = each.get("kid")
        try:
            keys.setdefault(kid if isinstance(kid, str) else None, []).append(JWKRegistry.import_key(each))
        except _REFUSED:
            continue
    return keys


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _verified(provider: OidcProvider, token: str, keys: Sequence[Key]) -> dict[str, Any] | None:
    """The claims of a token that one of the keys signed; None where none did."""
    registry = JWSRegistry(algorithms=list(provider.algorithms), strict_check_header=False)
    for key in keys:
        try:
            return jwt.decode(token, key, registry=registry).claims
        except _REFUSED:
            continue
    return None


# --- claims ---------------------------------------------------------------------------------------


def _check_claims(provider: OidcProvider, claims: Mapping[str, Any], audience: str, moment: float) -> None:
    """NotAuthenticated unless a token is the provider's, for this audience, and of this time."""
    meant = claims.get("aud")
    meant = [meant] if isinstance(meant, str) else _list(meant)
    subject = claims.get("sub")
    right = (
        claims.get("iss") == provider.issuer
        and audience in meant
        and isinstance(subject, str)
        and 0 < len(subject) <= 255
        and text_is_clean(subject)
        and _is_time(claims.get("exp"), moment - provider.leeway, None)
        and _is_time(claims.get("iat"), None, moment + provider.leeway)
        and ("nbf" not in claims or _is_time(claims["nbf"], None, moment + provider.leeway))
    )
    if not right:
        not_right()


def _is_time(value: Any, after: float | None, before: float | None) -> bool:
    if type(value) not in (int, float) or not 0 <= value < 1e11:
        return False
    return (after is None or value > after) and (before is None or value <= before)


def _check_id_token(provider: OidcProvider, claims: Mapping[str, Any], nonce: str | None) -> None:
    """NotAuthenticated unless it was made for this client, in answer to the request of that nonce."""
    meant, party = claims.get("aud"), claims.get("azp")
    if (isinstance(meant, list) and len(meant) > 1 and party is None) or party not in (None, provider.client_id):
        not_right()
    if (nonce is not None or provider.nonce) and claims.get("nonce") != nonce:
        not_right()
    if provider.nonce and nonce is None:
        not_right()


def _external(provider: OidcProvider, claims: Mapping[str, Any], proof: bytes | None) -> External:
    email = _text(claims, provider.email_claim)
    if provider.domains:
        # Nobody may choose their own domain: the provider must have verified it.
        domain = (email or "").rpartition("@")[2].casefold()
        if claims.get("email_verified") is not True or domain not in map(str.casefold, provider.domains):
            not_right("the domain of your email address may not log in here")
    groups = claims.get(provider.groups_claim) if provider.groups_claim else None
    return External(
        provider=provider,
        subject=claims["sub"],
        name=_text(claims, provider.name_claim) or email or "",
        full_name=_text(claims, provider.full_name_claim),
        email=email,
        groups=frozenset(each for each in _list(groups) if isinstance(each, str)),
        proof=proof,
        expires=int((claims["exp"] + provider.leeway) * _SECOND),
    )


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name) if name else None
    return value if isinstance(value, str) and 0 < len(value) <= 1000 and text_is_clean(value) else None


# --- users ----------------------------------------------------------------------------------------


def provisioned(main: Catalog, external: External, now: int) -> Plan[UserState | None]:
    """The user whom a provider's token is about, made where that is wanted; None where there is none, or it came before."""
    if external.proof is not None:
        entity = external.proof[:16]
        if (yield from secret_of(main.dialect, entity, _USED)) is not None:
            return None
        yield from keep_secret(main.dialect, Secret(entity, _USED, expires=external.expires))
    user = yield from user_of(main, external.external)
    if user is None:
        user = yield from _made(main, external, now)
    if user is not None and user.active:
        yield from _join_groups(main, external, user, now)
    return user


def _made(main: Catalog, external: External, now: int) -> Plan[UserState | None]:
    """A new user; None where none is wanted, or the name is another's: nobody gets an account by choosing its name."""
    provider = external.provider
    if not provider.provision or not _is_name(external.name):
        return None
    if (yield from user_named(main, external.name)) is not None:
        return None
    entity = new_id()
    values = {
        "name": external.name,
        "full_name": external.full_name,
        "email": external.email,
        "external": external.external,
        "active": True,
    }
    roles = list((yield from ids_of(main, "Role", provider.roles)).values())
    operations: list[Operation] = [new_entity("User", entity, values)]
    if roles:
        operations.append(Link(type="User", attribute="roles", sources=[entity] * len(roles), targets=roles))
    yield from commit_as(main, operations, external.name, now)
    return UserState(entity, external.name, True)


def _is_name(text: str) -> bool:
    """Whether people may call themselves so: it can be seen, and is nobody's who writes in the journal by right."""
    return text.isprintable() and text == text.strip() != "" and text.casefold() not in _TAKEN


def _join_groups(main: Catalog, external: External, user: UserState, now: int) -> Plan[None]:
    """Let a user join and leave those groups that the provider decides about."""
    mapping = external.provider.groups
    if not external.provider.groups_claim or not mapping:
        return
    wanted = {mapping[each] for each in external.groups if each in mapping}
    there = yield from ids_of(main, "Group", [*mapping.values()])
    member = set((yield from linked(main, "User", "groups", user.id)))
    joins = [entity for name, entity in there.items() if name in wanted and entity not in member]
    leaves = [entity for name, entity in there.items() if name not in wanted and entity in member]
    operations: list[Operation] = []
    if joins:
        operations.append(Link(type="User", attribute="groups", sources=[user.id] * len(joins), targets=joins))
    if leaves:
        operations.append(Unlink(type="User", attribute="groups", sources=[user.id] * len(leaves), targets=leaves))
    if operations:
        yield from commit_as(main, operations, user.name, now)
