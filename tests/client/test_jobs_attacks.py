"""Rows of jobs that mean harm: whoever may write a job may write anything there, and it is about that job alone."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image

import recordroom as rr
from recordroom.files.fixed import SERVER, UNMANAGED

LONG_AGO = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
LATE = {"status": "running", "lease_ends": LONG_AGO}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with rr.connect(tmp_path_factory.mktemp("jobs") / "jobs.room") as found:
        found.apply_template("files")
        found.jobs.register("works", lambda running: running.data)
        found.jobs.register("fails", lambda running: 1 / 0)
        yield found


@pytest.mark.parametrize(
    "values",
    [
        {"type": "fails", "attempts": 5_000, "most_attempts": 10**6},
        {"type": "fails", "attempts": 2**63 - 1, "most_attempts": 2**63 - 1},
        {"type": "fails", "attempts": None},
        {"type": "fails", "most_attempts": None},
        {"type": "works", "attempts": 2**63 - 1, **LATE},
        {"type": "works", "most_attempts": None, "attempts": 3, **LATE},
        {"type": "works", "data": "[" * 100_000},
        {"type": "works", "data": "1" * 5_000},
        {"type": "encode_media", "data": '{"source_component_id": 1}'},
        {"type": "encode_media", "data": '{"source_component_id": {"a": []}, "output": 1}'},
    ],
)
def test_no_job_keeps_others_from_being_done(session: Any, values: dict[str, Any]) -> None:
    harmful = session.create("Job", values)
    session.commit()
    good = session.jobs.submit("works", {"a": 1})

    session.jobs.run_pending()

    session.refresh(good)
    session.refresh(harmful)
    assert good["status"] == "done"
    assert harmful["status"] in ("failed", "queued", "done")
    assert harmful["status"] != "queued" or harmful["due"] > dt.datetime.now(dt.UTC)


@pytest.mark.parametrize("data", ["[" * 100_000, '{"source_component_id": 1}', "1" * 5_000])
def test_data_that_cannot_be_read_fails_its_job_at_once(session: Any, data: str) -> None:
    job = session.create("Job", {"type": "encode_media", "data": data})
    session.commit()

    session.jobs.run_pending()

    session.refresh(job)
    assert job["status"] == "failed"
    assert "InvalidValue: Job.data" in job["log"]


def test_an_encoding_reads_nothing_but_what_lies_in_the_room(tmp_path: Path) -> None:
    room, secret = tmp_path / "studio.room", tmp_path / "of another room.png"
    Image.new("RGB", (64, 64), "red").save(secret)
    with rr.connect(room) as owner:
        owner.apply_template("core")
        owner.apply_template("production")
        user = owner.create("User", {"name": "mallory", "active": True})
        user["roles"].append(owner.query("Role where name is contributor").one())
        owner.commit()
    jobs = []
    with rr.connect(room, actor="mallory") as mallory:
        for where, path in ((UNMANAGED, str(secret)), (SERVER, f"../../{secret.name}"), (SERVER, str(secret))):
            component = mallory.create("FileComponent", {"name": "mine", "file_type": ".png"})
            found = {"component": component, "location": mallory.get("Location", where), "resource_identifier": path}
            mallory.create("ComponentLocation", found)
            mallory.commit()
            data = {
                "output": [{"format": "image/jpeg", "component_id": str(uuid4())}],
                "source_component_id": str(component["id"]),
            }
            jobs.append(mallory.jobs.submit("encode_media", data)["id"])
    with rr.connect(room) as owner:
        owner.jobs.run_pending()
        for job in jobs:
            assert owner.get("Job", job)["status"] == "failed", owner.get("Job", job)["log"]
        assert owner.query("JobComponent").count() == 0


@pytest.mark.parametrize(
    "climbing", ["/../../{name}", "/../../../../../../../../../../../../../..{path}", "/a/../../{name}"]
)
def test_the_type_of_a_file_is_no_path_of_the_machine(session: Any, tmp_path: Path, climbing: str) -> None:
    source, planted = tmp_path / "good.png", Path(tempfile.gettempdir(), f"planted {uuid4()}.py")
    Image.new("RGB", (64, 64), "red").save(source)
    component = session.create_component(source, location=SERVER)
    component["file_type"] = climbing.format(name=planted.name, path=planted)
    session.commit()

    job = session.encode_media(component)
    session.jobs.run_pending()
    session.refresh(job)

    try:
        assert not planted.exists()
        assert job["status"] == "done"
    finally:
        planted.unlink(missing_ok=True)


def test_data_that_somebody_changes_at_the_last_moment_is_not_done_as_another(tmp_path: Path) -> None:
    did: list[Any] = []
    with rr.connect(tmp_path / "race.room") as owner:
        owner.apply_template("core")
        owner.apply_template("files")
        user = owner.create("User", {"name": "mallory", "active": True})
        user["roles"].append(owner.query("Role where name is contributor").one())
        owner.commit()
        owner.jobs.register("spend", lambda running: did.append(running.data))
        job = owner.jobs.submit("spend", "theirs", user=user)

        def open_late(name: str) -> Any:
            with type(owner)(owner.transport.acting_as("mallory")) as mallory:
                mallory.get("Job", job["id"])["data"] = '"mine"'
                mallory.commit()
            return type(owner)(owner.transport.acting_as(name))

        owner.jobs.sessions = open_late
        owner.jobs.run_pending()

        owner.refresh(job)
        assert did == []
        assert job["status"] == "failed"
