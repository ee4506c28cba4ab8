"""Single sign-on against a real provider on loopback, without a person: the client alone, then with a server.

The provider is oidc-provider-mock with the flows that it lacks (`oidc_provider.py`); the browser is a function that follows
its redirects; the server is `recordroom serve`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

import keyring
import pytest
import urllib3
from keyring.backends.fail import Keyring as NoKeyring

import recordroom as rr
from recordroom.client.accounts import Accounts
from recordroom.client.credentials import SessionTokens
from recordroom.client.keeping import kept
from recordroom.client.oidc import Proof, Provider, by_browser, by_device, by_refresh_token
from recordroom.client.profiles import ProfileFile
from recordroom.client.secret import Secret
from recordroom.errors import NotAuthenticated, ProviderUnavailable
from tests.acceptance.conftest import Cli
from tests.acceptance.oidc_provider import OidcServer, oidc_server
from tests.keyrings import MemoryKeyring, keyring_in_memory

CLIENT = "recordroom"
RECORDROOM = Path(sys.executable).with_name("recordroom")


def silent(_: str) -> None:
    """Nobody reads it."""


@pytest.fixture(scope="module")
def oidc() -> Iterator[OidcServer]:
    with oidc_server() as found:
        for name in ("ann", "bob"):
            found.set_user(name, email=f"{name}@example.org", preferred_username=name, name=name.title())
        yield found


@pytest.fixture
def provider(oidc: OidcServer) -> Provider:
    return Provider(name="sso", label="Studio", issuer=oidc.issuer, client_id=CLIENT)


def claims_of(proof: Proof) -> dict[str, Any]:
    payload = proof.id_token.reveal().split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return found


def changed(address: str, **parameters: str) -> str:
    """The address with other parameters."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(query=urlencode({**dict(parse_qsl(parts.query)), **parameters})))


# --- the client and the provider ----------------------------------------------------------------------


def test_the_browser_brings_a_proof_with_pkce_state_and_nonce(oidc: OidcServer, provider: Provider) -> None:
    pages: list[urllib3.BaseHTTPResponse] = []
    told: list[str] = []
    proof = by_browser(
        provider, open_browser=lambda address: pages.append(oidc.browse(address)), tell=told.append, timeout=30
    )
    asked = parse_qs(urlsplit(oidc.seen[-1]).query)

    assert claims_of(proof)["sub"] == "ann"
    assert asked["code_challenge_method"] == ["S256"]
    assert claims_of(proof)["nonce"] == proof.nonce == asked["nonce"][0]
    assert asked["redirect_uri"][0].startswith("http://127.0.0.1:")
    assert oidc.seen[-1] in told[0]
    assert (pages[0].status, pages[0].headers["cache-control"]) == (200, "no-store")
    assert b"You can close this window" in pages[0].data


def test_every_log_in_has_its_own_state_nonce_challenge_and_port(oidc: OidcServer, provider: Provider) -> None:
    asked = []
    for _ in range(2):
        by_browser(provider, open_browser=oidc.browse, tell=silent, timeout=30)
        asked.append(dict(parse_qsl(urlsplit(oidc.seen[-1]).query)))

    for name in ("state", "nonce", "code_challenge", "redirect_uri"):
        assert asked[0][name] != asked[1][name]


def test_a_person_who_refuses_is_said_and_shown(oidc: OidcServer, provider: Provider) -> None:
    pages: list[urllib3.BaseHTTPResponse] = []
    with pytest.raises(NotAuthenticated, match=r"Logging in with Studio did not work: it was refused there\."):
        by_browser(provider, open_browser=lambda it: pages.append(oidc.browse(it, deny=True)), tell=silent, timeout=30)
    assert pages[0].status in (400, 403)


def test_a_log_in_that_nobody_completes_ends(provider: Provider) -> None:
    with pytest.raises(NotAuthenticated, match=r"nobody logged in within 0\.1 seconds"):
        by_browser(provider, open_browser=silent, tell=silent, timeout=0.1)


