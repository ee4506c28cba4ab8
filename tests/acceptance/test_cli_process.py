"""The installed `recordroom`, as a process: codes, pipes, signals, terminals."""

from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

import recordroom as rr

RECORDROOM = Path(sys.executable).with_name("recordroom")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and terminals")


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([RECORDROOM, *arguments], capture_output=True, text=True, check=False, timeout=60, **options)  # type: ignore[call-overload, no-any-return]


def test_help_teaches_and_imports_nothing_heavy() -> None:
    script = (
        "import sys; from recordroom.cli import main; main(['--help']);"
        "heavy = {'sqlalchemy', 'apsw', 'psycopg', 'pyarrow', 'polars', 'pandas', 'lark', 'rich.markdown'};"
        "sys.exit(sorted(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stderr
    for command in (
        "demo",
        "init",
        "schema",
        "types",
        "query",
        "import",
        "export",
        "history",
        "search",
        "check",
        "compact",
    ):
        assert command in done.stdout
    assert "Exit codes" in done.stdout
    assert "RECORDROOM_URL" in done.stdout


def test_the_installed_command_has_a_version_and_codes(tmp_path: Path) -> None:
    assert run("--version").stdout.strip()
    wrong = run("query", cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    missing = run("query", "no.room", "Airline", cwd=tmp_path)
    assert missing.returncode == 1
    assert "Traceback" not in missing.stderr


def test_a_reader_that_goes_away_is_no_failure_of_ours(room: str, tmp_path: Path) -> None:
    with rr.connect(tmp_path / room) as session:
        session.create_many("Flight", {"no": list(range(100, 30_100))})
        session.commit()
    with subprocess.Popen(
        [RECORDROOM, "query", room, "Flight", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        assert first.startswith(b"{"), process.stderr.read()
        process.stdout.close()
        said = process.stderr.read()

    assert process.returncode == 141
    assert said == b""


def test_ctrl_c_ends_cleanly(room: str, tmp_path: Path) -> None:
    with subprocess.Popen(
        [RECORDROOM, "import", room, "Flight", "-", "--format", "csv", "--batch-size", "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b"no\n" + b"".join(b"%d\n" % number for number in range(100, 5000)))
        process.stdin.flush()
        _wait_for_a_flight(tmp_path / room, process)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()

    assert process.returncode == 130
    assert said == b"recordroom: interrupted\n"
    with rr.connect(tmp_path / room) as session:
        assert not session.transport.check().problems


def _wait_for_a_flight(room: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    with rr.connect(room, mode="read") as session:
        while session.query("Flight where no is 100").count() == 0:
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            assert time.monotonic() < deadline, "the import did not begin"
            time.sleep(0.02)


def in_terminal(columns: int, folder: Path, *arguments: str) -> str:
    """What a terminal of that width would show."""
    import fcntl
    import pty
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
    environment.pop("COLUMNS", None)
    with subprocess.Popen(
        [RECORDROOM, *arguments], stdout=follower, stderr=follower, stdin=follower, cwd=folder, env=environment
    ) as process:
        os.close(follower)
        shown = b""
        while True:
            try:
                part = os.read(leader, 65_536)
            except OSError:
                break
            if not part:
                break
            shown += part
        process.wait()
    os.close(leader)
    assert process.returncode == 0
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode().replace("\r\n", "\n"))


def test_a_table_fits_the_terminal_and_says_what_does_not(room: str, tmp_path: Path) -> None:
    wide = in_terminal(100, tmp_path, "query", room, "Flight order by no")
    narrow = in_terminal(28, tmp_path, "query", room, "Flight order by no")

    assert "on_time" in wide.splitlines()[0]
    assert "do not fit" not in wide
    table = narrow.splitlines()[:5]
    assert max(map(len, table)) <= 28
    assert "on_time" not in table[0]
    assert "Columns that do not fit: status, delay, on_time" in " ".join(narrow.split())
