"""The entity types of accounts, as operations that define them, in an order in which each finds those it refers to."""

from __future__ import annotations

from importlib.resources import files

from recordroom.model.operations import DefineType
from recordroom.model.schema_file import load_text

_ORDER = ("Role", "Group", "User", "Rule", "Project", "ProjectMember", "Share", "Token", "Webhook")


def account_types() -> list[DefineType]:
    """Define every type of `templates/core.toml`."""
    text = files("recordroom").joinpath("templates/core.toml").read_text(encoding="utf-8")
    schema = load_text(text).schema
    assert sorted(schema) == sorted(_ORDER)
    return [DefineType(schema[name]) for name in _ORDER]