def test_an_answer_with_a_forged_state_is_refused_and_the_true_one_still_taken(
    oidc: OidcServer, provider: Provider
) -> None:
    pages: list[urllib3.BaseHTTPResponse] = []

    def browser(address: str) -> None:
        redirect = dict(parse_qsl(urlsplit(address).query))["redirect_uri"]
        wrong = ("code=evil&state=forged", "code=evil", "error=access_denied&state=", "", "code=evil&state=%ff")
        pages.extend(urllib3.request("GET", f"{redirect}?{each}", retries=False) for each in wrong)
        pages.append(urllib3.request("GET", redirect.replace("/callback", "/other?code=evil"), retries=False))
        pages.append(oidc.browse(address))

    proof = by_browser(provider, open_browser=browser, tell=silent, timeout=30)

    assert [page.status for page in pages] == [400] * 5 + [404, 200]
    assert claims_of(proof)["sub"] == "ann"


def test_a_browser_that_was_led_astray_gives_nothing(oidc: OidcServer, provider: Provider) -> None:
    def astray(address: str) -> None:
        oidc.browse(changed(address, state="forged"))

    with pytest.raises(NotAuthenticated, match="nobody logged in"):
        by_browser(provider, open_browser=astray, tell=silent, timeout=0.3)


def test_a_token_with_a_forged_nonce_is_refused(oidc: OidcServer, provider: Provider) -> None:
    with pytest.raises(NotAuthenticated, match="its token belongs to another log-in"):
        by_browser(
            provider,
            open_browser=lambda address: oidc.browse(changed(address, nonce="forged")),
            tell=silent,
            timeout=30,
        )


def test_a_code_that_was_asked_for_with_another_challenge_is_refused(oidc: OidcServer, provider: Provider) -> None:
    def swapped(address: str) -> None:
        oidc.browse(changed(address, code_challenge="x" * 43))

    with pytest.raises(NotAuthenticated, match="code_verifier"):
        by_browser(provider, open_browser=swapped, tell=silent, timeout=30)


def test_an_answer_that_names_another_issuer_is_refused(oidc: OidcServer, provider: Provider) -> None:
    def mixed_up(address: str) -> None:
        asked = dict(parse_qsl(urlsplit(address).query))
        answer = urlencode({"state": asked["state"], "code": "c", "iss": "https://evil.example.org"})
        urllib3.request("GET", f"{asked['redirect_uri']}?{answer}", retries=False)

    with pytest.raises(NotAuthenticated, match="another provider"):
        by_browser(provider, open_browser=mixed_up, tell=silent, timeout=30)


def test_a_browser_that_only_opens_a_connection_does_not_hold_up(oidc: OidcServer, provider: Provider) -> None:
    import socket

    idle: list[socket.socket] = []

    def browser(address: str) -> None:
        redirect = urlsplit(dict(parse_qsl(urlsplit(address).query))["redirect_uri"])
        idle.append(socket.create_connection((redirect.hostname or "", redirect.port or 0)))
        oidc.browse(address)

    proof = by_browser(provider, open_browser=browser, tell=silent, timeout=30)
    idle[0].close()

    assert claims_of(proof)["sub"] == "ann"


def test_a_device_waits_as_it_is_told_and_brings_a_proof(oidc: OidcServer, provider: Provider) -> None:
    told: list[str] = []
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 4:
            oidc.approve(told[0], sub="bob")

    before = oidc.polls
    oidc.slow_down(1)
    proof = by_device(provider, tell=told.append, timeout=600, sleep=sleep)

    # Each slow_down adds five seconds for good (RFC 8628, section 3.5).
    assert slept == [1, 6, 6, 6]
    assert oidc.polls - before == 4
    assert claims_of(proof)["sub"] == "bob"
    assert proof.nonce is None


def test_a_device_that_was_refused_says_so(oidc: OidcServer, provider: Provider) -> None:
    told: list[str] = []
    with pytest.raises(NotAuthenticated, match="it was refused there"):
        by_device(
            provider, tell=told.append, timeout=600, sleep=lambda _: oidc.approve(told[0], deny=True)
        )  # fmt: skip


def test_a_device_gives_up_in_time(oidc: OidcServer, provider: Provider) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    before = oidc.polls
    with pytest.raises(NotAuthenticated, match="nobody logged in within 5 seconds"):
        by_device(provider, tell=silent, timeout=5, sleep=sleep, clock=lambda: now[0])
    assert oidc.polls - before == 5


