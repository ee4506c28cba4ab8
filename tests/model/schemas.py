"""Valid schemas at random, over few names, so that two of them have much in common."""

import datetime as dt
from decimal import Decimal
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from msgspec.structs import replace

from recordroom.model.kinds import KINDS, Text
from recordroom.model.schema import Attribute, EntityType, Schema
from recordroom.model.schema_rules import problems, validate

# Drawing a schema takes milliseconds, and more on a busy machine.
few = settings(max_examples=60, deadline=None)

TYPES = ("Item", "Task", "Project", "Person", "Shot")
NAMES = ("a", "b", "c", "name", "status")
SCALARS = tuple(name for name, kind in KINDS.items() if not kind.relation)

EXPRESSIONS = st.sampled_from(["a * 2", "coalesce(b.name, 'x')", "now()", "$actor"])
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": texts,
    "long_text": texts,
    "integer": st.integers(-(2**63), 2**63 - 1),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "decimal": st.decimals(-(10**20), 10**20, places=10) | st.just(Decimal("1.50")),
    "boolean": st.booleans(),
    "date": st.dates(),
    "datetime": st.datetimes(timezones=st.just(dt.UTC)),
    "choice": st.sampled_from(["open", "in progress", 'a "quoted" \\ one']),
    "json": json_values.filter(lambda value: not isinstance(value, str)),
    "uuid": st.uuids(),
    "hyperlink": st.just("https://example.org/a"),
    "color": st.just("#1e90ff"),
}


@st.composite
def scalars(draw: st.DrawFn, name: str, kind: str) -> Attribute:
    fields: dict[str, Any] = {}
    if kind == "choice":
        fields["choices"] = draw(st.permutations(["open", "in progress", 'a "quoted" \\ one']))
    if draw(st.integers(0, 5)) == 0 and kind != "choice":
        return Attribute(name=name, kind=kind, computed=draw(st.sampled_from(["a * 2", "concat(name, b)", "status"])))
    fields["required"] = draw(st.booleans())
    fields["immutable"] = draw(st.booleans())
    fields["multi"] = kind != "json" and draw(st.integers(0, 3)) == 0
    if kind != "json" and not fields["multi"]:
        fields["unique"] = draw(st.booleans())
        fields["indexed"] = draw(st.booleans())
    if isinstance(KINDS[kind], Text):
        fields["searchable"] = draw(st.sampled_from([None, True, False]))
        fields["pattern"] = draw(st.sampled_from([None, r"[\s\S]*"]))
        fields["max_length"] = draw(st.sampled_from([None, 30]))
    if kind in ("integer", "number", "decimal") and draw(st.booleans()):
        fields["min"], fields["max"] = draw(st.sampled_from([(None, 2**63 - 1), (-(2.0**64), None)]))
    given = draw(st.integers(0, 5))
    if given == 0 and not fields["multi"]:
        follows = draw(st.booleans()) and not fields["immutable"]
        return Attribute(name=name, kind=kind, initial=draw(EXPRESSIONS), follows=follows, **fields)
    if given == 1 and kind == "integer" and not fields["multi"]:
        return Attribute(name=name, kind=kind, numbered=draw(st.sampled_from(NAMES)), **fields)
    if draw(st.booleans()):
        value = VALUES[kind]
        fields["default"] = draw(st.lists(value, max_size=3) if fields["multi"] else value)
    return Attribute(name=name, kind=kind, label=draw(texts), **fields)


@st.composite
def relations(draw: st.DrawFn, name: str, kind: str, types: list[str]) -> Attribute:
    if kind == "mapping":
        return Attribute(name=name, kind=kind, of=draw(st.sampled_from(["text", "integer", "json", "uuid"])))
    reverse = draw(st.sampled_from(["", "x", "y", "z"]))
    target = draw(st.sampled_from(types))
    if kind == "links":
        return Attribute(name=name, kind=kind, target=target, reverse=reverse, notes=draw(st.booleans()))
    on_delete = draw(st.sampled_from(["restrict", "cascade", "nullify"]))
    required = on_delete != "nullify" and draw(st.booleans())
    initial = draw(st.none() | EXPRESSIONS)
    return Attribute(
        name=name, kind=kind, target=target, reverse=reverse, on_delete=on_delete, required=required, initial=initial
    )


@st.composite
def entity_types(draw: st.DrawFn, name: str, types: list[str]) -> EntityType:
    attributes = []
    for each in draw(st.lists(st.sampled_from(NAMES), unique=True)):
        kind = draw(st.sampled_from((*SCALARS, "reference", "reference", "links", "mapping")))
        made = scalars(each, kind) if kind in SCALARS else relations(each, kind, types)
        attributes.append(draw(made))
    return EntityType(
        name=name,
        attributes=tuple(attributes),
        extends=draw(st.sampled_from(["", "", *types[: types.index(name)]])),
        abstract=draw(st.booleans()),
        unique=tuple(draw(st.lists(st.lists(st.sampled_from(NAMES), min_size=1, unique=True).map(tuple), max_size=2))),
        description=draw(texts),
        display=draw(st.sampled_from(["", *NAMES])),
        initials=tuple(draw(st.dictionaries(st.sampled_from(NAMES), EXPRESSIONS, max_size=2)).items()),
    )


def _repaired(schema: Schema) -> Schema:
    """`schema` without what is wrong in it."""
    while found := problems(schema):
        wrong = found[0]
        owner = schema[wrong.type]
        kept = tuple(each for each in owner.attributes if each.name != wrong.attribute)
        mended = (
            replace(owner, attributes=kept) if wrong.attribute else replace(owner, unique=(), display="", initials=())
        )
        schema = Schema([mended if each is owner else each for each in schema.values()])
    return validate(schema)


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    """A valid schema in its normal form; types and attributes in any order."""
    types = draw(st.lists(st.sampled_from(TYPES), unique=True, max_size=4))
    made = [draw(entity_types(name, types)) for name in types]
    return _repaired(Schema(draw(st.permutations(made))))
