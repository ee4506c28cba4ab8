from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from recordroom.errors import InvalidSettings, NotAuthenticated, ProviderUnavailable
from recordroom.model.ids import new_id
from recordroom.model.operations import Commit, Create
from recordroom.server.auth.oidc import Oidc
from recordroom.server.auth.settings import AuthSettings, OidcProvider
from tests.acceptance.oidc_provider import oidc_server
from tests.server.people import HERE, with_people

CLIENT = "recordroom"


class Provider:
    """A provider on a loopback whose keys and tokens a test makes as it likes; counts what is fetched."""

    def __init__(self) -> None:
        self.keys = [ECKey.generate_key("P-256", private=True, auto_kid=True)]
        self.fetched: list[str] = []
        self.document: dict[str, object] = {}
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.fetched.append(self.path)
                status, headers, body = provider.answers.get(self.path) or (200, {}, provider.body(self.path))
                self.send_response(status)
                for name, value in {"content-length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"

    def body(self, path: str) -> bytes:
        if path == "/jwks":
            return json.dumps({"keys": [each.as_dict(private=False) for each in self.keys]}).encode()
        return json.dumps({"issuer": self.issuer, "jwks_uri": f"{self.issuer}/jwks", **self.document}).encode()

    def token(self, key: ECKey | None = None, header: dict[str, object] | None = None, **changes: object) -> str:
        now = int(time.time())
        claims: dict[str, object] = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "42",
            "iat": now,
            "exp": now + 300,
            "jti": new_id().hex(),
            "preferred_username": "ann",
            "nonce": "n",
        }
        claims = {name: value for name, value in (claims | changes).items() if value is not None}
        signer = key or self.keys[0]
        made = {"alg": "ES256", "kid": signer.kid} | (header or {})
        return jwt.encode(made, claims, signer, algorithms=[str(made["alg"])])

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def provider() -> Iterator[Provider]:
    found = Provider()
    yield found
    found.close()


def settings(issuer: str, **more: object) -> AuthSettings:
    plain: dict[str, object] = {"name": "studio", "issuer": issuer, "client_id": CLIENT, "provision": True}
    return AuthSettings(providers=(OidcProvider(**(plain | more)),))  # type: ignore[arg-type]


async def exchange(people, token, nonce="n", kind="id_token"):
    request = {"grant": kind, "provider": "studio", kind: token}
    request |= {"nonce": nonce} if kind == "id_token" else {}
    return await people.accounts.grant(request, client=HERE)


def test_an_id_token_of_a_provider_becomes_a_session(places):
    with oidc_server() as server:
        claims = {"preferred_username": "ann", "email": "ann@example.org"}
        token = server.id_token("42", CLIENT, nonce="n", **claims)

        async def story(people):
            with pytest.raises(NotAuthenticated):
                await exchange(people, token, nonce="other")
            answer = await exchange(people, token)
            ann = await people.of(answer)
            assert ann.actor.name == "ann"
            assert (await people.accounts.me(ann))["email"] == "ann@example.org"
            assert (await people.accounts.me(ann))["roles"] == ["reader"]
            with pytest.raises(NotAuthenticated):
                await exchange(people, token)

        with_people(places(), story, settings(server.issuer, roles=("reader",)))


def test_a_user_is_found_again_by_subject_not_by_name(places, provider):
    async def story(people):
        first = await people.of(await exchange(people, provider.token()))
        again = await people.of(await exchange(people, provider.token(preferred_username="renamed")))
        assert first.actor == again.actor
        with pytest.raises(NotAuthenticated):
            await exchange(people, provider.token(sub="43"))
        with pytest.raises(NotAuthenticated):
            await exchange(people, provider.token(sub="44", preferred_username="administrator"))

    with_people(places(), story, settings(provider.issuer))


@pytest.mark.parametrize("name", ["owner", "Recordroom", "ann\n", " ann", "ann\u202egnp", "\x1b[31m", " "])
def test_nobody_gets_an_account_of_a_name_that_deceives(places_sqlite, provider, name):
    async def story(people):
        with pytest.raises(NotAuthenticated, match="no account here"):
            await exchange(people, provider.token(preferred_username=name))

    with_people(places_sqlite(), story, settings(provider.issuer))


