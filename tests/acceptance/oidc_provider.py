"""A provider of single sign-on on loopback: oidc-provider-mock, in a process of its own, with what it lacks.

Over the same users, keys and tokens it adds: public clients, PKCE that is checked (RFC 7636), the device flow (RFC 8628, by Authlib's grant),
ID tokens for refresh tokens, new signing keys on demand, and tokens that are wrong in one thing.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import secrets
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import urllib3

__all__ = ["OidcServer", "oidc_server"]


class OidcServer:
    """The running provider, and a person with a browser who logs in there."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.seen: list[str] = []

    def rotate_keys(self) -> None:
        """New signing keys; the old ones are published no more."""
        self._post("/test/rotate-keys", {})

    def set_user(self, sub: str, **claims: Any) -> None:
        """Somebody who can log in there."""
        urllib3.request("PUT", f"{self.issuer}/users/{sub}", json=claims, retries=False)

    def id_token(self, sub: str, client_id: str, **claims: Any) -> str:
        """A token for somebody, with what a test wants to be wrong in it."""
        found = self._post("/test/id-token", {"sub": sub, "aud": client_id, **claims})
        return str(json.loads(found.data)["id_token"])

    def slow_down(self, times: int) -> None:
        """Answer the next questions of devices with slow_down."""
        self._post("/test/slow-down", {"times": times})

    @property
    def polls(self) -> int:
        """How many questions of devices there were."""
        return int(urllib3.request("GET", f"{self.issuer}/test/polls", retries=False).data)

    def browse(self, address: str, *, sub: str = "ann", deny: bool = False) -> urllib3.BaseHTTPResponse:
        """What a person does: open the address, log in, and follow the redirect to the program that waits."""
        self.seen.append(address)
        page = urllib3.request("GET", address, retries=False)
        assert page.status == 200, page.data
        choice = {"action": "deny"} if deny else {"sub": sub}
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        sent = urllib3.request("POST", address, body=urlencode(choice), headers=form, redirect=False, retries=False)
        assert sent.status == 302, sent.data
        return urllib3.request("GET", sent.headers["location"], retries=False)

    def approve(self, instruction: str, *, sub: str = "ann", deny: bool = False) -> None:
        """What a person does with a code on another device."""
        found = re.search(r"open (\S+) on any device and type the code (\S+)", instruction)
        assert found is not None, instruction
        self._post(urlsplit(found[1]).path, {"user_code": found[2], "sub": sub, "deny": deny})

    def _post(self, path: str, body: dict[str, Any]) -> urllib3.BaseHTTPResponse:
        answer = urllib3.request("POST", self.issuer + path, json=body, retries=False)
        assert answer.status == 200, answer.data
        return answer


