"""The SQLAlchemy ORM in process, written as its documentation shows: declarative classes, one Session per job."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from sqlalchemy import DateTime, Engine, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from .data import NAMES, mappings_with_uuid
from .places import Place
from .raw import Settings


class Base(DeclarativeBase):
    pass


class Record(Base):
    __tablename__ = "record"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    status: Mapped[str]
    note: Mapped[str]
    priority: Mapped[int]
    size: Mapped[int]
    length: Mapped[float]
    weight: Mapped[float]
    done: Mapped[bool]
    due: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))


class Orm:
    """On SQLite (through the standard `sqlite3`) with the settings given, or on PostgreSQL through psycopg."""

    name = "SQLAlchemy ORM"

    def __init__(self, place: Place, settings: Settings | None = None) -> None:
        self.place = place
        self.settings = settings
        self.engines: dict[str, Engine] = {}

    def records(self, count: int) -> list[dict[str, Any]]:
        return mappings_with_uuid(count)

    def fresh(self, stack: ExitStack) -> str:
        where = self.place.new(stack)
        engine = self.engine(where)
        # A program has one engine per database, which keeps connections and compiled statements.
        stack.callback(engine.dispose)
        self.engines[where] = engine
        Base.metadata.create_all(engine)
        return where

    def engine(self, where: str) -> Engine:
        if self.settings is None:
            return create_engine(where.replace("postgresql://", "postgresql+psycopg://"))
        engine = create_engine(f"sqlite:///{where}")
        statements = self.settings.statements()

        @event.listens_for(engine, "connect")
        def keep_as_we_do(connection: Any, _: object) -> None:
            for statement in statements:
                connection.execute(statement)

        return engine

    def open(self, stack: ExitStack, where: str) -> Session:
        session = stack.enter_context(Session(self.engines.get(where) or self.engine(where)))
        session.connection()  # connected before the clock starts, as all others are
        return session

    def create(self, handle: Session, records: list[dict[str, Any]]) -> None:
        handle.add_all([Record(**each) for each in records])
        handle.commit()

    def query(self, handle: Session) -> Sequence[Record]:
        return handle.scalars(select(Record)).all()

    def update(self, handle: Session, found: Sequence[Record], values: Sequence[int]) -> None:
        for record, value in zip(found, values, strict=True):
            record.priority = value
        handle.commit()


class OrmReadThrough(Orm):
    """A query, and then every value of every object read once."""

    name = "SQLAlchemy ORM, every value read"

    def query(self, handle: Session) -> Sequence[Any]:
        found = super().query(handle)
        return [[getattr(record, name) for name in NAMES] for record in found]
