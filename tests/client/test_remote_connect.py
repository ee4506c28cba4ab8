"""connect to a server: who you are, what may be said, and what is refused."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import recordroom as rr
from recordroom.client.http import timeouts
from recordroom.client.remote import RemoteRoom
from recordroom.client.retry import NEVER, Retry
from recordroom.errors import (
    InvalidValue,
    NotAuthenticated,
    RoomNotFound,
    ServerUnavailable,
    UnknownDatabase,
    UnknownType,
)
from recordroom.model.schema import EntityType
from recordroom.query.request import SchemaReply
from tests.client.scripted import Act, answer, good, scripted
from tests.client.street import Street

KEY = "rrk_owner"
SCHEMA = good(SchemaReply(database="main", revision=1, types=[]))


@pytest.fixture(autouse=True)
def nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No room, key or proxy is named by the environment, and there are no profiles."""
    for name in [*os.environ]:
        if name.startswith("RECORDROOM_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("RECORDROOM_CONFIG", str(tmp_path / "config"))


@pytest.fixture
def url(street: Street, tmp_path: Path) -> Iterator[str]:
    """A served room."""
    address = street.open(str(tmp_path / "served.room"))
    yield address
    street.close(address)


def test_a_server_is_asked_with_a_key(url: str) -> None:
    with rr.connect(url, api_key=KEY) as session:
        assert list(session.databases) == ["main"]
        assert session.transport.where == url
        assert session.transport.actor == "owner"
        assert isinstance(session.transport._transport, RemoteRoom)  # type: ignore[attr-defined]


def test_the_environment_names_server_key_and_database(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with rr.connect(url, api_key=KEY) as session:
        session.databases.create("archive")
    monkeypatch.setenv("RECORDROOM_URL", url)
    monkeypatch.setenv("RECORDROOM_API_KEY", KEY)
    monkeypatch.setenv("RECORDROOM_DATABASE", "archive")

    with rr.connect() as session:
        assert (session.transport.where, session.database) == (url, "archive")
    with rr.connect(database="main", api_key="rrk_ann") as session:
        assert (session.transport.actor, session.database) == ("ann", "main")


def test_a_key_that_is_not_known_is_refused(url: str) -> None:
    with pytest.raises(NotAuthenticated):
        rr.connect(url, api_key="wrong")


def test_without_a_credential_it_says_how_to_give_one(url: str) -> None:
    with pytest.raises(NotAuthenticated, match="RECORDROOM_API_KEY"):
        rr.connect(url)


def test_a_database_that_there_is_not_is_an_error_at_once(url: str) -> None:
    with pytest.raises(UnknownDatabase) as caught:
        rr.connect(url, api_key=KEY, database="mian")
    assert caught.value.suggestions == ["main"]


@pytest.mark.parametrize(
    "argument", [{"mode": "read"}, {"create": False}, {"wait": 1.0}, {"actor": "ann"}, {"retention": 30}], ids=repr
)
def test_what_makes_sense_in_this_process_only_is_refused(argument: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue, match=f"{next(iter(argument))}= is for a room in this process"):
        rr.connect("http://127.0.0.1:1", api_key=KEY, **argument)


@pytest.mark.parametrize(
    "argument", [{"api_key": KEY}, {"timeout": 1.0}, {"headers": {}}, {"retry": NEVER}, {"insecure": True}], ids=repr
)
def test_what_makes_sense_at_a_server_only_is_refused(argument: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=f"{next(iter(argument))}= is for a server"):
        rr.connect(tmp_path / "a.room", **argument)
    assert not (tmp_path / "a.room").exists()


def test_a_password_in_the_address_of_a_database_is_not_shown() -> None:
    with pytest.raises(InvalidValue) as caught:
        rr.connect("postgresql://ann:hunter2@localhost/studio", api_key=KEY)
    assert "hunter2" not in str(caught.value) + repr(caught.value.facts)


@pytest.mark.parametrize("where", ["http://example.org", "http://192.0.2.1:8765/room", "http://localhost.example.org"])
def test_a_credential_does_not_travel_in_the_open(where: str) -> None:
    with pytest.raises(InvalidValue, match="insecure=True") as caught:
        rr.connect(where, api_key="rrk_secret")
    assert "rrk_secret" not in str(caught.value) + repr(caught.value.facts)


def test_a_credential_travels_in_the_open_where_that_is_wanted() -> None:
    quick = Retry(base=0.0, first_contact=1)
    with pytest.raises(ServerUnavailable):
        rr.connect("http://nowhere.invalid", api_key=KEY, insecure=True, retry=quick)


@pytest.mark.parametrize(
    "where", ["http://ann:pw@localhost", "https://", "http://localhost/?a=b", "http://local host", "http://localhost:x"]
)
def test_an_address_that_makes_no_sense_is_refused(where: str) -> None:
    with pytest.raises(InvalidValue):
        rr.connect(where, api_key=KEY)


def test_a_room_may_stand_below_a_path() -> None:
    with scripted(SCHEMA) as script, rr.connect(f"{script.url}/studio/room/", api_key=KEY):
        assert script.lines == ["GET /studio/room/v1/schema/main HTTP/1.1"]


def test_connecting_to_another_place_says_what_is_there() -> None:
    def website(connection: Any) -> bool:
        connection.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\ncontent-length: 0\r\n\r\n")
        return True

    with scripted(website) as script, pytest.raises(RoomNotFound, match="no room at"):
        rr.connect(script.url, api_key=KEY)


@pytest.mark.parametrize(
    ("given", "read"), [(None, {}), (3, {"connect": 3.0, "read": 3.0}), ((1, 60), {"connect": 1.0, "read": 60.0})]
)
def test_time_outs_are_one_number_or_two(given: Any, read: dict[str, float]) -> None:
    assert timeouts(given) == read


@pytest.mark.parametrize("given", [0, -1, (1,), ("a", 1), float("inf"), "3"], ids=repr)
def test_time_outs_that_make_no_sense_are_refused(given: Any) -> None:
    with pytest.raises(InvalidValue, match="seconds"):
        rr.connect("http://127.0.0.1:1", api_key=KEY, timeout=given)


def test_a_schema_that_is_known_does_not_travel_again() -> None:
    first = SchemaReply(database="main", revision=3, types=[EntityType(name="Task")])
    second = SchemaReply(database="main", revision=4, types=[EntityType(name="Task"), EntityType(name="Shot")])
    acts = [good(first, etag='"3-a"'), answer(304, etag='"3-a"'), good(second, etag='"4-b"')]
    with scripted(*acts) as script, rr.connect(script.url, api_key=KEY) as session:
        known = session.schema
        with pytest.raises(UnknownType):
            session.query("Shot")
        assert session.schema is known
        assert session.query("Shot").query.type == "Shot"

    asked = [b'\r\nIf-None-Match: "3-a"\r\n' in each for each in script.heard]
    assert asked == [False, True, True]


def test_the_past_of_a_remote_room_uses_the_same_connections(url: str) -> None:
    with rr.connect(url, api_key=KEY) as session:
        session.apply_schema("[Task.attributes]\nname = 'text'")
        task = session.create("Task", {"name": "a"})
        first = session.commit()
        task["name"] = "b"
        session.commit()

        then = session.at(first)
        assert [each["name"] for each in then.query("Task")] == ["a"]
        assert [each["name"] for each in session.query("Task")] == ["b"]


def test_a_forked_child_has_connections_of_its_own(url: str) -> None:
    with rr.connect(url, api_key=KEY) as session:
        assert list(session.databases) == ["main"]
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            told = b"failed"
            with contextlib.suppress(BaseException):
                told = str(list(session.databases)).encode()
            os.write(writing, told)
            os._exit(0)
        os.close(writing)
        with open(reading, "rb") as pipe:  # noqa: PTH123 - a descriptor
            assert pipe.read() == b"['main']"
        os.waitpid(child, 0)
        assert list(session.databases) == ["main"]


# --- TLS and proxies ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "recordroom tests")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    pem, secret = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return pem, secret


@contextlib.contextmanager
def tls_in_front(of: str, certificate: tuple[Path, Path]) -> Iterator[str]:
    """An address that speaks TLS for a server that does not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    port = int(of.rpartition(":")[2])
    listening = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            with (
                contextlib.suppress(OSError),
                plain,
                context.wrap_socket(plain, server_side=True) as connection,
                socket.create_connection(("127.0.0.1", port)) as behind,
            ):
                while piece := connection.recv(65536):
                    behind.sendall(piece)
                    connection.sendall(behind.recv(65536))

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)


def test_certificates_are_verified(certificate: tuple[Path, Path]) -> None:
    with scripted(SCHEMA) as script, tls_in_front(script.url, certificate) as address:
        with pytest.raises(ServerUnavailable, match="certificate is not one that this machine trusts") as caught:
            rr.connect(address, api_key=KEY)
        assert caught.value.attempts == 1
        assert script.heard == []

        with rr.connect(address, api_key=KEY, ca_certs=certificate[0]) as session:
            assert session.transport.where == address


@pytest.mark.parametrize("login", ["", "ann:secret@"])
def test_the_proxy_of_the_environment_is_used(login: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(SCHEMA) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("//", f"//{login}"))
        with rr.connect("http://far.example/room", api_key=KEY, insecure=True):
            pass

    assert proxy.lines == ["GET http://far.example/room/v1/schema/main HTTP/1.1"]
    assert (b"proxy-authorization: basic" in proxy.heard[0].lower()) == bool(login)


def test_what_is_on_this_machine_needs_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    acts: list[Act] = [SCHEMA]
    with scripted(*acts) as script, rr.connect(script.url, api_key=KEY):
        assert len(script.heard) == 1