def test_without_provisioning_only_users_that_are_there_get_in(places_sqlite, provider):
    async def story(people):
        with pytest.raises(NotAuthenticated):
            await exchange(people, provider.token())
        columns = {"name": ["ann"], "active": [True], "external": [f"{provider.issuer}|42"]}
        create = Create(type="User", ids=[new_id()], columns=columns)
        await people.room.commit(Commit(id=new_id(), operations=[create]))
        assert (await exchange(people, provider.token()))["user"] == "ann"

    with_people(places_sqlite(), story, settings(provider.issuer, provision=False))


def wrong_tokens(provider: Provider) -> dict[str, str]:
    now, foreign = int(time.time()), ECKey.generate_key("P-256", private=True, auto_kid=True)
    head, body, signature = provider.token().split(".")
    none = "eyJhbGciOiJub25lIn0"
    secret = OctKey.generate_key(256, private=True)
    return {
        "audience": provider.token(aud="other"),
        "no audience": provider.token(aud=None),
        "several audiences without azp": provider.token(aud=[CLIENT, "other"]),
        "azp": provider.token(azp="other"),
        "issuer": provider.token(iss="https://other.example"),
        "expired": provider.token(exp=now - 100),
        "no end": provider.token(exp=None),
        "end is text": provider.token(exp="never"),
        "not yet": provider.token(nbf=now + 100),
        "of the future": provider.token(iat=now + 100),
        "no subject": provider.token(sub=None),
        "subject is a number": provider.token(sub=42),
        "nonce": provider.token(nonce="other"),
        "no nonce": provider.token(nonce=None),
        "alg none": f"{none}.{body}.",
        "alg none, signed": f"{none}.{body}.{signature}",
        "shared secret": jwt.encode({"alg": "HS256", "kid": provider.keys[0].kid}, {}, secret, algorithms=["HS256"]),
        "another key of the same id": provider.token(foreign, {"kid": provider.keys[0].kid}),
        "an access token": provider.token(header={"typ": "at+jwt"}),
        "unknown key": provider.token(foreign, {"kid": "x"}),
        "key in the header": provider.token(foreign, {"jwk": foreign.as_dict(private=False)}),
        "cut": f"{head}.{body}.{signature[:-4]}",
        "nothing": "..",
        "text": "hello",
        "not ascii": "é.é.é",
        "long": "a" * 19_000,
    }


def test_tokens_that_prove_nothing_are_one_error(places_sqlite, provider):
    async def story(people):
        passed, messages = [], set()
        for what, token in wrong_tokens(provider).items():
            try:
                await exchange(people, token)
            except NotAuthenticated as error:
                messages.add(error.message)
            else:
                passed.append(what)
        assert passed == []
        assert len(messages) == 1

    with_people(places_sqlite(), story, settings(provider.issuer))


def test_clocks_may_differ_a_little(places_sqlite, provider):
    async def story(people):
        now = int(time.time())
        await exchange(people, provider.token(exp=now - 20, iat=now + 20, nbf=now + 20))

    with_people(places_sqlite(), story, settings(provider.issuer))


def test_a_new_key_is_found_and_unknown_keys_do_not_make_us_ask_on_and_on(places_sqlite, provider, monkeypatch):
    async def story(people):
        await exchange(people, provider.token())
        assert provider.fetched == ["/.well-known/openid-configuration", "/jwks"]
        provider.keys = [ECKey.generate_key("P-256", private=True, auto_kid=True)]
        await exchange(people, provider.token())
        assert len(provider.fetched) == 4
        provider.keys = [ECKey.generate_key("P-256", private=True, auto_kid=True)]
        for _ in range(5):
            with pytest.raises(NotAuthenticated):
                await exchange(people, provider.token())
        assert len(provider.fetched) == 4
        monkeypatch.setattr("recordroom.server.auth.oidc._ANEW", 0.0)
        await exchange(people, provider.token())
        assert len(provider.fetched) == 6

    with_people(places_sqlite(), story, settings(provider.issuer))


