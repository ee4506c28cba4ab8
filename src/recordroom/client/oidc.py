"""Logging in at a provider of single sign-on (OpenID Connect): by browser, by device code, or with its refresh token.

Each gives a `Proof`: the provider's ID token, which the room's server checks (signature, issuer, audience, end, nonce) and
answers with tokens of its own. By browser: authorization code with PKCE (RFC 7636, S256), a state, a nonce and a redirect to this
machine (RFC 8252). By device code: RFC 8628.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from ..errors import Error, InvalidValue, NotAuthenticated, ProviderUnavailable
from .asking import Answer, Trust, ask, private
from .loopback import receiving
from .secret import Secret

__all__ = ["Proof", "Provider", "by_browser", "by_device", "by_refresh_token"]

_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
# RFC 8628, section 3.5: what an interval grows by at slow_down, and the interval where none is given.
_SLOWER, _INTERVAL = 5.0, 5.0


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """A provider as a room's server names it."""

    name: str
    issuer: str
    client_id: str
    label: str = ""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    client_secret: str = ""
    ca_certs: str | None = None  # ours; the server says nothing of it

    @property
    def trust(self) -> Trust:
        """What is trusted about its addresses."""
        return Trust(ca_certs=self.ca_certs)

    def __repr__(self) -> str:
        return f"<Provider {self.name} {self.issuer}>"


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """Who somebody is, as the provider says it. `nonce` is what the token must name, where it must."""

    provider: str
    id_token: Secret
    nonce: str | None = None


# --- by browser ---------------------------------------------------------------------------------------


def by_browser(
    provider: Provider, *, open_browser: Callable[[str], object], tell: Callable[[str], None], timeout: float
) -> Proof:
    """Log in where a browser is. `open_browser` is given the address, and `tell` a line with it for a person.

    NotAuthenticated where the person or the provider refuses, or nothing comes within `timeout` seconds.
    """
    found = _discover(provider)
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    with receiving(state) as receiver:
        asked = {**_request(provider, state, nonce), **_challenge(verifier), "redirect_uri": receiver.redirect}
        endpoint = _endpoint(found, provider, "authorization_endpoint")
        address = f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"
        tell(f"Log in at your browser. If none opened, open this address on this machine:\n  {address}")
        open_browser(address)
        answer = receiver.wait(timeout)
        redirect = receiver.redirect
    code = _code(provider, answer, timeout)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect, "code_verifier": verifier}
    return _proof(provider, _tokens(provider, found, form), nonce)


def _request(provider: Provider, state: str, nonce: str) -> dict[str, str]:
    scope = " ".join(provider.scopes)
    return {
        "response_type": "code",
        "client_id": provider.client_id,
        "scope": scope,
        "state": state,
        "nonce": nonce,
    }


def _challenge(verifier: str) -> dict[str, str]:
    digest = hashlib.sha256(verifier.encode()).digest()
    return {"code_challenge": _base64url(digest), "code_challenge_method": "S256"}


def _code(provider: Provider, answer: Mapping[str, str] | None, timeout: float) -> str:
    if answer is None:
        raise _refused(provider, f"nobody logged in within {timeout:g} seconds")
    if answer.get("iss", provider.issuer).rstrip("/") != provider.issuer.rstrip("/"):
        # RFC 9207: an answer that another provider made.
        raise _refused(provider, "the answer comes from another provider")
    if "code" not in answer:
        raise _refused(provider, _said(answer))
    return answer["code"]


# --- by device code -----------------------------------------------------------------------------------


