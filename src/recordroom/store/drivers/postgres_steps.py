"""Takes the steps of statements on a connection of psycopg: in the calling thread, or awaited on an event loop.

On a loop, rows are read and copied in pieces, with turns for others between them.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Any

import psycopg

from ..plans import Row
from .postgres_statements import Change, CopyIn, Select, Step, Steps, converter_of

__all__ = ["AsyncConnection", "Connection", "take", "take_async", "take_step", "take_step_async"]

Connection = psycopg.Connection[Row]
AsyncConnection = psycopg.AsyncConnection[Row]
_PIECE = 500  # rows
_TURN_SECONDS = 0.0015


# --- in the calling thread ---


def take(connection: Connection, steps: Steps) -> Any:
    """The result of a statement's steps."""
    try:
        step = next(steps)
        while True:
            step = steps.send(take_step(connection, step))
    except StopIteration as stop:
        return stop.value


def take_step(connection: Connection, step: Step) -> Any:
    """The result of one step."""
    if type(step) is Select:
        cursor = connection.cursor(binary=step.binary)
        cursor.execute(step.sql, step.parameters, prepare=step.prepare)
        while cursor.nextset():
            pass
        rows = cursor.fetchall()
        convert = converter_of(cursor.pgresult, step.storage) if rows and cursor.pgresult is not None else None
        return rows if convert is None else convert(rows)
    if type(step) is CopyIn:
        with connection.cursor().copy(step.sql) as copy:
            copy.set_types(step.types)
            for row in step.rows:
                copy.write_row(row)
        return None
    assert type(step) is Change
    return max(connection.execute(step.sql, step.parameters, prepare=step.prepare).rowcount, 0)


# --- on an event loop ---


async def take_async(connection: AsyncConnection, steps: Steps) -> Any:
    """The result of a statement's steps."""
    try:
        step = next(steps)
        while True:
            step = steps.send(await take_step_async(connection, step))
    except StopIteration as stop:
        return stop.value


async def take_step_async(connection: AsyncConnection, step: Step) -> Any:
    """The result of one step."""
    if type(step) is Select:
        cursor = connection.cursor(binary=step.binary)
        await cursor.execute(step.sql, step.parameters, prepare=step.prepare)
        while cursor.nextset():
            pass
        return await _fetched(cursor, step)
    if type(step) is CopyIn:
        await _copied(connection, step)
        return None
    assert type(step) is Change
    return max((await connection.execute(step.sql, step.parameters, prepare=step.prepare)).rowcount, 0)


async def _fetched(cursor: psycopg.AsyncCursor[Row], step: Select) -> list[Row]:
    result = cursor.pgresult
    if result is None or not result.ntuples:
        return []
    convert = converter_of(result, step.storage)
    found: list[Row] = []
    end = perf_counter() + _TURN_SECONDS
    while rows := await cursor.fetchmany(_PIECE):
        found += rows if convert is None else convert(rows)
        if perf_counter() > end:
            await asyncio.sleep(0)
            end = perf_counter() + _TURN_SECONDS
    return found


async def _copied(connection: AsyncConnection, step: CopyIn) -> None:
    async with connection.cursor().copy(step.sql) as copy:
        copy.set_types(step.types)
        write_row = copy.formatter.write_row
        for row in step.rows:
            # Gives data when there is enough of it to be sent.
            if data := write_row(row):
                await copy.writer.write(data)
                await asyncio.sleep(0)
