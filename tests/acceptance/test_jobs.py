"""Jobs done by real processes: those of a server, those of `recordroom worker`; killed, stopped, with the rights of people."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import recordroom as rr
from recordroom.client.session import Session
from tests.acceptance.conftest import Cli
from tests.conftest import Places
from tests.media.making import film, picture
from tests.served import Served, served

PATIENCE = 60.0

# A handler that says that it has begun, and goes on for ever the first time that it is asked.
PLUGIN = """
import time
from pathlib import Path

def register(session):
    session.jobs.register("slow", slow)

def slow(running):
    begun = Path(running.data["folder"]) / f"begun {running.attempt}"
    running.session.create("Location", {"name": f"attempt {running.attempt}"})
    begun.write_text("")
    while running.attempt <= running.data["dead"]:
        running.check()
        time.sleep(0.01)
    return running.attempt
"""


def await_true(claim: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not claim():
        assert time.monotonic() < end, what
        time.sleep(0.02)


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of plugins that every process finds."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "slow.py").write_text(PLUGIN)
    monkeypatch.setenv("RECORDROOM_PLUGINS", str(folder))
    return folder


@contextlib.contextmanager
def worker(where: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A `recordroom worker` in a process of its own."""
    command = [sys.executable, "-c", "import sys; from recordroom.cli import main; sys.exit(main())"]
    with subprocess.Popen(
        [*command, "worker", where, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def submit_slow(where: str, folder: Path, dead: int = 1) -> str:
    with rr.connect(where, plugins=False) as session:
        session.apply_template("files")
        return str(session.jobs.submit("slow", {"folder": str(folder), "dead": dead})["id"])


def outcome(where: str, job: str) -> tuple[str, Any, int, list[str]]:
    with rr.connect(where, plugins=False, mode="read") as session:
        found = session.get("Job", job)
        assert found is not None
        names = session.query('select name from Location where name like "attempt %"')
        return found["status"], found["result"], found["attempts"], sorted(each["name"] for each in names)


def test_a_job_of_a_worker_that_is_killed_is_done_by_the_next(places: Places, plugins: Path, tmp_path: Path) -> None:
    where = places("killed")
    job = submit_slow(where, tmp_path)
    with worker(where, "--lease", "1") as first:
        await_true((tmp_path / "begun 1").exists, "the first worker does not begin")
        first.send_signal(signal.SIGKILL)
        first.wait()
    with worker(where, "--lease", "1") as second:
        await_true(lambda: outcome(where, job)[0] == "done", "nobody takes the job over")
        second.send_signal(signal.SIGTERM)
        second.communicate(timeout=PATIENCE)

    assert outcome(where, job) == ("done", 2, 2, ["attempt 2"])


def test_a_worker_that_stops_gives_its_job_back(places: Places, plugins: Path, tmp_path: Path) -> None:
    where = places("stopped")
    job = submit_slow(where, tmp_path)
    with worker(where) as process:
        await_true((tmp_path / "begun 1").exists, "the worker does not begin")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)

    assert process.returncode == 130
    assert outcome(where, job) == ("queued", None, 0, [])


# --- in a server ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A served room with people and the template of a studio."""
    where = str(tmp_path_factory.mktemp("served") / "studio.room")
    with rr.connect(where) as session:
        session.apply_template("production")
    with served(where, accounts=True) as server:
        yield server


@pytest.fixture
def session(studio: Served) -> Iterator[Session]:
    with rr.connect(studio.url, api_key=studio.api_key) as found:
        yield found


def person(studio: Served, session: Session, role: str) -> Session:
    """A session of a new user who has one role."""
    found = session.query("Role where name is $name", name=role).one()
    user = session.create("User", {"name": f"{role} {secrets.token_hex(4)}", "roles": [found]})
    session.commit()
    body = {"grant": "api_key", "name": "tests", "user": user["name"]}
    made = json.loads(studio.request("POST", "/v1/tokens", body).data)
    return rr.connect(studio.url, api_key=made["api_key"])


def test_a_server_does_jobs_by_itself(session: Session, tmp_path: Path) -> None:
    job = session.encode_media(film(tmp_path / "plate.mov"))
    session.jobs.wait(job, PATIENCE)

    assert job["status"] == "done", job["log"]
    assert {each["component"]["name"] for each in job["job_components"]} == {"ftrackreview-mp4", "ftrackreview-image"}
    assert job["worker"] != f"{os.uname().nodename}:{os.getpid()}"


def test_a_server_does_jobs_with_the_rights_of_who_created_them(
    studio: Served, session: Session, tmp_path: Path
) -> None:
    with person(studio, session, "editor") as editor:
        job = editor.encode_media(picture(tmp_path / "a.png"))
        editor.jobs.wait(job, PATIENCE)
        assert job["status"] == "done", job["log"]
        (made,) = job["job_components"]
        assert made["component"]["created_by"] == editor.transport.actor


def test_a_contributor_has_media_of_their_project_encoded(studio: Served, session: Session, tmp_path: Path) -> None:
    with person(studio, session, "contributor") as contributor:
        user = session.query("User where name is $name", name=contributor.transport.actor).one()
        project = session.create("Project", {"name": f"p{secrets.token_hex(4)}"})
        session.create("ProjectMember", {"project": project, "user": user})
        asset = session.create("Asset", {"name": "plate", "parent": project})
        version = session.create("AssetVersion", {"asset": asset})
        session.commit()
        job = contributor.encode_media(film(tmp_path / "plate.mov", with_sound=False), str(version["id"]))
        contributor.jobs.wait(job, PATIENCE)

        assert job["status"] == "done", job["log"]
        names = {
            each["name"] for each in contributor.query("Component where version is $version", version=version["id"])
        }
        assert names == {"ftrackreview-mp4", "ftrackreview-image"}


def test_a_job_that_somebody_else_has_changed_is_not_done_with_its_creators_rights(
    studio: Served, session: Session, tmp_path: Path
) -> None:
    kept = session.jobs.submit("encode_media", {}, due=None, status="cancelled")
    with person(studio, session, "editor") as editor:
        theirs = editor.get("Job", kept["id"])
        assert theirs is not None
        theirs["data"] = json.dumps({"source_component_id": str(kept["id"])})
        theirs["status"] = "queued"
        editor.commit()
    session.jobs.wait(kept, PATIENCE)

    assert kept["status"] == "failed"
    assert "PermissionDenied" in kept["log"]


def test_the_key_of_job_processes_opens_nothing_at_the_server_itself(studio: Served, session: Session) -> None:
    for key in ("", "x", "x.b3duZXI=", ".b3duZXI="):
        with pytest.raises(rr.NotAuthenticated):
            rr.connect(studio.url, access_token=key or "none")


# --- the command line -----------------------------------------------------------------------------


def test_jobs_are_listed_shown_called_off_and_queued_again(cli: Cli, tmp_path: Path) -> None:
    where = str(tmp_path / "cli.room")
    with rr.connect(where) as session:
        session.apply_template("files")
        job = str(session.jobs.submit("unknown", {"a": 1})["id"])

    assert [each["status"] for each in cli("job", "list", where, "--json").lines] == ["queued"]
    assert cli("job", "cancel", where, job).out.strip() == "cancelled"
    assert cli("job", "cancel", where, job).out.strip() == "nothing to do: it is cancelled"
    assert cli("job", "list", where, "--status", "queued", "--json").lines == []
    assert cli("job", "retry", where, job, "--json").json["status"] == "queued"
    shown = cli("job", "show", where, job, "--json").json
    assert (shown["type"], shown["data"]) == ("unknown", '{"a": 1}')
    assert "unknown" in cli("job", "list", where).out
    assert "type: unknown" in cli("job", "show", where, job).out


def test_a_job_that_there_is_not_is_said(cli: Cli, tmp_path: Path) -> None:
    where = str(tmp_path / "cli.room")
    with rr.connect(where) as session:
        session.apply_template("files")

    shown = cli("job", "show", where, "00000000-0000-0000-0000-000000000000")
    assert shown.code == 1
    assert "There is no Job with id 00000000-0000-0000-0000-000000000000." in shown.err
    assert "Job.id" in cli("job", "cancel", where, "x").err


def test_a_worker_does_what_waits_and_ends(cli: Cli, tmp_path: Path) -> None:
    where = str(tmp_path / "cli.room")
    with rr.connect(where) as session:
        session.apply_template("files")
        job = str(session.encode_media(picture(tmp_path / "a.png"))["id"])

    assert cli("worker", where, "--once", "--json").json == {"jobs": 1}
    assert cli("job", "show", where, job, "--json").json["status"] == "done"
