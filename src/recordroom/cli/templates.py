"""`recordroom template list|show|plan|apply`: ready schemas with their rows, and giving them to a room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .apps import group_of_commands, usage
from .output import counted, note, print_json, print_table, print_text, say
from .rooms import Json, Room, Wait, Words, open_session, placed

if TYPE_CHECKING:
    from ..model.template import Template

__all__ = ["template_app"]

template_app = group_of_commands(
    "template", "Ready entity types with their rows: list them, show one, plan and apply it."
)


@template_app.command(name="list", usage="Usage: recordroom template list [OPTIONS]")
def list_(*, json: Json = False) -> None:
    """List the templates that recordroom comes with.

    For example:

        recordroom template list
    """
    from ..client.templates import templates

    found = templates()
    if json:
        print_json([_facts(each) for each in found])
        return
    rows = [(each.name, str(len(each.types)), str(len(each.rows)), each.description) for each in found]
    print_table(("name", "types", "rows", "description"), rows)


@template_app.command(usage="Usage: recordroom template show NAME [OPTIONS]")
def show(template: str, /, *, json: Json = False) -> None:
    """Print what is in a template, in the form that schema apply reads: the types of the files it includes too.

    NAME is one of template list, or a file of your own.

    For example:

        recordroom template show production
    """
    from ..client.templates import template as template_of
    from ..model.schema_file import dump_text

    found = template_of(template)
    if json:
        print_json({**_facts(found), "types": list(found.types), "rows": _rows(found)})
        return
    print_text(dump_text(found.schema))
    for name, rows in _rows(found).items():
        note(f"{counted(len(rows), 'row')} of {name}")


def _facts(template: Template) -> dict[str, object]:
    return {
        "name": template.name,
        "label": template.label,
        "description": template.description,
        "includes": list(template.includes),
        "types": [each.name for each in template.types],
        "rows": len(template.rows),
    }


def _rows(template: Template) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = {}
    for row in template.rows:
        found.setdefault(row.type, []).append(row.values)
    return found


@template_app.command(usage=usage("template plan", "NAME"))
def plan(*words: Words, room: Room = None, json: Json = False) -> None:
    """Show what a room lacks of a template.

    Nothing is changed.

    For example:

        recordroom template plan studio.room production
    """
    where, (name,) = placed(words, room, ("NAME",))
    with open_session(where, "main") as session:
        planned = session.plan_template(name)
        revision = session.schema.revision
    _tell(planned.lines, applied=False, revision=revision, json=json)


@template_app.command(usage=usage("template apply", "NAME"))
def apply(*words: Words, room: Room = None, wait: Wait = 0.0, json: Json = False) -> None:
    """Give a room what it lacks of a template: types and rows, in one commit.

    What is there stays as it is; a second time changes nothing.

    For example:

        recordroom template apply studio.room production
    """
    where, (name,) = placed(words, room, ("NAME",))
    with open_session(where, "main", mode="write", wait=wait) as session:
        done = session.apply_template(name)
        revision = session.schema.revision
    _tell(done.lines, applied=bool(done.operations), revision=revision, json=json)
    if done.operations and not json:
        note(f"Applied {counted(len(done.operations), 'change')}.")


def _tell(lines: tuple[str, ...], *, applied: bool, revision: int, json: bool) -> None:
    if json:
        print_json({"applied": applied, "revision": revision, "changes": list(lines)})
        return
    for line in lines:
        say(line)
    if not lines:
        say("The room has everything that the template has; there is nothing to change.")
