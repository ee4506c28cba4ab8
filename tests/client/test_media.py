"""Media through sessions: encoded by a job, on both databases, in this process and behind a server."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import PIL.Image
import pytest

import recordroom as rr
from recordroom.client.entity import Entity
from recordroom.client.session import Session
from recordroom.errors import InvalidMedia, InvalidValue, NoSuchFile, NotFound
from recordroom.files.fixed import SERVER
from tests.client.conftest import furnished, sessions_at
from tests.media.making import film, picture

Open = Callable[..., Session]


@pytest.fixture(scope="module", params=["sqlite, embedded", "postgresql, http"])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A room with the template of a studio, for the tests of a module."""
    with furnished(request, tmp_path_factory.mktemp("media"), "production") as found:
        yield found


@pytest.fixture
def opening(address: str) -> Iterator[Open]:
    with sessions_at(address) as opened:
        yield opened


@pytest.fixture
def session(opening: Open) -> Session:
    return opening()


@pytest.fixture
def version(session: Session) -> Entity:
    """A version of something, to attach media to."""
    project = session.create("Project", {"name": f"p{secrets.token_hex(4)}"})
    shot = session.create("Shot", {"name": "010", "parent": project})
    asset = session.create("Asset", {"name": "plate", "parent": shot})
    made = session.create("AssetVersion", {"asset": asset})
    session.commit()
    return made


def brought(session: Session, component: Entity, folder: Path) -> Path:
    (path,) = session.files.download(component, folder / f"{component['id']}{component['file_type']}")
    return path


def done(session: Session, job: Entity) -> Entity:
    session.jobs.run_pending()
    session.refresh(job)
    assert job["status"] == "done", job["log"]
    return job


def test_a_film_is_encoded_and_its_outputs_belong_to_the_job_and_the_version(
    session: Session, version: Entity, tmp_path: Path
) -> None:
    job = session.encode_media(film(tmp_path / "plate.mov"), version)
    data = json.loads(job["data"])
    assert (job["type"], job["status"]) == ("encode_media", "queued")
    assert [each["format"] for each in data["output"]] == ["video/mp4", "image/jpeg"]
    assert set(data) == {"output", "source_component_id", "keep_original", "version_id"}

    done(session, job)
    found = {each["component"]["name"]: each["component"] for each in job["job_components"]}
    assert set(found) == {"ftrackreview-mp4", "ftrackreview-image"}
    assert {str(each["id"]) for each in found.values()} == {each["component_id"] for each in data["output"]}
    assert {each["version"] for each in found.values()} == {version}
    assert job["result"]["output"] == data["output"]
    facts = json.loads(found["ftrackreview-mp4"]["metadata"]["ftr_meta"])
    assert (facts["frameIn"], facts["frameOut"], facts["frameRate"]) == (0, 11, 24)
    with av.open(str(brought(session, found["ftrackreview-mp4"], tmp_path))) as container:
        assert container.streams.video[0].codec_context.name == "h264"
    with PIL.Image.open(brought(session, found["ftrackreview-image"], tmp_path)) as image:
        assert image.size == (64, 48)


def test_the_picture_becomes_the_thumbnail_of_a_version_that_has_none(
    session: Session, version: Entity, tmp_path: Path
) -> None:
    first = done(session, session.encode_media(picture(tmp_path / "a.png"), version))
    session.refresh(version)
    assert [str(version["thumbnail"]["id"])] == [each["component_id"] for each in first["result"]["output"]]

    done(session, session.encode_media(picture(tmp_path / "b.png"), version))
    session.refresh(version)
    assert version["thumbnail"] in [each["component"] for each in first["job_components"]]


@pytest.mark.parametrize(
    ("may", "is_set"), [(None, False), (["comment"], False), (["comment", "thumbnail"], True), ([], True)]
)
def test_a_thumbnail_is_set_for_who_may_set_it(tmp_path: Path, may: list[str] | None, is_set: bool) -> None:
    room = tmp_path / "studio.room"
    with rr.connect(room) as owner:
        owner.apply_template("production")
        role = owner.create("Role", {"name": "encoder"})
        rules = [("read", "*", [])]
        rules += [(verb, name, []) for verb in ("create", "update", "delete") for name in _OF_ENCODINGS]
        rules += [] if may is None else [("update", "AssetVersion", may)]
        for verb, name, attributes in rules:
            owner.create("Rule", {"role": role, "verb": verb, "type": name, "attributes": attributes or None})
        owner.create("User", {"name": "ann", "active": True})["roles"].append(role)
        project = owner.create("Project", {"name": "p"})
        version = owner.create("AssetVersion", {"asset": owner.create("Asset", {"name": "a", "parent": project})})
        owner.commit()
    with rr.connect(room, actor="ann") as ann:
        job = ann.encode_media(picture(tmp_path / "a.png"), str(version["id"]), keep_original=True)
    with rr.connect(room) as owner:
        done(owner, owner.get("Job", job["id"]))
        found = owner.get("AssetVersion", version["id"])
        assert (found["thumbnail"] is not None) is is_set
        assert [each["name"] for each in found["components"]] == ["ftrackreview-image"]


_OF_ENCODINGS = ("Component", "ComponentLocation", "Job", "JobComponent")


def test_a_still_gives_a_picture_alone(session: Session, tmp_path: Path) -> None:
    job = session.encode_media(picture(tmp_path / "a.jpg"))
    assert [each["format"] for each in json.loads(job["data"])["output"]] == ["image/jpeg"]

    done(session, job)
    (only,) = job["job_components"]
    assert only["component"]["name"] == "ftrackreview-image"
    assert only["component"]["version"] is None