def by_device(
    provider: Provider,
    *,
    tell: Callable[[str], None],
    timeout: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Proof:
    """Log in on another device: `tell` is given the address and the code to type there."""
    found = _discover(provider)
    scope = " ".join(provider.scopes)
    begun = _asked(provider, _endpoint(found, provider, "device_authorization_endpoint"), {"scope": scope})
    if begun.status != 200 or not {"device_code", "user_code", "verification_uri"} <= {*begun.data}:
        raise _refused(provider, _said(begun.data))
    tell(_instruction(begun.data))
    seconds = min(timeout, _number(begun.data.get("expires_in"), timeout))
    form = {"grant_type": _DEVICE, "device_code": str(begun.data["device_code"])}
    interval, end = _number(begun.data.get("interval"), _INTERVAL), clock() + seconds
    while clock() + interval <= end:
        sleep(interval)
        answer = _polled(provider, found, form)
        if answer is not None and answer.status == 200:
            return _proof(provider, answer.data, None)
        interval += _slower(provider, answer, interval)
    raise _refused(provider, f"nobody logged in within {seconds:g} seconds")


def _instruction(begun: Mapping[str, Any]) -> str:
    text = f"To log in, open {begun['verification_uri']} on any device and type the code {begun['user_code']}"
    complete = begun.get("verification_uri_complete")
    return f"{text}\n  or open {complete}" if complete else text


def _polled(provider: Provider, found: Mapping[str, Any], form: Mapping[str, str]) -> Answer | None:
    """The answer to one question whether somebody has logged in; None where the provider could not be asked."""
    try:
        return _asked(provider, _endpoint(found, provider, "token_endpoint"), form)
    except ProviderUnavailable:
        return None


def _slower(provider: Provider, answer: Answer | None, interval: float) -> float:
    """What to add to the interval; NotAuthenticated where asking again makes no sense."""
    if answer is None or answer.status >= 500:
        return interval
    what = answer.data.get("error")
    if what == "slow_down":
        return _SLOWER
    if what == "authorization_pending":
        return 0.0
    raise _refused(provider, _said(answer.data))


# --- with a refresh token of the provider -------------------------------------------------------------


def by_refresh_token(provider: Provider, token: Secret) -> Proof:
    """A proof for a refresh token that the provider gave, for a program that runs unattended."""
    form = {"grant_type": "refresh_token", "refresh_token": token.reveal()}
    return _proof(provider, _tokens(provider, _discover(provider), form), None)


# --- the provider -------------------------------------------------------------------------------------


def _discover(provider: Provider) -> dict[str, Any]:
    """What the provider says of itself (OpenID Connect Discovery, section 4)."""
    issuer = provider.issuer.rstrip("/")
    answer = _to_provider(
        provider, lambda: ask("GET", f"{issuer}/.well-known/openid-configuration", trust=provider.trust)
    )
    if answer.status != 200 or not answer.data:
        raise ProviderUnavailable(issuer=issuer, reason="it has no page .well-known/openid-configuration")
    if str(answer.data.get("issuer", "")).rstrip("/") != issuer:
        raise _refused(provider, "what answers there says that it is another provider")
    return answer.data


def _endpoint(found: Mapping[str, Any], provider: Provider, name: str) -> str:
    if not isinstance(found.get(name), str):
        way = "device codes" if name.startswith("device") else name.replace("_", " ")
        raise _refused(provider, f"it offers no {way}")
    try:
        return private(found[name])
    except InvalidValue:
        raise _refused(provider, f"its {name.replace('_', ' ')} is not https://") from None


def _tokens(provider: Provider, found: Mapping[str, Any], form: Mapping[str, str]) -> dict[str, Any]:
    answer = _asked(provider, _endpoint(found, provider, "token_endpoint"), form)
    if answer.status != 200:
        raise _refused(provider, _said(answer.data))
    return answer.data


def _asked(provider: Provider, url: str, form: Mapping[str, str]) -> Answer:
    """One question to the provider in the name of our client."""
    who = {"client_id": provider.client_id}
    if provider.client_secret:
        who["client_secret"] = provider.client_secret
    answer = _to_provider(provider, lambda: ask("POST", url, form={**form, **who}, trust=provider.trust))
    if answer.status >= 500 and "error" not in answer.data:
        raise ProviderUnavailable(issuer=provider.issuer, reason=f"it answers with status {answer.status}")
    return answer


def _to_provider(provider: Provider, question: Callable[[], Answer]) -> Answer:
    try:
        return question()
    except Error as error:
        raise ProviderUnavailable(issuer=provider.issuer, reason=error.message.rstrip(".")) from None


def _proof(provider: Provider, tokens: Mapping[str, Any], nonce: str | None) -> Proof:
    """The ID token, if it is for us: the server checks it again, and its signature."""
    token = tokens.get("id_token")
    if not isinstance(token, str):
        raise _refused(provider, "it gives no ID token; it needs the scope openid")
    claims = _claims(provider, token)
    audience = claims.get("aud")
    if str(claims.get("iss", "")).rstrip("/") != provider.issuer.rstrip("/"):
        raise _refused(provider, "its token names another issuer")
    if provider.client_id not in (audience if isinstance(audience, list) else [audience]):
        raise _refused(provider, "its token is for another program")
    if nonce is not None and claims.get("nonce") != nonce:
        raise _refused(provider, "its token belongs to another log-in")
    return Proof(provider=provider.name, id_token=Secret(token), nonce=nonce)


def _claims(provider: Provider, token: str) -> dict[str, Any]:
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, RecursionError):
        claims = None
    if not isinstance(claims, dict):
        raise _refused(provider, "its token cannot be read")
    return claims


def _refused(provider: Provider, reason: str) -> NotAuthenticated:
    name = provider.label or provider.name
    return NotAuthenticated(f"Logging in with {name} did not work: {reason}.", where=provider.issuer, reason=reason)


def _said(answer: Mapping[str, Any]) -> str:
    """An error of OAuth in words, on one line."""
    known = {"access_denied": "it was refused there", "expired_token": "the code was not used in time"}
    error, description = str(answer.get("error", "")), str(answer.get("error_description") or "")
    text = known.get(error) or description or error or "the answer makes no sense"
    return " ".join("".join(c if c.isprintable() else " " for c in text[:200]).split()).rstrip(".")


def _number(value: Any, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) and value > 0 else otherwise


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
