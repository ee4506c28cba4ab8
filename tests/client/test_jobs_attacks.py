"""Rows of jobs that mean harm: whoever may write a job may write anything there, and it is about that job alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

import recordroom as rr

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
