"""Files from the command line: put, get, list, transfer, availability."""

from __future__ import annotations

from pathlib import Path

import pytest

import recordroom as rr
from recordroom.model.ids import as_id

from .conftest import Cli

WORK = ("--at", "work=store")


@pytest.fixture
def studio(tmp_path: Path) -> str:
    """A room with files of its own and two more locations."""
    where = str(tmp_path / "studio.room")
    with rr.connect(where) as session:
        session.apply_template("files")
        for name in ("work", "cloud"):
            session.create("Location", {"name": name})
        session.commit()
    (tmp_path / "picture.png").write_bytes(b"pixels")
    for number in (1, 2):
        (tmp_path / f"head.{number:04d}.exr").write_bytes(b"x" * number)
    return where


def test_a_file_is_put_listed_and_got(cli: Cli, studio: str) -> None:
    put = cli("files", "put", studio, "picture.png", "--to", "work", *WORK)
    assert (put.code, len(as_id(put.out.strip()))) == (0, 16)
    assert "FileComponent picture, 6 bytes, in work." in put.err

    (line,) = cli("files", "list", studio, "--json").lines
    assert (line["name"], line["size"], line["locations"]) == ("picture", 6, ["work"])
    assert line["checksum"].startswith("sha256:")
    assert "picture" in cli("files", "list", studio, "--location", "work").out
    nothing = cli("files", "list", studio, "--location", "cloud")
    assert (nothing.out, nothing.err) == ("", "No components.\n")
    got = cli("files", "get", studio, "picture", "out.png", *WORK)
    assert (got.code, Path("out.png").read_bytes()) == (0, b"pixels")
    again = cli("files", "get", studio, "picture", "out.png", *WORK)
    assert again.code == 1
    assert "already" in again.err


def test_a_sequence_is_put_and_got_as_a_folder(cli: Cli, studio: str) -> None:
    put = cli("files", "put", studio, "head.%04d.exr [1-2]", "--name", "beauty", "--to", "work", *WORK, "--json").json
    assert (put["entity_type"], put["name"], put["size"]) == ("SequenceComponent", "beauty", 3)

    got = cli("files", "get", studio, put["id"], "out", *WORK, "--json").json
    assert sorted(Path(each).name for each in got["files"]) == ["beauty.0001.exr", "beauty.0002.exr"]
    assert len(cli("files", "list", studio, "--json").lines) == 1


def test_components_are_transferred_once(cli: Cli, studio: str) -> None:
    cli("files", "put", studio, "picture.png", "--to", "work", *WORK)
    question = 'Component where name is "picture"'
    both = (*WORK, "--at", "cloud=cloud")

    first = cli("files", "transfer", studio, question, "--to", "cloud", *both)
    assert (first.code, first.err) == (0, "1 component brought to cloud; 0 were there.\n")
    assert cli("files", "transfer", studio, "picture", "--to", "cloud", *both, "--json").json == {
        "transferred": [],
        "present": 1,
    }
    assert cli("files", "availability", studio, "picture", "--json").json == {
        "cloud": 100.0,
        "work": 100.0,
        **dict.fromkeys(("ftrack.connect", "ftrack.origin", "ftrack.review", "ftrack.server", "ftrack.unmanaged"), 0.0),
    }
    assert "100 %" in cli("files", "availability", studio, "picture").out


def test_what_a_crash_left_is_swept(cli: Cli, studio: str) -> None:
    Path("store").mkdir()
    Path("store/.rr-0123456789abcdef.part").write_bytes(b"half")

    assert cli("files", "sweep", studio, "work", *WORK, "--json").json == {"removed": 0}
    assert cli("files", "sweep", studio, "work", *WORK, "--hours", "0").err == "1 file removed.\n"
    assert cli("files", "sweep", studio, "work").code == 1


def test_what_is_put_nowhere_else_stays_where_it_is(cli: Cli, studio: str) -> None:
    put = cli("files", "put", studio, "picture.png")

    assert "in ftrack.unmanaged." in put.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("put", "none.png"), 1, "no file"),
        (("put", "head.%04d.exr [1-9]"), 1, "missing"),
        (("put", "picture.png", "--to", "work"), 1, "structure"),
        (("put", "picture.png", "--to", "nowhere"), 1, "nowhere"),
        (("put", "picture.png", "--at", "work"), 2, "NAME=FOLDER"),
        (("put", "picture.png", "--at", "work=ftp://x"), 1, "s3://"),
        (("put", "picture.png", "--at", "work=store", "--structure", "odd"), 1, "chunked_id"),
        (("put",), 2, "PATH"),
        (("get", "nothing", "out"), 1, "nothing"),
        (("transfer", "picture"), 2, "--to"),
        (("transfer", "Location where name is not none", "--to", "work", *WORK), 1, "components"),
        (("availability", "nothing"), 1, "nothing"),
    ],
)
def test_what_is_wrong_is_one_line_and_an_exit_code(
    cli: Cli, studio: str, arguments: tuple[str, ...], code: int, said: str
) -> None:
    command, *rest = arguments
    outcome = cli("files", command, "--room", studio, *rest)

    assert (outcome.code, outcome.out) == (code, "")
    assert said in outcome.err
    assert len(outcome.err.splitlines()) == 1
    with rr.connect(studio) as session:
        assert session.query("Component").count() == 0


def test_an_error_says_what_was_transferred_as_json(cli: Cli, studio: str) -> None:
    cli("files", "put", studio, "picture.png", "--to", "work", *WORK)
    for path in Path("store").rglob("*.png"):
        path.unlink()
    outcome = cli("files", "transfer", studio, "picture", "--to", "cloud", *WORK, "--at", "cloud=cloud", "--json")

    assert outcome.code == 1
    assert '"code": "transfer_failed"' in outcome.err
    assert '"transferred": []' in outcome.err
