"""`recordroom serve` as a process: its first start, what it refuses, its signals, TLS, workers, logs."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import recordroom as rr
from tests.conftest import Places

from .conftest import Cli

PATIENCE = 30.0
COMMAND = [str(Path(sys.executable).with_name("recordroom")), "serve"]


class Server:
    """A running `recordroom serve`; `said` is the line that it says when it listens."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self.log_file = log
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, log.read_text()
        self.said: dict[str, Any] = json.loads(line)
        self.url: str = self.said["url"]

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def api_key(self) -> str:
        """A key of the administrator, by the one-time code."""
        # Workers may still be starting.
        reply = urllib3.request(
            "POST", f"{self.url}/v1/tokens", json={"grant": "code", "code": self.said["code"]}, timeout=PATIENCE
        )
        assert reply.status == 200, reply.data
        bearer = {"authorization": f"Bearer {reply.json()['access_token']}"}
        made = urllib3.request(
            "POST", f"{self.url}/v1/tokens", json={"grant": "api_key", "name": "test"}, headers=bearer
        )
        key: str = made.json()["api_key"]
        return key

    def await_line(self, text: str, times: int = 1) -> None:
        end = time.monotonic() + PATIENCE
        while self.log.count(text) < times:
            assert time.monotonic() < end, self.log
            time.sleep(0.02)


@contextlib.contextmanager
def serving(tmp_path: Path, *arguments: str, **environment: str) -> Iterator[Server]:
    log = tmp_path / "log"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [*COMMAND, *arguments, "--port", "0", "--json"],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=tmp_path,
            env=os.environ | environment,
        )
    try:
        yield Server(process, log)
    finally:
        process.terminate()
        process.wait(PATIENCE)
        assert process.stdout is not None
        process.stdout.close()


def test_the_first_start_makes_an_administrator_who_can_log_in_once(tmp_path: Path) -> None:
    with serving(tmp_path, "a.room") as server:
        key = server.api_key()
        again = urllib3.request("POST", f"{server.url}/v1/tokens", json={"grant": "code", "code": server.said["code"]})
        assert again.status == 401
        with rr.connect(server.url, api_key=key) as session:
            assert session.query("User").one()["name"] == "administrator"
    with serving(tmp_path, "a.room") as server, rr.connect(server.url, api_key=key) as session:
        assert server.said["code"] is None
        assert session.query("User").count() == 1


def test_what_was_begun_is_finished_when_it_is_told_to_stop(tmp_path: Path) -> None:
    with serving(tmp_path, "a.room") as server:
        with rr.connect(server.url, api_key=server.api_key()) as session:
            session.apply_schema('[Task.attributes]\nname = "text"')
            session.create("Task", {"name": "kept"})
            session.commit()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE) == 0
    with rr.connect(tmp_path / "a.room") as session:
        assert session.query("Task").one()["name"] == "kept"
        assert [str(each) for each in session.transport.check().problems] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.room", "--host", "0.0.0.0"], ["--tls-cert", "--behind-proxy"]),
        (["a.room", "--workers", "2"], ["workers", "PostgreSQL"]),
        (["a.room", "--tls-cert", "nowhere.pem"], ["tls_key"]),
        ([], ["which room"]),
        (["a.room", "--config", "nowhere.toml"], ["nowhere.toml"]),
        (["nowhere/a.room"], ["nowhere"]),
    ],
)
def test_what_cannot_be_served_is_said(cli: Cli, arguments: list[str], words: list[str]) -> None:
    outcome = cli("serve", *arguments, "--port", "0")

    assert outcome.code in (1, 2)
    assert outcome.out == ""
    for word in words:
        assert word in outcome.err


