"""The accounts of a server, as a log-in asks them: which ways in there are, tokens for a proof, who one is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..errors import StoreUnavailable
from ..model.wire import decode_error
from .asking import Answer, Trust, ask
from .credentials import Granted
from .oidc import Provider
from .secret import Secret
from .urls import server_url

__all__ = ["Accounts", "Ways"]


class Ways(msgspec.Struct, frozen=True, kw_only=True):
    """How one may log in: "password" and others, and the providers of single sign-on."""

    methods: tuple[str, ...] = ("password",)
    providers: tuple[Provider, ...] = ()


class _Tokens(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: float
    refresh_token: str | None = None
    user: str | None = None


class Accounts:
    """Of the server at an address. The server's errors are raised as it means them; StoreUnavailable where there is none."""

    def __init__(self, url: str, trust: Trust | None = None) -> None:
        self.url = server_url(url)
        self.trust = trust or Trust()

    def ways(self) -> Ways:
        """What the server offers to those who have not logged in."""
        found = self._read(self._asked("GET", "/v1/login"), Ways)
        mine = [msgspec.structs.replace(each, ca_certs=self.trust.ca_certs) for each in found.providers]
        return Ways(methods=found.methods, providers=tuple(mine))

    def grant(self, request: Mapping[str, str | None]) -> Granted:
        """Tokens for a proof: a password, a refresh token, an ID token, a one-time code …"""
        plain = {name: value for name, value in request.items() if value is not None}
        tokens = self._read(self._asked("POST", "/v1/tokens", plain), _Tokens)
        refresh = None if tokens.refresh_token is None else Secret(tokens.refresh_token)
        access = Secret(tokens.access_token)
        return Granted(access=access, expires_in=tokens.expires_in, refresh=refresh, user=tokens.user)

    def renewed(self, refresh: Secret) -> Granted:
        """Tokens for a refresh token, which this replaces."""
        return self.grant({"grant": "refresh_token", "refresh_token": refresh.reveal()})

    def make_api_key(self, bearer: str, name: str, expires_in: int | None = None) -> Secret:
        """A new API key of the one whose header this is; `expires_in` seconds, or for ever."""
        request: dict[str, str | int] = {"grant": "api_key", "name": name}
        if expires_in is not None:
            request["expires_in"] = expires_in
        return Secret(self._read(self._asked("POST", "/v1/tokens", request, bearer), _Key).api_key)

    def me(self, bearer: str) -> dict[str, Any]:
        """Who one is: user, name, roles, groups, scopes …"""
        return self._asked("GET", "/v1/me", bearer=bearer).data

    def log_out(self, bearer: str) -> None:
        """End the session, or the API key, of this header."""
        self._asked("POST", "/v1/logout", {}, bearer)

    def _asked(self, method: str, path: str, json: Mapping[str, Any] | None = None, bearer: str = "") -> Answer:
        answer = ask(method, f"{self.url}{path}", json=json, bearer=bearer, trust=self.trust)
        if 200 <= answer.status < 300:
            return answer
        if "error" not in answer.data:
            raise self._stranger(f"it answered {answer.status}")
        raise decode_error(answer.body, answer.status)

    def _read(self, answer: Answer, kind: Any) -> Any:
        try:
            return msgspec.convert(answer.data, kind)
        except msgspec.ValidationError:
            raise self._stranger("its answer makes no sense") from None

    def _stranger(self, reason: str) -> StoreUnavailable:
        text = f"{self.url} is no server of recordroom, or something stands before it: {reason}."
        return StoreUnavailable(text, reason=reason, where=self.url)


class _Key(msgspec.Struct, frozen=True):
    api_key: str
