"""Which version of an asset is the latest: the one with the highest number that the reader can see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import InvalidQuery
from ...query.syntax import And, Arithmetic, Call, Compare, In, Literal, Not, Parameter, Path, Query, Selected, Value
from .judging import Tests
from .trees import NEVER, THERE

if TYPE_CHECKING:
    from ...query.request import Page
    from ...query.syntax import Condition
    from .reading import Node, Reader

__all__ = ["IS_LATEST", "asked_for_latest", "is_latest", "latest_of_assets", "worked_order"]

_HIGHEST = ("asset", "versions", "version")
IS_LATEST = And(
    (
        Not(Compare("is", Path(("version",)), Literal(None))),
        Compare("is", Path(("version",)), Call("max", (Path(_HIGHEST),))),
    )
)
_AMONG = In(Path(("id",)), (Parameter("ids"),))
_OF_ASSETS = In(Path(("asset",)), (Parameter("ids"),))


def asked_for_latest(test: Tests) -> Condition:
    """The condition that `is_latest_version` is what a test says."""
    yes, no = test.holds(True), test.holds(False)
    if yes is no:
        return THERE if yes else NEVER
    return IS_LATEST if yes else Not(IS_LATEST)


def worked_order(names: tuple[str, ...], before: tuple[str, ...]) -> Value:
    """What is worked out at the end of a path, as far as something can be sorted by it."""
    if names == ("is_latest_version",):
        return _order(before)
    if names == ("latest_version", "version"):
        return Call("max", (Path((*before, "versions", "version")),))
    raise InvalidQuery(reason=f"{'.'.join(names)} cannot be sorted by or selected here")


def _order(before: tuple[str, ...]) -> Value:
    """1 for the latest version behind a path and 0 for others: other numbers are less than half above the half of the highest."""
    ratio = Arithmetic("/", Path((*before, "version")), Call("max", (Path((*before, *_HIGHEST)),)))
    return Call("round", (Arithmetic("-", ratio, Literal(0.5)),))


async def is_latest(reader: Reader, native: str, node: Node, page: Page) -> list[Any]:
    """Of each version of a page whether it is the latest."""
    query = Query("AssetVersion", (Selected(Path(("id",))),), And((_AMONG, IS_LATEST)))
    found = set((await reader.page(query, len(page.ids), {"ids": page.ids})).ids)
    return [each in found for each in page.ids]


async def latest_of_assets(reader: Reader, native: str, node: Node, page: Page) -> list[Any]:
    """Of each asset of a page its latest version."""
    query = Query("AssetVersion", (Selected(Path(("asset",))),), And((_OF_ASSETS, IS_LATEST)))
    found = await reader.page(query, len(page.ids), {"ids": page.ids})
    latest = dict(zip(found.columns["asset"], found.ids, strict=True))
    rows = await reader.by_ids("AssetVersion", found.ids, node)
    return [rows.get(latest.get(each, b"")) for each in page.ids]
