"""Drivers: what runs a plan's statements. `sqlite` in the calling thread, `postgres` on pooled connections.

An error of the database is thrown into the plan where it yielded the statement: a `Violation` for a
constraint, otherwise one of `recordroom.errors`. A plan that means to go on after it has yielded
`SAVEPOINT name` before, and yields `ROLLBACK TO SAVEPOINT name` next; otherwise it ends, and everything
is undone.
"""
