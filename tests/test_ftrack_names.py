"""The page of names: every name that the documents of ftrack's Session have, and the test that proves each."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "ftrack-names.md"

# What the documents name: classes, functions with their parameters, properties, variables of the environment.
SESSION = {
    "Session": (
        "server_url api_key api_user auto_populate plugin_paths cache cache_key_maker auto_connect_event_hub schema_cache_path "
        "plugin_arguments timeout cookies headers strict_api"
    ),
    "Session.close": "",
    "Session.reset": "",
    "Session.auto_populating": "auto_populate",
    "Session.operation_recording": "record_operations",
    "Session.reset_remote": "reset_type entity",
    "Session.create": "entity_type data reconstructing",
    "Session.ensure": "entity_type data identifying_keys",
    "Session.get": "entity_type entity_key",
    "Session.query": "expression page_size",
    "Session.merge": "value merged",
    "Session.populate": "entities projections",
    "Session.rollback": "",
    "Session.commit": "",
    "Session.encode": "data entity_attribute_strategy",
    "Session.entity_reference": "entity",
    "Session.pick_location": "component",
    "Session.pick_locations": "components",
    "Session.create_component": "path data location",
    "Session.get_component_availability": "component locations",
    "Session.get_component_availabilities": "components locations",
    "Session.get_widget_url": "name entity theme",
    "Session.encode_media": "media version_id keep_original",
    "Session.get_upload_metadata": "component_id file_name file_size checksum",
    "Session.send_user_invites": "users",
    "SessionAuthentication": "api_key api_user",
    "AutoPopulatingContext": "session auto_populate",
    "OperationRecordingContext": "session record_operations",
}
OTHERS = [
    "Session.auto_populate",
    "Session.record_operations",
    "Session.closed",
    "Session.server_information",
    "Session.server_url",
    "Session.api_user",
    "Session.api_key",
    "Session.event_hub",
    "Session.created",
    "Session.modified",
    "Session.deleted",
    "Session.recorded_operations",
    "Session.types",
    "OperationPayload",
    "OperationPayload.clear",
    "OperationPayload.get",
    "OperationPayload.items",
    "OperationPayload.keys",
    "OperationPayload.pop",
    "OperationPayload.popitem",
    "OperationPayload.setdefault",
    "OperationPayload.update",
    "OperationPayload.values",
    "Operation",
    "CreateEntityOperation",
    "UpdateEntityOperation",
    "NOT_SET",
    "Cache",
    "MemoryCache",
    "LayeredCache",
    "KeyMaker",
    "StringKeyMaker",
    "QueryResult",
    "MultipleResultsFoundError",
    "EventHub.connect",
    "EventHub.subscribe",
    "plugin.discover",
    "register",
    "FTRACK_SERVER",
    "FTRACK_API_USER",
    "FTRACK_API_KEY",
    "FTRACK_EVENT_PLUGIN_PATH",
    "FTRACK_API_SCHEMA_CACHE_PATH",
    "ftrack.api.session.configure-location",
]
NAMES = [*SESSION, *(f"{name}({each})" for name, given in SESSION.items() for each in given.split()), *OTHERS]


@cache
def rows() -> dict[str, list[str]]:
    """The cells of each row of the page, by the name in ftrack's documents."""
    found = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [each.strip() for each in line.strip().strip("|").split(" | ")]
        if line.startswith("| `") and len(cells) == 4:
            found[cells[0].strip("`")] = cells
    return found


@cache
def functions_of(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_told_of_with_a_test_that_there_is(name: str) -> None:
    assert name in rows(), f"{name} is not in {PAGE.name}"
    cells = rows()[name]

    assert all(cells[1:]), "what it is here, in the dialect, and its test"
    proofs = re.findall(r"`(tests/\S+\.py)::(test_\w+)`", cells[3])
    assert proofs, "no test is named"
    for file, test in proofs:
        assert test in functions_of(file), f"{file} has no {test}"


def test_the_page_has_no_name_that_there_is_not() -> None:
    assert set(rows()) - set(NAMES) == set()