@pytest.mark.parametrize(("keep", "kept"), [("auto", False), (True, True), (False, False)])
def test_the_original_of_a_file_is_deleted_unless_it_is_to_be_kept(
    session: Session, tmp_path: Path, keep: Any, kept: bool
) -> None:
    job = session.encode_media(picture(tmp_path / "a.png"), keep_original=keep)
    source = json.loads(job["data"])["source_component_id"]
    assert session.get("FileComponent", source) is not None

    done(session, job)
    assert (session.query("FileComponent where id is $id", id=source).first() is not None) is kept


@pytest.mark.parametrize(("keep", "kept"), [("auto", True), (True, True), (False, False)])
def test_an_original_that_is_a_component_is_kept_unless_it_is_not_to_be(
    session: Session, tmp_path: Path, keep: Any, kept: bool
) -> None:
    component = session.create_component(picture(tmp_path / "a.png"), location=SERVER)
    job = session.encode_media(component, keep_original=keep)
    assert json.loads(job["data"])["source_component_id"] == str(component["id"])

    done(session, job)
    assert (session.query("FileComponent where id is $id", id=component["id"]).first() is not None) is kept


def test_what_the_session_has_recorded_is_committed_with_the_job(session: Session, tmp_path: Path) -> None:
    project = session.create("Project", {"name": f"p{secrets.token_hex(4)}"})
    job = session.encode_media(picture(tmp_path / "a.png"))

    assert session.state(project) == "clean"
    assert project["created_revision"] == job["created_revision"]
    session.jobs.cancel(job)


def test_what_is_no_media_fails_the_job_with_its_reason_and_leaves_nothing(session: Session, tmp_path: Path) -> None:
    (tmp_path / "notes.mov").write_text("this is no film")
    job = session.encode_media(tmp_path / "notes.mov")
    session.jobs.run_pending()
    session.refresh(job)

    assert (job["status"], job["attempts"], list(job["job_components"])) == ("failed", 1, [])
    assert "InvalidMedia" in job["log"]
    outputs = [each["component_id"] for each in json.loads(job["data"])["output"]]
    assert session.query("FileComponent where id in $ids", ids=outputs).all() == []


def test_an_attempt_after_one_that_was_lost_makes_the_same_components(session: Session, tmp_path: Path) -> None:
    job = session.encode_media(picture(tmp_path / "a.png"), keep_original=True)
    (planned,) = (each["component_id"] for each in json.loads(job["data"])["output"])
    # What an attempt that was killed before its commit has left in the room's location.
    session.locations[SERVER].reached().write(planned, [b"half of a pict"])

    done(session, job)
    (output,) = job["job_components"]
    assert str(output["component"]["id"]) == planned
    with PIL.Image.open(brought(session, output["component"], tmp_path)) as image:
        assert image.format == "JPEG"


@pytest.mark.parametrize("data", ["[]", "{}", '{"source_component_id": "x"}', "null"])
def test_a_job_whose_data_says_nothing_fails_by_name(session: Session, data: str) -> None:
    job = session.jobs.submit("encode_media", data)
    session.jobs.run_pending()
    session.refresh(job)

    assert job["status"] == "failed"
    assert "Job.data: expected an object with source_component_id" in job["log"]


def test_what_cannot_be_encoded_is_refused_at_once(session: Session, tmp_path: Path) -> None:
    before = session.jobs.pending()
    with pytest.raises(NoSuchFile):
        session.encode_media(tmp_path / "gone.mov")
    with pytest.raises(InvalidValue, match="keep_original"):
        session.encode_media(picture(tmp_path / "a.png"), keep_original="never")  # type: ignore[arg-type]
    with pytest.raises(NotFound, match="AssetVersion"):
        session.encode_media(tmp_path / "a.png", "00000000-0000-0000-0000-000000000000")
    with pytest.raises(InvalidValue, match="FileComponent"):
        session.encode_media(session.create("ContainerComponent", {"name": "x"}))
    session.rollback()
    assert session.jobs.pending() == before


def test_a_thumbnail_is_made_and_set(session: Session, version: Entity, tmp_path: Path) -> None:
    made = session.create_thumbnail(version, film(tmp_path / "a.mp4", size=(640, 320)))

    assert (version["thumbnail"], made["name"], made["file_type"]) == (made, "thumbnail", ".jpg")
    with PIL.Image.open(brought(session, made, tmp_path)) as image:
        assert image.size == (300, 150)


def test_a_thumbnail_is_made_of_a_component_too(session: Session, version: Entity, tmp_path: Path) -> None:
    component = session.create_component(picture(tmp_path / "a.png"), location=SERVER)
    made = session.create_thumbnail(version, component, size=20)

    with PIL.Image.open(brought(session, made, tmp_path)) as image:
        assert image.size == (20, 10)


def test_nothing_becomes_the_thumbnail_where_there_is_no_picture(
    session: Session, version: Entity, tmp_path: Path
) -> None:
    (tmp_path / "notes.jpg").write_text("no picture")
    with pytest.raises(InvalidMedia):
        session.create_thumbnail(version, tmp_path / "notes.jpg")
    with pytest.raises(InvalidValue, match="thumbnail"):
        session.create_thumbnail(session.create("NoteLabel", {"name": "x"}), tmp_path / "notes.jpg")
    session.rollback()

    session.refresh(version)
    assert version["thumbnail"] is None