def tokens_of(oidc: OidcServer, provider: Provider) -> dict[str, Any]:
    """What the provider gives a program that logs in by itself: its tokens, the refresh token too."""
    verifier = "v" * 43
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    redirect = "http://127.0.0.1:1/callback"
    asked = {
        "response_type": "code", "client_id": provider.client_id, "scope": "openid email", "redirect_uri": redirect,
        "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    address = f"{oidc.issuer}/oauth2/authorize?{urlencode(asked)}"
    sent = urllib3.request("POST", address, body="sub=ann", headers=form, redirect=False, retries=False)
    code = dict(parse_qsl(urlsplit(sent.headers["location"]).query))["code"]
    body = urlencode({
        "grant_type": "authorization_code", "code": code, "redirect_uri": redirect, "client_id": provider.client_id,
        "code_verifier": verifier,
    })  # fmt: skip
    found = urllib3.request("POST", f"{oidc.issuer}/oauth2/token", body=body, headers=form, retries=False)
    tokens: dict[str, Any] = found.json()
    return tokens


def test_a_refresh_token_of_the_provider_brings_a_proof(oidc: OidcServer, provider: Provider) -> None:
    refresh = tokens_of(oidc, provider)["refresh_token"]

    assert claims_of(by_refresh_token(provider, Secret(refresh)))["sub"] == "ann"
    with pytest.raises(NotAuthenticated, match="Studio") as caught:
        by_refresh_token(provider, Secret("no-such-token"))
    assert "no-such-token" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "error"), [("/nowhere", "openid-configuration"), ("", "cannot be reached")], ids=["no page", "nobody"]
)
def test_a_provider_that_is_none_is_said(oidc: OidcServer, path: str, error: str) -> None:
    issuer = f"{oidc.issuer}{path}" if path else "http://127.0.0.1:1"
    with pytest.raises(ProviderUnavailable, match=error):
        by_device(Provider(name="x", issuer=issuer, client_id=CLIENT), tell=silent, timeout=5)


def test_a_provider_that_calls_itself_another_is_refused(oidc: OidcServer) -> None:
    liar = Provider(name="liar", issuer=f"{oidc.issuer}/liar", client_id=CLIENT)
    with pytest.raises(NotAuthenticated, match="another provider"):
        by_browser(liar, open_browser=silent, tell=silent, timeout=5)


def test_a_provider_in_the_open_is_never_asked() -> None:
    provider = Provider(name="x", issuer="http://sso.example.org", client_id=CLIENT)
    with pytest.raises(ProviderUnavailable, match="https://"):
        by_device(provider, tell=silent, timeout=5)


# --- with a server ------------------------------------------------------------------------------------

PASSWORD = "correct horse battery staple"


class Running(NamedTuple):
    """A server and the one-time code of its first start."""

    url: str
    code: str


