"""Streams of a served room: whole whatever happens on the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from recordroom.client.http import Broken, Streamed
from recordroom.client.session import Session
from tests.client.conftest import Connect

pytestmark = pytest.mark.parametrize("transport", ["http"], indirect=True)


def rows(session: Session, question: str) -> list[Any]:
    """Every row of a stream of pages: its id and its columns."""
    found: list[Any] = []
    for page in session.query(question).pages():
        found += zip(page.ids, *page.columns.values(), strict=True)
    return found


@pytest.mark.parametrize(
    "question", ["Task where bid >= 10 order by name desc", "select name, project.name from Task limit 900 offset 50"]
)
def test_a_stream_that_breaks_off_goes_on_although_others_write_meanwhile(
    session: Session, connect: Connect, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    project = session.create("Project", {"name": "P"})
    session.create_many(
        "Task", {"name": [f"t{i % 7}" for i in range(1000)], "bid": list(range(1000)), "project": [project] * 1000}
    )
    session.commit()
    expected = rows(session, question)
    reader, writer = connect(page_size=10), connect(actor="other")
    whole, breaks = Streamed.pieces, iter(range(5))

    def breaking(self: Streamed) -> Iterator[bytes]:
        """The answer up to its middle, five times; somebody changes everything then."""
        data = b"".join(whole(self))
        if next(breaks, None) is None:
            yield data
            return
        yield data[: len(data) // 2]
        for task in writer.query("Task limit 20"):
            writer.delete(task)
        writer.create_many("Task", {"name": ["t0"] * 30, "bid": [5000] * 30})
        writer.commit()
        raise Broken("the connection broke off")

    monkeypatch.setattr(Streamed, "pieces", breaking)

    assert rows(reader, question) == expected
    assert next(breaks, None) is None
