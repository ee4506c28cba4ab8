"""Every public name around the session of the unmodified client is here, with parameters of the same names."""

from __future__ import annotations

import importlib
import inspect
import warnings
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ftrack_api

    THEIRS = {
        name: importlib.import_module(f"ftrack_api.{name}")
        for name in (
            "accessor.base", "accessor.disk", "accessor.server", "cache", "data", "entity.component", "entity.location",
            "event.base", "event.expression", "event.hub", "event.subscriber", "event.subscription", "exception",
            "formatter", "inspection", "logging", "plugin", "resource_identifier_transformer.base", "structure.base",
            "structure.entity_id", "structure.id", "structure.origin", "structure.standard", "symbol",
        )
    }  # fmt: skip

# What belongs to another wire, or is how theirs is made and not what it does.
ELSEWHERE = {
    ("event.hub", "SocketIoSession"),
    ("accessor.disk", "error_handler"),
    ("event.expression", "alphanums"),
}


def own(module: Any) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not inspect.ismodule(value)
        and getattr(value, "__module__", module.__name__) == module.__name__
    ]


CASES = [(module, name) for module, theirs in THEIRS.items() for name in own(theirs) if (module, name) not in ELSEWHERE]


def parameters(function: Any) -> list[str]:
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [each.name for each in found if each.kind not in kinds and not each.name.startswith("_")]


@pytest.mark.parametrize(("module", "name"), CASES)
def test_a_name_is_here_with_its_parameters(module: str, name: str) -> None:
    theirs = getattr(THEIRS[module], name)
    mine = getattr(importlib.import_module(f"recordroom.dialects.ftrack.client.{module}"), name)

    if inspect.isfunction(theirs):
        assert parameters(mine)[: len(parameters(theirs))] == parameters(theirs)
    if not inspect.isclass(theirs):
        return
    for member, value in vars(theirs).items():
        if member.startswith("_") and member != "__init__":
            continue
        assert hasattr(mine, member), f"{name}.{member}"
        if inspect.isfunction(value) and issubclass(mine, Exception) is False:
            wanted = [each for each in parameters(value) if each not in ("resourceIdentifier",)]
            assert set(wanted) <= {*parameters(getattr(mine, member)), "kw"} or _takes_any(mine, member), member


def _takes_any(mine: Any, member: str) -> bool:
    found = inspect.signature(getattr(mine, member)).parameters.values()
    return any(each.kind is each.VAR_KEYWORD for each in found) and member == "__init__"


def test_what_is_compared_is_the_unmodified_client() -> None:
    assert ftrack_api.__file__ is not None
    assert len(CASES) > 100