def test_a_port_that_is_taken_is_said(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        outcome = cli("serve", "a.room", "--port", taken.getsockname()[1])

    assert outcome.code == 1
    assert "cannot listen" in outcome.err


def test_the_settings_are_shown_with_where_they_come_from(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "server.toml").write_text('room = "file.room"\nport = 1\n')
    monkeypatch.setenv("RECORDROOM_SERVER_PORT", "2")

    shown = cli("config", "--config", "server.toml", "--workers", "1", "--json").json

    assert shown["room"] == {"value": "file.room", "from": "server.toml"}
    assert shown["port"] == {"value": 2, "from": "RECORDROOM_SERVER_PORT"}
    assert shown["workers"]["from"] == "--workers"


def test_settings_are_read_again_at_sighup(tmp_path: Path) -> None:
    config = tmp_path / "server.toml"
    config.write_text("[limits]\nbody = 1000000\n")
    with serving(tmp_path, "a.room", "--config", "server.toml") as server:
        big = {"grant": "password", "user": "x" * 5000, "password": "y"}
        assert urllib3.request("POST", f"{server.url}/v1/tokens", json=big).status == 401
        config.write_text("[limits]\nbody = 1000\n")
        server.process.send_signal(signal.SIGHUP)
        server.await_line("read again")
        assert urllib3.request("POST", f"{server.url}/v1/tokens", json=big).status == 413
        config.write_text("[limits]\nbody = 'much'\n")
        server.process.send_signal(signal.SIGHUP)
        server.await_line("stay as they were")
        assert urllib3.request("POST", f"{server.url}/v1/tokens", json=big).status == 413


def test_logs_are_json_with_request_ids_and_no_secrets(tmp_path: Path) -> None:
    (tmp_path / "server.toml").write_text('log_requests = "all"\n')
    with serving(tmp_path, "a.room", "--config", "server.toml") as server:
        key = server.api_key()
        reply = urllib3.request(
            "GET",
            f"{server.url}/v1/me?secret=hush",
            headers={"authorization": f"Bearer {key}", "x-request-id": "mine-1"},
        )
        assert reply.headers["x-request-id"] == "mine-1"
        server.await_line("mine-1")
    lines = [json.loads(line) for line in server.log.splitlines()]
    [line] = [each for each in lines if each.get("request_id") == "mine-1"]
    assert (line["message"], line["status"], line["actor"]) == ("GET /v1/me", 200, "administrator")
    for secret in (key, server.said["code"], "hush"):
        assert secret not in server.log


def certificate(folder: Path) -> tuple[str, str]:
    """Files of a new certificate of this machine, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(cert_file), str(key_file)


def test_sessions_reach_a_server_with_tls(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    with serving(tmp_path, "a.room", "--tls-cert", cert, "--tls-key", key) as server:
        assert server.url.startswith("https://")
        pool = urllib3.PoolManager(ca_certs=cert)
        reply = pool.request("POST", f"{server.url}/v1/tokens", json={"grant": "code", "code": server.said["code"]})
        with rr.connect(server.url, access_token=reply.json()["access_token"], ca_certs=cert) as session:
            assert session.query("User").count() == 1
        with pytest.raises(rr.Error, match="certificate"):
            rr.connect(server.url, access_token="x")


def test_several_processes_serve_a_room_on_postgresql_and_are_replaced(tmp_path: Path, places_postgres: Places) -> None:
    with serving(tmp_path, places_postgres("shared"), "--workers", "2") as server:
        with rr.connect(server.url, api_key=server.api_key()) as session:
            session.apply_schema('[Task.attributes]\nname = "text"')
            children = children_of(server.process.pid, 2)
            for child in children:
                os.kill(child, signal.SIGKILL)
                session.create("Task", {"name": str(child)})
                session.commit()
            assert session.query("Task").count() == 2
        replaced = children_of(server.process.pid, 2)
        assert not set(replaced) & set(children)
        server.process.send_signal(signal.SIGHUP)
        server.await_line("read again")
        server.process.terminate()
        assert server.process.wait(PATIENCE) == 0
        assert not any(alive(child) for child in replaced)


def children_of(parent: int, count: int) -> list[int]:
    """The processes that a server has started, when there are as many as wanted."""
    end = time.monotonic() + PATIENCE
    while True:
        found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        living = [int(each) for each in found if alive(int(each))]
        if len(living) == count:
            return living
        assert time.monotonic() < end, living
        time.sleep(0.02)


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_a_room_that_is_served_is_checked_and_backed_up_beside_the_server(cli: Cli, tmp_path: Path) -> None:
    with serving(tmp_path, "a.room") as server, rr.connect(server.url, api_key=server.api_key()) as session:
        session.apply_schema('[Task.attributes]\nname = "text"')
        task = session.create("Task", {"name": "one"})
        session.commit()
        task["name"] = "two"
        session.commit()

        checked = cli("check", "a.room", "--json")
        assert (checked.code, checked.json["problems"]) == (0, [])
        assert "behind" in checked.json["unchecked"][0]
        assert cli("backup", "a.room", "kept.room").code == 0
    with rr.connect(tmp_path / "kept.room") as session:
        assert [change.after for change in session.history(session.query("Task").one(), attribute="name")] == [
            "two",
            "one",
        ]
