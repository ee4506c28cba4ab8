"""Settings of accounts on a server, as they stand in its configuration below `[auth]`."""

from __future__ import annotations

import msgspec

__all__ = ["AuthSettings", "OidcProvider"]

ALGORITHMS = ("RS256", "PS256", "ES256", "RS384", "PS384", "ES384", "RS512", "PS512", "ES512", "EdDSA")


class OidcProvider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider of single sign-on by OpenID Connect: `[[auth.providers]]`.

    `name` is how requests call it, `issuer` its address exactly as its tokens say it (https, or http on a loopback).
    `client_id` is what id tokens must be meant for; `audience` is what access tokens must be meant for ("": none are
    taken). `scopes` are what clients ask for. `…_claim` name the claims that become a user's name, full name, email
    and groups ("": none). `provision` makes a user at the first log-in, with the roles `roles`; otherwise a User
    must have `external` = "issuer|subject". `domains` are the domains of verified emails that may log in (none: any).
    `groups` maps values of `groups_claim` to names of Groups: users join and leave those as the provider says.
    """

    name: str
    issuer: str
    client_id: str
    label: str = ""
    client_secret: str = ""  # of "native" clients of providers that insist on one: it is told to every client
    audience: str = ""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "EdDSA")
    name_claim: str = "preferred_username"
    full_name_claim: str = "name"
    email_claim: str = "email"
    groups_claim: str = ""
    groups: dict[str, str] = {}
    provision: bool = False
    roles: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    nonce: bool = False  # insist on a nonce, which tokens of the device flow do not have
    leeway: int = 60  # seconds that clocks may differ


class AuthSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[auth]`. Times in seconds."""

    access_seconds: int = 600
    session_idle_seconds: int = 14 * 86400  # a session that nobody refreshes ends
    session_seconds: int = 90 * 86400  # every session ends
    code_seconds: int = 86400  # one-time codes
    invitation_seconds: int = 7 * 86400  # one-time codes that were sent by mail
    grace_seconds: int = 30  # a refresh whose answer was lost may be repeated by the same client
    password_length: int = 12
    password_workers: int = 2  # passwords checked at a time; each takes 64 MiB
    password_queue: int = 32  # passwords waiting to be checked; more are told to come back
    providers: tuple[OidcProvider, ...] = ()