@contextlib.contextmanager
def running(folder: Path, oidc: OidcServer, **auth: Any) -> Iterator[Running]:
    """`recordroom serve` with the provider."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = "".join(f"{name} = {json.dumps(value)}\n" for name, value in auth.items())
    provider = f'name = "sso"\nlabel = "Studio"\nissuer = "{oidc.issuer}"\nclient_id = "{CLIENT}"'
    more = 'provision = true\nroles = ["editor"]\nname_claim = "sub"'
    (folder / "server.toml").write_text(f"[auth]\n{settings}\n[[auth.providers]]\n{provider}\n{more}\n")
    command = [RECORDROOM, "serve", "a.room", "--port", "0", "--config", "server.toml", "--json"]
    with (folder / "log").open("w") as log:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=folder)
    assert child.stdout is not None
    try:
        line = child.stdout.readline()
        assert line, (folder / "log").read_text()
        told = json.loads(line)
        yield Running(told["url"], told["code"])
    finally:
        child.terminate()
        child.wait(30)
        child.stdout.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, oidc: OidcServer) -> Iterator[Running]:
    """A server whose administrator has a password; a refresh token that was replaced is not taken again."""
    with running(tmp_path_factory.mktemp("served"), oidc, grace_seconds=0) as found:
        Accounts(found.url).grant({"grant": "code", "code": found.code, "new_password": PASSWORD})
        yield found


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[MemoryKeyring]:
    """An empty keyring, and no profiles."""
    monkeypatch.setenv("RECORDROOM_CONFIG", str(tmp_path / "config"))
    with keyring_in_memory() as found:
        yield found


def nobody(_: str) -> None:
    raise AssertionError("a person was asked")


def signed_on(oidc: OidcServer, server: Running, **more: Any) -> rr.Session:
    return rr.login(server.url, method="browser", open_browser=oidc.browse, tell=silent, **more)


def me(session: rr.Session) -> str:
    return session.transport.actor


def held(session: rr.Session) -> SessionTokens:
    found = session.transport.credentials  # type: ignore[attr-defined]
    assert isinstance(found, SessionTokens)
    return found


def test_a_session_begins_in_the_browser(oidc: OidcServer, server: Running) -> None:
    with signed_on(oidc, server) as session:
        assert me(session) == "ann"
        assert list(session.databases) == ["main"]


def test_a_session_begins_on_another_device(oidc: OidcServer, server: Running) -> None:
    def person(told: str) -> None:
        oidc.approve(told, sub="bob")

    with rr.login(server.url, method="device", tell=person, open_browser=nobody) as session:
        assert me(session) == "bob"


def test_the_way_in_is_found_by_asking_the_server(
    oidc: OidcServer, server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with rr.login(server.url, tell=oidc.approve, open_browser=nobody) as session:
        assert me(session) == "ann"
    asked: list[str] = []
    monkeypatch.setattr("getpass.getpass", lambda question: asked.append(question) or PASSWORD)  # type: ignore[func-returns-value]
    with rr.login(server.url, "administrator", open_browser=nobody) as session:
        assert me(session) == "administrator"
    assert asked == [f"Password of administrator at {server.url}: "]


def test_a_password_gives_a_session_and_a_wrong_one_does_not(server: Running) -> None:
    with rr.login_with_password(server.url, "administrator", PASSWORD) as session:
        assert me(session) == "administrator"
    with pytest.raises(NotAuthenticated) as caught:
        rr.login_with_password(server.url, "administrator", "guess-of-a-thief")
    assert "guess-of-a-thief" not in f"{caught.value} {caught.value.facts}"


def test_tokens_of_the_provider_that_are_given_begin_a_session(oidc: OidcServer, server: Running) -> None:
    provider = Accounts(server.url).ways().providers[0]
    refresh = tokens_of(oidc, provider)["refresh_token"]
    with rr.login(server.url, provider="sso", refresh_token=refresh, open_browser=nobody) as session:
        assert me(session) == "ann"
    with rr.login(server.url, provider="sso", id_token=oidc.id_token("bob", CLIENT)) as session:
        assert me(session) == "bob"


def test_tokens_of_the_server_that_are_given_go_on_with_its_session(oidc: OidcServer, server: Running) -> None:
    with signed_on(oidc, server) as session:
        tokens = held(session)
        access = tokens.header().removeprefix("Bearer ")
        with rr.connect(server.url, access_token=access) as other:
            assert me(other) == "ann"
        assert tokens.refresh_token is not None
        with rr.login(server.url, refresh_token=tokens.refresh_token.reveal()) as other:
            assert me(other) == "ann"


# --- renewing -----------------------------------------------------------------------------------------


def test_refresh_tokens_rotate_and_one_that_is_shown_again_ends_the_session(oidc: OidcServer, server: Running) -> None:
    with signed_on(oidc, server) as session:
        tokens = held(session)
        stolen, stale = tokens.refresh_token, tokens.header()
        assert stolen is not None
        assert tokens.refresh(stale)
        assert tokens.refresh_token != stolen
        assert me(session) == "ann"

        with pytest.raises(NotAuthenticated):
            rr.login(server.url, refresh_token=stolen.reveal())
        with pytest.raises(NotAuthenticated, match="recordroom login"):
            tokens.refresh(tokens.header())


def test_work_in_parallel_does_not_notice_that_tokens_end(
    tmp_path: Path, oidc: OidcServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewals: list[str] = []
    real = Accounts.renewed

    def counted(accounts: Accounts, refresh: Secret) -> Any:
        renewals.append(refresh.reveal())
        return real(accounts, refresh)

    monkeypatch.setattr(Accounts, "renewed", counted)
    with (
        running(tmp_path / "short", oidc, access_seconds=1, grace_seconds=0) as short,
        signed_on(oidc, short) as session,
    ):
        seen: set[str] = set()

        def work(_: int) -> None:
            while len(renewals) < 3:
                assert [*session.databases] == ["main"]
                seen.add(held(session).header())

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))

    assert len(renewals) == len(set(renewals))
    assert len(seen) >= 3


# --- keeping ------------------------------------------------------------------------------------------


def test_a_log_in_that_is_kept_is_used_unattended(oidc: OidcServer, server: Running, memory: MemoryKeyring) -> None:
    with signed_on(oidc, server, persist=True) as session:
        assert me(session) == "ann"
    kept_first = kept(server.url)
    assert kept_first is not None
    assert (kept_first.user, kept_first.kind) == ("ann", "session")

    for way in ({"persist": True}, {"method": "keyring"}, {"user": "ann", "method": "keyring"}):
        with rr.login(server.url, open_browser=nobody, tell=nobody, **way) as session:
            assert me(session) == "ann"
            assert held(session).refresh(held(session).header())
            now = kept(server.url)
            assert now is not None
            assert now.secret == held(session).refresh_token

    last = kept(server.url)
    assert last is not None
    assert last.secret != kept_first.secret


def test_a_kept_log_in_that_was_ended_is_replaced_where_a_person_is_there(
    oidc: OidcServer, server: Running, memory: MemoryKeyring
) -> None:
    with signed_on(oidc, server, persist=True) as session:
        Accounts(server.url).log_out(held(session).header())

    with pytest.raises(NotAuthenticated, match="recordroom login"):
        rr.login(server.url, method="keyring", open_browser=nobody)
    with signed_on(oidc, server, persist=True) as session:
        assert me(session) == "ann"


def test_sessions_that_share_a_kept_log_in_do_not_end_each_other(
    oidc: OidcServer, server: Running, memory: MemoryKeyring
) -> None:
    signed_on(oidc, server, persist=True).close()
    sessions = [rr.login(server.url, method="keyring") for _ in range(4)]

    def work(session: rr.Session) -> str:
        held(session).refresh(held(session).header())
        return me(session)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, sessions * 3)) == ["ann"] * 12
    for session in sessions:
        session.close()


# --- what the server refuses --------------------------------------------------------------------------


def test_new_keys_of_the_provider_are_found(oidc: OidcServer, server: Running) -> None:
    signed_on(oidc, server).close()
    old = oidc.id_token("ann", CLIENT)
    oidc.rotate_keys()
    with signed_on(oidc, server) as session:
        assert me(session) == "ann"
    assert old


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": "another-program"},
        {"iss": "https://evil.example.org"},
        {"exp": 1},
        {"iat": 4102444800, "nbf": 4102444800},
        {"alg": "none"},
        {"key": "other"},
    ],
    ids=["audience", "issuer", "expired", "not yet", "alg=none", "foreign key"],
)
def test_a_token_that_is_wrong_in_one_thing_is_refused(
    oidc: OidcServer, server: Running, wrong: dict[str, Any]
) -> None:
    client = wrong.get("client_id", CLIENT)
    bad = oidc.id_token("ann", client, **{name: value for name, value in wrong.items() if name != "client_id"})
    rr.login(server.url, provider="sso", id_token=oidc.id_token("ann", CLIENT)).close()

    with pytest.raises(NotAuthenticated) as caught:
        rr.login(server.url, provider="sso", id_token=bad)
    assert bad not in f"{caught.value} {caught.value.facts}"


def test_a_token_that_was_shown_before_is_refused(oidc: OidcServer, server: Running) -> None:
    token = oidc.id_token("ann", CLIENT)
    rr.login(server.url, provider="sso", id_token=token).close()

    with pytest.raises(NotAuthenticated):
        rr.login(server.url, provider="sso", id_token=token)


def test_a_token_with_another_nonce_is_refused_by_the_server_too(oidc: OidcServer, server: Running) -> None:
    request = {"grant": "id_token", "provider": "sso", "nonce": "mine"}
    accounts = Accounts(server.url)

    assert accounts.grant({**request, "id_token": oidc.id_token("ann", CLIENT, nonce="mine")}).user == "ann"
    for claims in ({"nonce": "forged"}, {}):
        with pytest.raises(NotAuthenticated):
            accounts.grant({**request, "id_token": oidc.id_token("ann", CLIENT, **claims)})


def test_a_provider_that_the_server_does_not_know_is_said(server: Running) -> None:
    with pytest.raises(rr.UnknownName, match="no provider 'ssso'") as caught:
        rr.login(server.url, method="browser", provider="ssso", open_browser=nobody)
    assert caught.value.suggestions == ["sso"]


# --- other processes ----------------------------------------------------------------------------------


def test_a_worker_goes_on_with_the_access_token_alone(oidc: OidcServer, server: Running) -> None:
    with signed_on(oidc, server) as session:
        refresh = held(session).refresh_token
        assert refresh is not None
        text = session.serialize()
        assert refresh.reveal() not in text
        code = "import sys, recordroom as rr; print(rr.Session.deserialize(sys.stdin.read()).transport.actor)"
        done = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True)

    assert done.stdout == "ann\n"


def test_a_key_goes_to_a_worker_only_by_name(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    with rr.login_with_password(server.url, "administrator", PASSWORD) as session:
        key = Accounts(server.url).make_api_key(held(session).header(), "for a worker").reveal()
    with rr.connect(server.url, api_key=key) as session:
        text, named = session.serialize(), session.serialize(api_key=True)
    assert key not in text
    with pytest.raises(NotAuthenticated, match="RECORDROOM_API_KEY"):
        rr.Session.deserialize(text)
    with rr.Session.deserialize(named) as other:
        assert me(other) == "administrator"
    monkeypatch.setenv("RECORDROOM_API_KEY", key)
    with rr.Session.deserialize(text) as other:
        assert me(other) == "administrator"


# --- the command line ---------------------------------------------------------------------------------


def test_the_code_of_the_first_start_logs_in_once_and_is_remembered(
    cli: Cli, tmp_path: Path, oidc: OidcServer, memory: MemoryKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path / "first", oidc) as first:
        done = cli("login", first.url, "--code", first.code)
        assert done.code == 0, done.err
        assert "You are administrator at" in done.out
        assert cli("whoami", "--json").json["me"]["name"] == "administrator"
        with rr.connect() as session:
            assert me(session) == "administrator"
        again = cli("login", first.url, "--code", first.code)
        assert again.code == 1
        assert first.code not in again.err

        assert cli("logout").code == 0
        assert memory.entries == {}
        assert cli("whoami").code == 1
        assert cli("profile", "list", "--json").json["profiles"][0]["login"] is None
        log = (tmp_path / "first" / "log").read_text()
        assert first.code not in log


def test_without_a_keyring_a_key_stands_in_the_profile(
    cli: Cli, server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring.set_keyring(NoKeyring())
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    done = cli("login", server.url, "--user", "administrator", "--password-stdin", "--profile", "studio")
    assert done.code == 0, done.err
    assert "no keyring" in done.err
    text = ProfileFile(os.environ).path.read_text()
    assert 'api_key = "rrk_' in text
    key = text.partition('api_key = "')[2].partition('"')[0]
    assert [key in each for each in (done.out, done.err, cli("profile", "show", "studio").out)] == [False] * 3

    with rr.connect(profile="studio") as session:
        assert me(session) == "administrator"
    assert cli("logout", "--profile", "studio").code == 0
    with pytest.raises(NotAuthenticated):
        rr.connect(server.url, api_key=key)


def test_signing_on_at_the_command_line_keeps_the_log_in(
    cli: Cli, server: Running, oidc: OidcServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recordroom.client.login._open_browser", oidc.browse)
    done = cli("login", server.url, "--method", "browser", "--json")
    assert done.code == 0, done.err
    assert (done.json["user"], done.json["login"]) == ("ann", "keyring")
    with rr.connect() as session:
        assert me(session) == "ann"