@contextlib.contextmanager
def oidc_server(*, lasts: int = 3600) -> Iterator[OidcServer]:
    """A provider on a port of the system's choice; its tokens last so many seconds."""
    child = subprocess.Popen(
        [sys.executable, os.fspath(__file__), str(lasts)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdin is not None
    try:
        line = child.stdout.readline().strip()
        assert line, "the provider did not start"
        yield OidcServer(line)
    finally:
        child.stdin.close()
        child.terminate()
        child.wait(30)
        child.stdout.close()


# --- in the process -----------------------------------------------------------------------------------


def _serve(lasts: int) -> None:
    warnings.simplefilter("ignore")
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    from datetime import timedelta

    import oidc_provider_mock
    from oidc_provider_mock import _app, _storage
    from werkzeug.serving import make_server

    # Programs that people install have no secret.
    for grant in (_app.AuthorizationCodeGrant, _app.RefreshTokenGrant):
        grant.TOKEN_ENDPOINT_AUTH_METHODS = ["none", "client_secret_basic", "client_secret_post"]
    _storage.Client.GRANT_TYPES_SUPPORTED += ("urn:ietf:params:oauth:grant-type:device_code",)
    app = oidc_provider_mock.app(access_token_max_age=timedelta(seconds=lasts))
    _add_pkce(app)
    _add_devices(app)
    _add_controls(app, lasts)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


def _end_with_parent() -> None:
    """The pipe ends when whoever started this does, however that ends."""
    sys.stdin.read()
    os._exit(0)


def _add_pkce(app: Any) -> None:
    import flask

    challenges: dict[str, str] = {}

    @app.before_request
    def check() -> Any:
        form = flask.request.form
        if flask.request.path != "/oauth2/token" or form.get("grant_type") != "authorization_code":
            return None
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != challenges.pop(form["code"], None):
            return flask.jsonify(error="invalid_grant", error_description="wrong code_verifier"), 400
        return None

    @app.after_request
    def remember(response: Any) -> Any:
        query = parse_qs(urlsplit(response.headers.get("Location", "")).query)
        if flask.request.path == "/oauth2/authorize" and "code" in query:
            assert flask.request.args["code_challenge_method"] == "S256"
            challenges[query["code"][0]] = flask.request.args["code_challenge"]
        if "error" in query and "state" not in query:
            # RFC 6749, section 4.1.2.1 wants it; the mock forgets it.
            response.headers["Location"] += f"&{urlencode({'state': flask.request.args['state']})}"
        return response


def _id_token(sub: str, audience: str, **claims: Any) -> str:
    """An ID token with the provider's key of now; `key` "other" takes one that it never published."""
    import time

    import flask
    from authlib import jose

    own = flask.g.oidc_provider_mock_storage.jwk
    key = jose.RSAKey.generate_key(is_private=True) if claims.pop("key", "") == "other" else own
    now = int(time.time())
    issuer = flask.request.host_url.rstrip("/")
    usual = {"iss": issuer, "sub": sub, "aud": audience, "iat": now, "exp": now + 600, "jti": secrets.token_hex(8)}
    payload = {**usual, "email": sub, **claims}
    header = {"alg": payload.pop("alg", "RS256"), "kid": own.thumbprint()}
    if header["alg"] == "none":
        parts = (
            base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode() for each in (header, payload)
        )
        return f"{'.'.join(parts)}."
    return str(jose.jwt.encode(header, payload, key).decode())


def _add_devices(app: Any) -> None:
    import time

    import flask
    from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant, DeviceCredentialDict

    waiting: dict[str, Any] = {}
    said: dict[str, tuple[str | None, bool]] = {}
    slow = {"times": 0, "polls": 0}

    class Endpoint(DeviceAuthorizationEndpoint):  # type: ignore[misc]
        CLIENT_AUTH_METHODS = ("none",)
        INTERVAL = 1

        def get_verification_uri(self) -> str:
            return f"{flask.request.host_url}device"

        def save_device_credential(self, client_id: str, scope: str, data: Any) -> None:
            ends = int(time.time()) + data["expires_in"]
            found = DeviceCredentialDict(client_id=client_id, scope=scope, expires_at=ends, **data)
            waiting[data["device_code"]] = found

    class Grant(DeviceCodeGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS = ("none",)

        def query_device_credential(self, device_code: str) -> Any:
            return waiting.get(device_code)

        def query_user_grant(self, user_code: str) -> Any:
            if user_code not in said:
                return None
            sub, approved = said[user_code]
            return flask.g.oidc_provider_mock_storage.get_user(sub), approved

        def should_slow_down(self, credential: Any) -> bool:
            slow["times"] -= 1
            return slow["times"] >= 0

    ready: list[bool] = []

    @app.before_request
    def handle() -> Any:
        server = flask.g._authlib_authorization_server
        if not ready:
            server.register_grant(Grant)
            server.register_endpoint(Endpoint)
            ready.append(True)
        if flask.request.path == "/oauth2/device":
            return server.create_endpoint_response(Endpoint.ENDPOINT_NAME)
        if flask.request.form.get("grant_type") == Grant.GRANT_TYPE:
            slow["polls"] += 1
            return server.create_token_response()
        return None

    @app.after_request
    def complete(response: Any) -> Any:
        path, form = flask.request.path, flask.request.form
        if path == "/.well-known/openid-configuration":
            more = {"device_authorization_endpoint": f"{flask.request.host_url}oauth2/device"}
            response.set_data(json.dumps({**response.json, **more, "code_challenge_methods_supported": ["S256"]}))
        if path == "/oauth2/token" and response.status_code == 200 and "id_token" not in response.json:
            token = flask.g.oidc_provider_mock_storage.get_access_token(response.json["access_token"])
            response.set_data(json.dumps({**response.json, "id_token": _id_token(token.user_id, form["client_id"])}))
        return response

    @app.post("/device")
    def approve() -> Any:
        from oidc_provider_mock import User

        given = flask.request.json
        storage = flask.g.oidc_provider_mock_storage
        if storage.get_user(given["sub"]) is None:
            storage.store_user(User(sub=given["sub"], claims={"email": given["sub"]}))
        said[given["user_code"]] = (given["sub"], not given["deny"])
        return ""

    @app.post("/test/slow-down")
    def slow_down() -> Any:
        slow["times"] = flask.request.json["times"]
        return ""

    @app.get("/test/polls")
    def polls() -> Any:
        return str(slow["polls"])


def _add_controls(app: Any, lasts: int) -> None:
    import flask
    from authlib import jose

    @app.post("/test/rotate-keys")
    def rotate() -> Any:
        flask.g.oidc_provider_mock_storage.jwk = jose.RSAKey.generate_key(is_private=True)
        return ""

    @app.get("/liar/.well-known/openid-configuration")
    def lie() -> Any:
        return flask.jsonify(issuer="https://evil.example.org", token_endpoint="https://evil.example.org/token")

    @app.post("/test/id-token")
    def make() -> Any:
        given = dict(flask.request.json)
        return flask.jsonify(id_token=_id_token(given.pop("sub"), given.pop("aud"), **given))


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
