"""The jobs that are timed side by side: create, query, update, and the commit of one change."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import ExitStack

from .ftrack import FtrackField
from .harness import Contestant, Timing, Work, interleaved
from .orm import Orm, OrmReadThrough
from .ours import Ours, OursByColumns, OursReadThrough
from .places import Place
from .raw import Apsw, Psycopg, PsycopgCopy, Settings, Sqlite3
from .served import HttpField
from .subject import Subject, filled

Timings = dict[str, Timing]


class Field:
    """One database make, and who competes on it."""

    def __init__(self, place: Place, settings: Settings | None) -> None:
        self.place = place
        self.ours = Ours(place)
        self.filler: Subject = OursByColumns(place)
        self.creators: list[Subject] = [self.ours, OursByColumns(place)]
        self.readers: list[Subject] = [self.ours]
        self.raws: list[Subject]
        if settings is None:
            self.raws = [Psycopg(place)]
            self.creators += [*self.raws, PsycopgCopy(place)]
        else:
            self.raws = [Sqlite3(place, settings), Apsw(place, settings)]
            self.creators += self.raws
        orm = Orm(place, settings)
        self.creators.append(orm)
        self.readers += [*self.raws, orm, OursReadThrough(place), OrmReadThrough(place, settings)]
        self.updaters: list[Subject] = [self.ours, *self.raws, orm]


def create(field: Field | HttpField | FtrackField, count: int, rounds: int) -> Timings:
    """`count` new records in one transaction into an empty table."""

    def contestant(subject: Subject) -> Contestant:
        records = subject.records(count)

        def prepare(stack: ExitStack) -> Work:
            handle = subject.open(stack, subject.fresh(stack))
            return lambda: subject.create(handle, records)

        return Contestant(subject.name, prepare)

    return interleaved([contestant(each) for each in field.creators], count=count, rounds=rounds)


def query(field: Field | HttpField | FtrackField, count: int, rounds: int) -> Timings:
    """All of a table's `count` records, in a session that has none of them yet."""
    with ExitStack() as tables:

        def contestant(subject: Subject) -> Contestant:
            where = filled(subject, tables, count)

            def prepare(stack: ExitStack) -> Work:
                handle = subject.open(stack, where)
                return lambda: subject.query(handle)

            return Contestant(subject.name, prepare)

        # A round is short, so there may be more of them.
        return interleaved([contestant(each) for each in field.readers], count=count, rounds=3 * rounds)


def update(field: Field | HttpField | FtrackField, count: int, rounds: int) -> Timings:
    """One attribute of each of `count` loaded records set and written, in one transaction."""
    values = [1000 + i for i in range(count)]

    def contestant(subject: Subject) -> Contestant:
        def prepare(stack: ExitStack) -> Work:
            handle = subject.open(stack, filled(subject, stack, count))
            found = subject.query(handle)
            return lambda: subject.update(handle, found, values)

        return Contestant(subject.name, prepare)

    return interleaved([contestant(each) for each in field.updaters], count=count, rounds=rounds)


def one_change(field: Field | HttpField, loaded: Sequence[int], rounds: int) -> Timings:
    """The commit of one changed value, in sessions that hold more and more entities of one room."""
    with ExitStack() as sessions:
        where = filled(field.filler, sessions, max(loaded))

        def contestant(position: int, size: int) -> Contestant:
            session = field.ours.open(sessions, where)
            held = session.query(f"Record limit {size}").all()
            entity = held[position]
            values = itertools.count(1000)

            def change() -> None:
                entity["priority"] = next(values)
                session.commit()

            return Contestant(f"{size} loaded", lambda _: change)

        contestants = [contestant(position, size) for position, size in enumerate(loaded)]
        # Going through all that is loaded to find garbage would take longer than the commits.
        return interleaved(contestants, count=1, rounds=rounds, collect=False)


def followers(field: Field, count: int, rounds: int) -> Timings:
    """What commits leave to be done behind them, until somebody asks: the first search, the first look into the past."""
    ours = OursByColumns(field.place)

    def first_search(stack: ExitStack) -> Work:
        session = ours.open(stack, filled(ours, stack, count))
        return lambda: session.search("steel", limit=1)

    def first_past(stack: ExitStack) -> Work:
        session = ours.open(stack, filled(ours, stack, count))
        made = ours.update(session, session.query("Record").all(), range(1000, 1000 + count))
        before = session.at(made.revision - 1)
        return lambda: before.query("Record limit 1").all()

    contestants = [
        Contestant("first search after creates", first_search),
        Contestant("first look into the past after updates", first_past),
    ]
    return interleaved(contestants, count=count, rounds=rounds)
