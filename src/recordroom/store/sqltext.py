"""Small pieces of SQL text that are the same on both databases but for their marks."""

from __future__ import annotations

__all__ = ["id_list", "marked", "quoted"]


def quoted(name: str) -> str:
    """An identifier as both databases quote it."""
    return '"' + name.replace('"', '""') + '"'


def marked(dialect: str, sql: str) -> str:
    """`sql`, written with `?` for its parameters, as the driver of `dialect` takes it."""
    return sql if dialect == "sqlite" else sql.replace("?", "%s")


def id_list(dialect: str) -> str:
    """What stands behind IN for a parameter that is a list of ids."""
    return "(SELECT unhex(value) FROM json_each(?))" if dialect == "sqlite" else "(SELECT unnest(?::bytea[]))"
