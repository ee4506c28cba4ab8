"""A session on each database, with types of every kind and relation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import recordroom as rr
from recordroom.client.session import Session
from recordroom.model.ids import new_id
from recordroom.model.operations import Commit, DefineType
from recordroom.model.schema import Attribute, EntityType

A = Attribute

TYPES = (
    EntityType(
        name="Resource",
        abstract=True,
        attributes=(A(name="name", kind="text", required=True), A(name="email", kind="text")),
    ),
    EntityType(name="User", extends="Resource", attributes=(A(name="age", kind="integer", min=0, max=150),)),
    EntityType(name="Group", extends="Resource", attributes=(A(name="motto", kind="long_text"),)),
    EntityType(
        name="Project",
        attributes=(
            A(name="name", kind="text", required=True, unique=True),
            A(name="code", kind="text", immutable=True),
            A(name="budget", kind="decimal"),
            A(name="started", kind="date"),
            A(name="lead", kind="reference", target="User"),
        ),
    ),
    EntityType(
        name="Task",
        attributes=(
            A(name="name", kind="text", required=True),
            A(name="status", kind="choice", choices=("open", "in progress", "done"), default="open"),
            A(name="note", kind="long_text"),
            A(name="bid", kind="integer"),
            A(name="hours", kind="number"),
            A(name="cost", kind="decimal"),
            A(name="done", kind="boolean", default=False),
            A(name="day", kind="date"),
            A(name="due", kind="datetime"),
            A(name="data", kind="json"),
            A(name="key", kind="uuid"),
            A(name="url", kind="hyperlink"),
            A(name="color", kind="color"),
            A(name="tags", kind="text", multi=True),
            A(name="loud", kind="text", computed="upper(name)"),
            A(name="project", kind="reference", target="Project", reverse="tasks", on_delete="cascade"),
            A(name="parent", kind="reference", target="Task", reverse="children"),
            A(name="owner", kind="reference", target="Resource", reverse="owned"),
            A(name="assignees", kind="links", target="User", reverse="assignments", notes=True),
            A(name="watchers", kind="links", target="Resource"),
            A(name="metadata", kind="mapping"),
            A(name="counts", kind="mapping", of="integer"),
        ),
    ),
    EntityType(name="Plane", attributes=(A(name="tail", kind="text"), A(name="manufacturer", kind="text"))),
    EntityType(
        name="Flight",
        attributes=(A(name="code", kind="text"), A(name="plane", kind="reference", target="Plane")),
    ),
)

Connect = Callable[..., Session]


def define(session: Session, *types: EntityType) -> None:
    """Define types in the session's database."""
    operations: list[Any] = [DefineType(definition=each) for each in types]
    session.transport.commit(Commit(id=new_id(), database=session.database, operations=operations))


@pytest.fixture
def connect(places: Any) -> Iterator[Connect]:
    """Opens sessions on one room, which has the types."""
    sessions: list[Session] = []

    def open_session(**options: Any) -> Session:
        session = rr.connect(places(), **options)
        if not sessions:
            define(session, *TYPES)
            session.reset()
        sessions.append(session)
        return session

    yield open_session
    for session in sessions:
        session.close()


@pytest.fixture
def session(connect: Connect) -> Session:
    return connect()


@pytest.fixture
def other(session: Session, connect: Connect) -> Session:
    """A second session on the same room."""
    return connect(actor="other")