def test_access_tokens_are_taken_only_where_an_audience_is_set(places_sqlite, provider):
    async def refused(people):
        with pytest.raises(NotAuthenticated):
            await exchange(people, provider.token(), kind="access_token")

    async def taken(people):
        with pytest.raises(NotAuthenticated):
            await exchange(people, provider.token(), kind="access_token")
        await exchange(people, provider.token(aud="api://room"), kind="access_token")

    with_people(places_sqlite("a"), refused, settings(provider.issuer))
    with_people(places_sqlite("b"), taken, settings(provider.issuer, audience="api://room"))


def test_a_provider_that_wants_a_nonce_gets_one(places_sqlite, provider):
    async def story(people):
        with pytest.raises(NotAuthenticated):
            await exchange(people, provider.token(nonce=None), nonce=None)
        await exchange(people, provider.token())

    with_people(places_sqlite(), story, settings(provider.issuer, nonce=True))


def test_only_verified_emails_of_allowed_domains_get_in(places_sqlite, provider):
    async def story(people):
        for claims in (
            {},
            {"email": "a@evil.example", "email_verified": True},
            {"email": "a@studio.example"},
            {"email": "a@studio.example", "email_verified": "true"},
            {"email": "a@sub.studio.example", "email_verified": True},
        ):
            with pytest.raises(NotAuthenticated):
                await exchange(people, provider.token(**claims))
        await exchange(people, provider.token(email="a@Studio.example", email_verified=True))

    with_people(places_sqlite(), story, settings(provider.issuer, domains=("studio.example",)))


def test_groups_follow_the_provider(places, provider):
    async def story(people):
        groups = Create(type="Group", ids=[new_id() for _ in range(3)], columns={"name": ["lights", "comp", "local"]})
        await people.room.commit(Commit(id=new_id(), operations=[groups]))

        async def after(*claimed):
            answer = await exchange(people, provider.token(groups=list(claimed)))
            return (await people.accounts.me(await people.of(answer)))["groups"]

        assert await after("L", "unknown", "local") == ["lights"]
        assert await after("C") == ["comp"]
        assert await after() == []

    mapping = {"L": "lights", "C": "comp"}
    with_people(places(), story, settings(provider.issuer, groups_claim="groups", groups=mapping))


@pytest.mark.parametrize(
    "answer",
    [
        (500, {}, b"no"),
        (200, {}, b"not json"),
        (200, {}, b"[1]"),
        (200, {}, b"[" * 100_000),
        (200, {}, b" " * 1_100_000 + b"{}"),
        (200, {}, b'{"issuer": "https://other.example"}'),
        (302, {"location": "http://localhost:1/"}, b""),
        (302, {"location": "/.well-known/openid-configuration"}, b""),
        (302, {"location": "//[::bad"}, b""),
    ],
    ids=lambda each: repr(each)[:50],
)
def test_a_provider_that_answers_wrongly_is_unavailable(places_sqlite, provider, answer):
    async def story(people):
        provider.answers["/.well-known/openid-configuration"] = answer
        with pytest.raises(ProviderUnavailable):
            await exchange(people, provider.token())
        provider.answers.clear()
        await exchange(people, provider.token())

    with_people(places_sqlite(), story, settings(provider.issuer))


@pytest.mark.parametrize(
    "address", ["http://keys.example/", "file:///etc/passwd", 5, None, "http://[", "http://a@127.0.0.1/"]
)
def test_keys_come_only_from_safe_addresses(places_sqlite, provider, address):
    async def story(people):
        provider.document["jwks_uri"] = address
        with pytest.raises(ProviderUnavailable):
            await exchange(people, provider.token())

    with_people(places_sqlite(), story, settings(provider.issuer))


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "http://provider.example"},
        {"issuer": "provider"},
        {"algorithms": ("none",)},
        {"algorithms": ("HS256",)},
        {"algorithms": ()},
        {"client_id": ""},
    ],
    ids=repr,
)
def test_unsafe_settings_are_refused(changes):
    with pytest.raises(InvalidSettings):
        Oidc(settings(**{"issuer": "https://provider.example"} | changes).providers)


def test_clients_are_told_what_they_need():
    [shown] = Oidc(settings("https://provider.example").providers).shown()

    assert shown == {
        "name": "studio",
        "label": "studio",
        "issuer": "https://provider.example",
        "client_id": CLIENT,
        "scopes": ["openid", "profile", "email"],
    }
