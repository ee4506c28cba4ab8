"""Credentials: they renew themselves once, however many ask, and show their secrets to nobody."""

from __future__ import annotations

import copy
import logging
import multiprocessing
import pickle
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.backends.null import Keyring as NullKeyring

import recordroom as rr
from recordroom.client.asking import ask, private
from recordroom.client.credentials import AccessToken, ApiKey, Granted, SessionTokens, credentials_of
from recordroom.client.keeping import Kept, KeyringEntry, forget, keep, kept, keyring_works
from recordroom.client.login import Person, Wish, from_keyring, log_in, terminal
from recordroom.client.oidc import Proof, Provider
from recordroom.client.profiles import Profile
from recordroom.client.secret import Secret, secret
from recordroom.client.target import Target
from recordroom.client.urls import is_loopback, server_url
from recordroom.errors import InvalidValue, KeyringUnavailable, NotAuthenticated, StoreUnavailable
from tests.keyrings import MemoryKeyring, keyring_in_memory

URL = "https://room.example.org"


class Clock:
    """A clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Issuer:
    """Rotates refresh tokens, and takes one that was used for a theft, as the server does."""

    def __init__(self, lasts: float = 600.0) -> None:
        self.lasts = lasts
        self.count = 0
        self.valid = "r0"
        self.refuses: Exception | None = None
        self.gate: threading.Event | None = None
        self.takes = 0.0
        self.lock = threading.Lock()

    def first(self) -> Granted:
        return Granted(access=Secret("a0"), expires_in=self.lasts, refresh=Secret("r0"), user="ann")

    def grant(self, refresh: Secret) -> Granted:
        if self.gate is not None:
            assert self.gate.wait(10)
        time.sleep(self.takes)
        with self.lock:
            if self.refuses is not None:
                raise self.refuses
            if refresh.reveal() != self.valid:
                raise NotAuthenticated(where=URL, reason="the refresh token was used before")
            self.count += 1
            self.valid = f"r{self.count}"
            return Granted(access=Secret(f"a{self.count}"), expires_in=self.lasts, refresh=Secret(self.valid))


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[MemoryKeyring]:
    monkeypatch.setenv("RECORDROOM_CONFIG", str(tmp_path / "config"))
    with keyring_in_memory() as found:
        yield found


@pytest.fixture
def clock() -> Clock:
    return Clock()


def tokens(issuer: Issuer, clock: Clock, **more: Any) -> SessionTokens:
    return SessionTokens(issuer.first(), issuer.grant, where=URL, clock=clock, **more)


# --- renewing -----------------------------------------------------------------------------------------


def test_a_token_is_sent_as_it_is_until_shortly_before_its_end(clock: Clock) -> None:
    issuer = Issuer(lasts=600)
    session = tokens(issuer, clock)

    clock.now += 539
    assert session.header() == "Bearer a0"
    clock.now += 2
    assert session.header() == "Bearer a1"
    assert session.header() == "Bearer a1"
    assert issuer.count == 1


def test_a_short_token_is_renewed_in_its_last_tenth(clock: Clock) -> None:
    issuer = Issuer(lasts=10)
    session = tokens(issuer, clock)

    clock.now += 8.9
    assert session.header() == "Bearer a0"
    clock.now += 0.2
    assert session.header() == "Bearer a1"


def test_threads_that_meet_an_ended_token_renew_it_once(clock: Clock) -> None:
    issuer = Issuer()
    issuer.takes = 0.1  # so that all meet it
    session = tokens(issuer, clock)
    clock.now += 601
    together = threading.Barrier(16)

    def work(_: int) -> str:
        together.wait()
        return session.header()

    with ThreadPoolExecutor(16) as pool:
        seen = set(pool.map(work, range(16)))

    assert seen == {"Bearer a1"}
    assert issuer.count == 1


def test_threads_whose_requests_were_refused_renew_once(clock: Clock) -> None:
    issuer = Issuer()
    session = tokens(issuer, clock)
    together = threading.Barrier(16)

    def work(_: int) -> tuple[bool, str]:
        stale = "Bearer a0"
        together.wait()
        return session.refresh(stale), session.header()

    with ThreadPoolExecutor(16) as pool:
        seen = set(pool.map(work, range(16)))

    assert seen == {(True, "Bearer a1")}
    assert issuer.count == 1


def test_a_thread_does_not_wait_for_another_that_renews_early(clock: Clock) -> None:
    issuer = Issuer()
    session = tokens(issuer, clock)
    clock.now += 570
    issuer.gate = threading.Event()
    first: list[str] = []
    thread = threading.Thread(target=lambda: first.append(session.header()))
    thread.start()
    while not session._lock.locked():
        time.sleep(0)

    assert session.header() == "Bearer a0"
    issuer.gate.set()
    thread.join()
    assert first == ["Bearer a1"]


@pytest.mark.parametrize("trouble", [StoreUnavailable(reason="x"), NotAuthenticated(where=URL, reason="ended")])
def test_a_token_that_cannot_be_renewed_early_is_used_to_its_end(clock: Clock, trouble: Exception) -> None:
    issuer = Issuer()
    session = tokens(issuer, clock)
    issuer.refuses = trouble
    clock.now += 570
    assert session.header() == "Bearer a0"

    clock.now += 31
    with pytest.raises(type(trouble)):
        session.header()


def test_a_server_that_was_away_is_asked_again(clock: Clock) -> None:
    issuer = Issuer()
    session = tokens(issuer, clock)
    issuer.refuses = StoreUnavailable(reason="away")
    clock.now += 601
    with pytest.raises(StoreUnavailable):
        session.header()

    issuer.refuses = None
    assert session.header() == "Bearer a1"


def test_a_refusal_says_what_to_do_and_is_not_asked_for_again(clock: Clock) -> None:
    issuer = Issuer()
    issuer.valid = "another"
    session = tokens(issuer, clock)
    with pytest.raises(NotAuthenticated, match=r"recordroom login https://room\.example\.org") as caught:
        session.refresh("Bearer a0")
    assert caught.value.reason == "the refresh token was used before"

    issuer.valid = "r0"
    with pytest.raises(NotAuthenticated):
        session.refresh("Bearer a0")
    assert issuer.count == 0


def test_a_server_that_does_not_rotate_keeps_the_refresh_token(clock: Clock) -> None:
    asked: list[str] = []

    def grant(refresh: Secret) -> Granted:
        asked.append(refresh.reveal())
        return Granted(access=Secret(f"a{len(asked)}"), expires_in=600)

    session = SessionTokens(Issuer().first(), grant, clock=clock)
    for _ in range(2):
        clock.now += 601
        session.header()

    assert asked == ["r0", "r0"]


def test_a_forked_process_does_not_use_the_refresh_token_of_its_parent(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = Issuer()
    session = tokens(issuer, clock)
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert session.header() == "Bearer a0"
    clock.now += 601

    with pytest.raises(NotAuthenticated, match="process"):
        session.header()
    assert issuer.count == 0


def test_an_api_key_is_all_there_is() -> None:
    key = ApiKey(" rrk_secret \n")

    assert key.header() == "Bearer rrk_secret"
    assert key.refresh("Bearer rrk_secret") is False
    assert key.handover() == {}


def test_an_access_token_alone_says_what_to_do_at_its_end() -> None:
    token = AccessToken("aaa.bbb.ccc", URL)

    assert token.header() == "Bearer aaa.bbb.ccc"
    with pytest.raises(NotAuthenticated, match=r"recordroom login https://room\.example\.org"):
        token.refresh("Bearer aaa.bbb.ccc")


def test_what_was_given_says_which_credentials_there_are() -> None:
    assert credentials_of() is None
    assert isinstance(credentials_of(api_key="rrk_1"), ApiKey)
    assert isinstance(credentials_of(access_token="a.b.c", api_key="rrk_1"), AccessToken)


@pytest.mark.parametrize("text", ["", " ", "a b", "a\r\nX-Evil: 1", "schlüssel", "a\0b", None, 5])
def test_what_cannot_stand_in_a_header_is_refused_and_not_shown(text: Any) -> None:
    with pytest.raises(InvalidValue) as caught:
        ApiKey(text)
    assert "Evil" not in str(caught.value)
    assert "schl" not in str(caught.value.facts)


def test_another_process_gets_the_access_token_only(clock: Clock) -> None:
    handed = tokens(Issuer(), clock).handover()

    assert handed.keys() == {"access_token", "ends"}
    assert handed["access_token"] == "a0"


# --- nothing shows ------------------------------------------------------------------------------------

HIDDEN = "xyzzy-plugh"


def _holders() -> list[object]:
    hidden = Secret(HIDDEN)
    granted = Granted(access=hidden, expires_in=600, refresh=hidden, user="ann")
    return [
        hidden,
        granted,
        ApiKey(HIDDEN),
        AccessToken(HIDDEN, URL),
        SessionTokens(granted, lambda _: granted, where=URL),
        Kept(url=URL, user="ann", kind="session", secret=hidden),
        KeyringEntry(URL, "ann"),
        Profile(name="studio", url=URL, api_key=hidden),
        Profile(name="studio", url=f"postgresql://ann:{HIDDEN}@host/room?password={HIDDEN}"),
        Target(url=URL, api_key=hidden),
        Target(url=f"postgresql://ann:{HIDDEN}@host/room"),
        Proof(provider="sso", id_token=hidden),
        Provider(name="sso", issuer=URL, client_id="recordroom", client_secret=HIDDEN),
        Wish(
            url=URL, password=hidden, code=hidden, access_token=hidden, refresh_token=hidden, id_token=hidden,
            new_password=hidden,
        ),
    ]  # fmt: skip


_LABELS = [f"{type(each).__name__}{number}" for number, each in enumerate(_holders())]


@pytest.mark.parametrize("holder", _holders(), ids=_LABELS)
def test_no_secret_shows_in_a_repr_a_text_or_a_log(holder: object, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").warning("%s %r", holder, holder)
    shown = [repr(holder), str(holder), f"{holder}", f"{[holder]!r}", repr({"it": holder}), caplog.text]

    assert [each for each in shown if HIDDEN in each] == []


# What has no secret of ours; a database's address is kept as it was given.
_PLAIN = (KeyringEntry, Provider)


@pytest.mark.parametrize("holder", _holders(), ids=_LABELS)
def test_no_secret_is_pickled(holder: object) -> None:
    if isinstance(holder, _PLAIN) or "postgresql" in getattr(holder, "url", ""):
        assert pickle.dumps(holder)
        return
    with pytest.raises(TypeError, match="pickled") as caught:
        pickle.dumps(holder)
    assert HIDDEN not in str(caught.value)


def test_no_secret_shows_in_what_is_raised(clock: Clock) -> None:
    granted = Granted(access=Secret(HIDDEN), expires_in=1, refresh=Secret(HIDDEN))

    def refuse(refresh: Secret) -> Granted:
        raise NotAuthenticated(where=URL, reason="no")

    session = SessionTokens(granted, refuse, where=URL, clock=clock)
    clock.now += 2
    with pytest.raises(NotAuthenticated) as caught:
        session.header()
    assert HIDDEN not in "".join(traceback.format_exception(caught.value))
    assert HIDDEN not in repr(caught.value.facts)


def test_a_secret_is_equal_to_itself_and_copied_as_itself() -> None:
    one = Secret("one")

    assert one == Secret("one")
    assert one != Secret("two")
    assert one != "one"
    assert {one: 1}[Secret("one")] == 1
    assert copy.deepcopy([one]) == [one]
    assert secret(one, "api_key") is one


# --- the keyring --------------------------------------------------------------------------------------


def test_a_log_in_is_kept_for_its_server_and_its_user(memory: MemoryKeyring) -> None:
    ann = Kept(url=URL, user="ann", kind="session", secret=Secret("r1"))
    keep(ann)
    keep(Kept(url=f"{URL}/", user="bob", kind="api_key", secret=Secret("rrk_2")))

    assert kept(URL, "ann") == ann
    last = kept("HTTPS://Room.Example.Org:443/")
    assert last is not None
    assert (last.user, last.kind, last.secret.reveal()) == ("bob", "api_key", "rrk_2")
    assert kept("https://evil.example.org") is None
    assert kept(URL, "eve") is None


def test_an_entry_that_names_another_server_is_not_used(memory: MemoryKeyring) -> None:
    keep(Kept(url=URL, user="ann", kind="session", secret=Secret("r1")))
    text = memory.entries["recordroom", f"ann {URL}"]
    memory.entries["recordroom", "ann https://evil.example.org"] = text

    assert kept("https://evil.example.org", "ann") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"url": 1}', '{"url": "https://room.example.org"}'])
def test_an_entry_that_makes_no_sense_is_none(memory: MemoryKeyring, text: str) -> None:
    memory.entries["recordroom", f"ann {URL}"] = text

    assert kept(URL, "ann") is None


def test_what_is_forgotten_is_gone(memory: MemoryKeyring) -> None:
    keep(Kept(url=URL, user="ann", kind="session", secret=Secret("r1")))

    assert forget(URL, "ann") is True
    assert forget(URL, "ann") is False
    assert memory.entries == {}


def test_sessions_that_share_an_entry_renew_in_turn_with_the_latest_token(memory: MemoryKeyring, clock: Clock) -> None:
    keep(Kept(url=URL, user="ann", kind="session", secret=Secret("r0")))
    issuer = Issuer()
    issuer.takes = 0.02
    sessions = [tokens(issuer, clock, keeper=KeyringEntry(URL, "ann")) for _ in range(8)]
    clock.now += 601
    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(lambda each: each.header(), sessions))

    assert seen == {f"Bearer a{number}" for number in range(1, 9)}
    last = kept(URL, "ann")
    assert last is not None
    assert last.secret.reveal() == issuer.valid == "r8"


def test_a_renewal_does_not_bring_back_a_log_in_that_was_forgotten(memory: MemoryKeyring, clock: Clock) -> None:
    keep(Kept(url=URL, user="ann", kind="session", secret=Secret("r0")))
    session = tokens(Issuer(), clock, keeper=KeyringEntry(URL, "ann"))
    forget(URL, "ann")
    clock.now += 601

    assert session.header() == "Bearer a1"
    assert memory.entries == {}


def _count(folder: str, file: str, times: int) -> None:
    entry = KeyringEntry(URL, "ann", Path(folder))
    for _ in range(times):
        with entry.held():
            Path(file).write_text(str(int(Path(file).read_text()) + 1))


def test_the_lock_of_an_entry_holds_between_processes(tmp_path: Path) -> None:
    file = tmp_path / "count"
    file.write_text("0")
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_count, args=(str(tmp_path), str(file), 50)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    assert file.read_text() == "150"


@pytest.mark.parametrize("backend", [NoKeyring(), NullKeyring()])
def test_a_machine_without_a_keyring_says_so(memory: MemoryKeyring, backend: KeyringBackend) -> None:
    keyring.set_keyring(backend)

    with pytest.raises(KeyringUnavailable):
        keep(Kept(url=URL, user="ann", kind="session", secret=Secret("r1")))


def test_whether_there_is_a_keyring_is_known(memory: MemoryKeyring) -> None:
    assert keyring_works()
    for backend in (NoKeyring(), NullKeyring()):
        keyring.set_keyring(backend)
        assert not keyring_works()


def test_nothing_is_taken_from_an_empty_keyring(memory: MemoryKeyring) -> None:
    assert from_keyring(URL) is None
    with pytest.raises(NotAuthenticated, match="persist=True"):
        log_in(Wish(url=URL, method="keyring"), terminal())


def test_a_key_that_is_kept_is_used(memory: MemoryKeyring) -> None:
    keep(Kept(url=URL, user="ann", kind="api_key", secret=Secret("rrk_1")))
    found = log_in(Wish(url=URL, method="keyring"), terminal())

    assert found.header() == "Bearer rrk_1"


# --- addresses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "same"),
    [
        ("https://Room.Example.org", "https://room.example.org"),
        ("HTTPS://room.example.org:443/", "https://room.example.org"),
        ("http://127.0.0.1:80/a/", "http://127.0.0.1/a"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("https://[::1]:8443/", "https://[::1]:8443"),
    ],
)
def test_addresses_that_mean_the_same_are_one(given: str, same: str) -> None:
    assert server_url(given) == same


@pytest.mark.parametrize(
    "address",
    [
        "https://ann:pw-secret@room.example.org", "https://room.example.org?key=pw-secret", "https://h/#pw-secret",
        "ftp://room", "https://", "https://room:99999", "https://[::1", "room", "https://a b", "https://h\r\nX: pw-secret",
    ],
)  # fmt: skip
def test_addresses_that_are_none_are_refused_and_not_shown(address: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        server_url(address)
    assert "pw-secret" not in f"{caught.value} {caught.value.facts}"


@pytest.mark.parametrize("address", ["http://room.example.org", "http://127.evil.example.org", "http://10.0.0.1:8000"])
def test_nothing_secret_travels_in_the_open(address: str) -> None:
    assert not is_loopback(address)
    with pytest.raises(InvalidValue, match="https://"):
        private(address)
    with pytest.raises(InvalidValue, match="https://"):
        log_in(Wish(url=address, user="ann", password=Secret("x")), terminal())


@pytest.mark.parametrize(
    "address", ["http://localhost:8000", "http://127.0.0.1", "http://[::1]:1", "https://far.example"]
)
def test_what_stays_here_or_is_sealed_is_private(address: str) -> None:
    assert private(address) == address


def test_nobody_who_answers_is_said_without_the_address_asked() -> None:
    with pytest.raises(StoreUnavailable) as caught:
        ask("GET", f"http://127.0.0.1:1/{HIDDEN}?{HIDDEN}")
    assert "http://127.0.0.1:1 cannot be reached: nothing answers there." in str(caught.value)
    assert HIDDEN not in "".join(traceback.format_exception(caught.value))


# --- asking a person ----------------------------------------------------------------------------------


def test_a_password_is_not_asked_for_where_it_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    def shows(prompt: str = "", stream: Any = None) -> str:
        import getpass
        import warnings

        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
        return "typed in the open"

    monkeypatch.setattr("getpass.getpass", shows)
    with pytest.raises(
        NotAuthenticated, match=r"login_with_password.*browser.*device.*persist=True.*RECORDROOM_API_KEY"
    ):
        terminal().ask_secret("Password: ")


def test_nobody_at_the_keyboard_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(*_: object) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", ended)
    monkeypatch.setattr("getpass.getpass", ended)
    for question in (terminal().ask, terminal().ask_secret):
        with pytest.raises(NotAuthenticated, match="no terminal"):
            question("? ")


def test_an_embedded_room_needs_no_log_in() -> None:
    nobody = Person(ask=str, ask_secret=str, tell=print, open_browser=print)
    with pytest.raises(InvalidValue, match="needs no log-in"):
        log_in(Wish(url="my.room"), nobody)


# --- sessions as text ---------------------------------------------------------------------------------


def test_a_session_of_an_embedded_room_goes_on_elsewhere(tmp_path: Path) -> None:
    with rr.connect(tmp_path / "a.room", project="bunny", page_size=7) as session:
        text = session.serialize()
    with rr.Session.deserialize(text, mode="read") as other:
        assert (other.transport.where, other.project, other.page_size) == (session.transport.where, "bunny", 7)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"recordroom_session": 2}', f'{{"access_token": "{HIDDEN}"}}', "\ud800"]
)
def test_a_text_that_is_none_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"session\.serialize") as caught:
        rr.Session.deserialize(text)
    assert HIDDEN not in f"{caught.value} {caught.value.facts}"


def test_a_session_is_not_pickled_and_says_what_to_do(tmp_path: Path) -> None:
    with rr.connect(tmp_path / "a.room") as session, pytest.raises(TypeError, match=r"session\.serialize"):
        pickle.dumps(session)


def test_a_session_of_the_past_says_what_to_serialize(tmp_path: Path) -> None:
    with rr.connect(tmp_path / "a.room") as session, pytest.raises(InvalidValue, match=r"\.at\(0\)"):
        session.at(0).serialize()


def test_a_session_without_a_key_gives_none(tmp_path: Path) -> None:
    with rr.connect(tmp_path / "a.room") as session, pytest.raises(InvalidValue, match="no API key"):
        session.serialize(api_key=True)


def test_a_closed_session_is_not_serialized(tmp_path: Path) -> None:
    session = rr.connect(tmp_path / "a.room")
    session.close()
    with pytest.raises(rr.SessionClosed):
        session.serialize()
