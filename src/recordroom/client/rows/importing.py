"""Import: rows of a file become entities, batch by batch, in bounded memory.

Each batch is converted by column, references and keys are looked up in bulk, and one commit creates what is
new and updates what differs. Wrong rows stop the import (earlier batches stay, unless `atomic`) or are left
out, written to a file of rejects and counted. Nothing is dropped silently: see `ImportReport`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from ...errors import Error, ImportFailed, InvalidValue
from ...model.ids import new_id
from ...model.operations import Commit, CommitResult, Create, Update
from ...model.schema import Attribute
from ..pause import paused_collector
from .cells import Converter, cell_text, plain_cell
from .files import Source, TextOptions, broken
from .finding import Finder
from .mapping import Lookup, Plan, key_names, plan_columns, read_lookup
from .matching import changes_of, match
from .members import RelationChange, owners_of, relation_changes, take_links, take_mapping
from .parcel import Parcel
from .readers import Reader, Rows, open_reader
from .refusals import problem_of_error, problem_of_refusal
from .report import SHOWN_PROBLEMS, ImportReport, Problem, Rejects, Unresolved

if TYPE_CHECKING:
    from ..session import Session

__all__ = ["BATCH", "import_rows"]

BATCH = 10_000

Progress = Callable[[int, "int | None"], None]


class _Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for, as `import_rows` has it."""

    key: tuple[str, ...]
    mapping: dict[str, str]
    references: dict[str, Lookup]
    skip: bool
    null_unresolved: bool
    ignore_extra: bool
    atomic: bool
    nulls: tuple[str, ...]
    notes: str


def import_rows(  # noqa: PLR0913 - each is one thing that the user may say
    session: Session,
    type: str,
    source: str | PurePath | IO[bytes],
    *,
    format: str | None = None,
    key: Any = None,
    mapping: Mapping[str, str] | None = None,
    references: Mapping[str, Any] | None = None,
    on_error: Literal["stop", "skip"] = "stop",
    rejects: str | PurePath | None = None,
    unresolved: Literal["error", "null"] = "error",
    ignore_extra: bool = False,
    atomic: bool = False,
    batch_size: int = BATCH,
    options: TextOptions | None = None,
    progress: Progress | None = None,
    notes: str | None = None,
) -> ImportReport:
    """Create (and, with `key`, update) entities of `type` from a file of rows.

    `source` is a path or a binary stream of CSV, JSON lines, Parquet or Arrow; `format` says which where the name
    does not. `key`: attributes by which a row finds its entity; found ones are updated where they differ, others
    created. A file with a column `id` has that as its key. `mapping` goes from column to attribute; columns not
    named go to the attribute of their name. An empty cell is a missing value; an attribute without a column gets its default.

    `references` says how a reference is found: `{"carrier": "code"}` by the target's `code`, from the column that
    goes to `carrier`; `{"plane": "tailnum:tailnum"}` from column `tailnum`; `{"weather": "origin,hour:origin.faa,time"}`
    by several. Nothing said: ids, or the target's one unique attribute. What names nothing is an error of its row, or
    with `unresolved="null"` left empty and counted in the report.

    A row may name another one of the same file, also one further down.

    Links and mappings have a cell for the whole: a list of what names the members, found as references are, and an
    object; in CSV both as JSON. In links a row may name rows of its own batch and of those before.

    `on_error="stop"` raises ImportFailed at the first wrong row: batches before it stay committed (the error's
    `report` says what was done); with `atomic=True` the whole file is one commit, held in memory, and nothing is
    kept. `on_error="skip"` leaves wrong rows out, and writes them to `rejects` with line, column and what was expected.

    Commits go to the room at once, beside what the session has not committed; entities that it holds are as they were
    read until `refresh`. `progress` is called with the rows done and the rows in all (None where the file does not say).
    Raises ImportFailed for a file that cannot be read, UnknownAttribute for a column that is no attribute.
    """
    session._facts(type)  # a type that is not known may be new in the room
    _one_of("on_error", on_error, ("stop", "skip"))
    _one_of("unresolved", unresolved, ("error", "null"))
    opened = Source(source)
    options = options or TextOptions()
    with ExitStack() as stack:
        reader = open_reader(opened, stack, format, options)
        wishes = _Wishes(
            key=key_names(key),
            mapping=dict(mapping or {}),
            references={name: read_lookup(given) for name, given in (references or {}).items()},
            skip=on_error == "skip",
            null_unresolved=unresolved == "null",
            ignore_extra=ignore_extra,
            atomic=atomic,
            nulls=options.nulls if reader.cells == "text" else (),
            notes=notes or f"import from {PurePath(opened.name).name}",
        )
        rejected = None if rejects is None else Rejects(Path(rejects))
        if rejected is not None:
            stack.callback(rejected.close)
        run = _Import(session, wishes, ImportReport(source=opened.name, type=type), rejected)
        return run.run(reader, None if atomic else batch_size, progress)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InvalidValue(type="import", attribute=name, value=value, expected=" or ".join(map(repr, allowed)))


class _Waiting(NamedTuple):
    """A row whose reference may name an entity that a later row makes."""

    line: int
    id: bytes
    finder: Finder
    cells: list[Any]


class _Import:
    """One run: what is known of the file, and what was done so far."""

    def __init__(self, session: Session, wishes: _Wishes, report: ImportReport, rejects: Rejects | None) -> None:
        self._session = session
        self._wishes = wishes
        self._report = report
        self._rejects = rejects
        self._plan: Plan | None = None
        self._names: dict[str, None] = {}
        self._converters: list[tuple[str, Converter]] = []
        self._finders: list[Finder] = []
        self._link_finders: list[Finder] = []
        self._required: list[Attribute] = []
        self._waiting: list[_Waiting] = []

    def run(self, reader: Reader, size: int | None, progress: Progress | None) -> ImportReport:
        report, started = self._report, time.monotonic()
        if reader.names:
            self._learn(reader.names, reader)
        try:
            for rows in reader.rows(size):
                with paused_collector:
                    self._take(rows, reader)
                if progress is not None:
                    progress(report.rows, reader.total)
            self._settle(reader)
        except Error as error:
            report.seconds = time.monotonic() - started
            error.facts.setdefault("report", report)
            raise
        report.seconds = time.monotonic() - started
        return report

    # --- the file's columns ---

    def _learn(self, names: Sequence[str], reader: Reader) -> None:
        """Plan for the columns seen so far."""
        fresh = [name for name in names if name not in self._names]
        if not fresh and self._plan is not None:
            return
        self._names.update(dict.fromkeys(fresh))
        wishes, schema, type_name = self._wishes, self._session.schema, self._report.type
        plan = self._plan = plan_columns(
            schema,
            type_name,
            list(self._names),
            source=self._report.source,
            key=wishes.key,
            mapping=wishes.mapping,
            references=wishes.references,
            ignore_extra=wishes.ignore_extra,
        )
        self._converters = [(column, Converter(each, reader.cells, wishes.nulls)) for column, each in plan.scalars]
        self._finders = [Finder(self._session, type_name, each, lookup) for each, lookup in plan.lookups]
        self._link_finders = [Finder(self._session, type_name, each, lookup) for each, lookup in plan.links]
        given = self._session._facts(type_name).given
        self._required = [
            each
            for each in schema.attributes(type_name).values()
            if each.required and each.writable and each.name not in given
        ]
        have = set(plan.attributes)
        missing = [each.name for each in self._required if each.name not in have and each.default is None]
        if missing and not plan.key:
            raise broken(
                self._report.source,
                f"expected a column for each attribute that {type_name} requires; missing: {', '.join(missing)}",
                column=missing[0],
                missing=tuple(missing),
            )

    # --- a batch ---

    def _take(self, rows: Rows, reader: Reader) -> None:
        parcel = Parcel(rows)
        if not self._wishes.skip:
            # Before its columns are judged: a row that could not be taken apart has none.
            self._stop_at_problems(parcel)
        if not reader.names:
            self._learn(list(rows.columns), reader)
        plan = self._plan
        assert plan is not None
        if plan.type_column is not None:
            self._choose_types(plan, parcel)
        for column, converter in self._converters:
            parcel.convert(column, converter)
        own = [finder for finder in self._finders if finder.own and finder.attribute.name not in plan.key]
        for finder in self._finders:
            if finder not in own:
                self._find(parcel, finder, reader)
        match(self._session, plan, parcel)
        for finder in own:
            finder.learn(parcel.raws, parcel.ids)
            self._find(parcel, finder, reader)
        self._take_relations(plan, parcel)
        parcel.require(plan, [each for each in self._required if not self._may_wait(each)])
        self._stop_at_problems(parcel)
        self._commit(plan, parcel)
        self._report.rows += len(parcel)
        if self._waiting and parcel.problems:
            left_out = {parcel.ids[position] for position in parcel.problems}
            self._waiting = [each for each in self._waiting if each.id not in left_out]

    def _take_relations(self, plan: Plan, parcel: Parcel) -> None:
        for finder in self._link_finders:
            if finder.own:
                finder.learn(parcel.raws, parcel.ids)
            for position, names in take_links(parcel, finder, self._wishes.nulls).items():
                if self._wishes.null_unresolved:
                    self._count_unresolved(finder, names)
                else:
                    column = finder.lookup.columns[0]
                    parcel.blame(position, column, f"an existing {finder.attribute.target}", ", ".join(names))
        facts = self._session._facts(plan.type)
        for column, attribute in plan.mappings:
            take_mapping(facts, parcel, column, attribute, self._wishes.nulls)

    def _choose_types(self, plan: Plan, parcel: Parcel) -> None:
        schema = self._session.schema
        allowed = {name: not schema[name].abstract for name in schema.subtypes(plan.type)}
        parcel.choose_types(plan, parcel.column(plan.type_column or ""), allowed)

    def _may_wait(self, attribute: Attribute) -> bool:
        return any(finder.own and finder.attribute.name == attribute.name for finder in self._finders)

    def _find(self, parcel: Parcel, finder: Finder, reader: Reader) -> None:
        found = parcel.find(finder, reader.cells, self._wishes.nulls)
        if not found.unknown:
            return
        sound = [position for position in found.unknown if position not in parcel.problems]
        if finder.own and parcel.ids and not self._wishes.atomic:
            columns = [parcel.column(name) for name in finder.lookup.columns]
            for position in sound:
                cells = [plain_cell(column[position]) for column in columns]
                self._waiting.append(_Waiting(parcel.lines[position], parcel.ids[position], finder, cells))
            return
        columns_text = ", ".join(finder.lookup.columns)
        texts = [parcel.text(columns_text, position) for position in sound]
        if self._wishes.null_unresolved:
            self._count_unresolved(finder, texts)
            return
        for position, text in zip(sound, texts, strict=True):
            parcel.blame(position, columns_text, f"an existing {finder.attribute.target}", text)

    def _count_unresolved(self, finder: Finder, texts: Sequence[str]) -> None:
        name = finder.attribute.name
        if name not in self._report.unresolved:
            self._report.unresolved[name] = Unresolved(attribute=name, target=finder.attribute.target)
        self._report.unresolved[name].add(texts)

    def _stop_at_problems(self, parcel: Parcel) -> None:
        if not parcel.problems:
            return
        if not self._wishes.skip:
            raise self._failed(min(parcel.problems.values(), key=lambda found: found[0].line)[0])
        positions = sorted(parcel.problems)
        self._reject(parcel, positions)

    def _reject(self, parcel: Parcel, positions: Sequence[int]) -> None:
        report = self._report
        problems = [parcel.problems[position] for position in positions]
        report.rejected += len(positions)
        for found in problems:
            report.problems.extend(found[: SHOWN_PROBLEMS - len(report.problems)])
        if self._rejects is not None:
            self._rejects.add(parcel.cells, positions, problems)
            report.rejects = str(self._rejects.path)

    def _failed(self, problem: Problem) -> ImportFailed:
        source = self._report.source
        facts = {"source": source, "report": self._report, **msgspec.structs.asdict(problem)}
        return ImportFailed(None if problem.column else f"{source}, {problem}", **facts)

    # --- commits ---

    def _commit(self, plan: Plan, parcel: Parcel) -> None:
        changes, report = changes_of(plan, parcel), self._report
        relations, changed = relation_changes(self._session, plan, parcel)
        also = [position for position in changes.unchanged if parcel.ids[position] in changed]
        changes.updated.extend(also)
        refused: set[int] = set()
        if changes.operations or relations:
            try:
                result = self._send([*changes.operations, *relations])
            except Error as error:
                problem = problem_of_error(error, plan, parcel, {id_: i for i, id_ in enumerate(parcel.ids)})
                if problem is None:
                    raise
                raise self._failed(problem) from error
            refused = self._refused(result, plan, parcel)
        report.created += len(changes.created) - len(refused.intersection(changes.created))
        report.updated += len(changes.updated) - len(refused.intersection(changes.updated))
        report.unchanged += len(set(changes.unchanged).difference(refused, also))

    def _send(self, operations: Sequence[Create | Update | RelationChange]) -> CommitResult:
        commit = Commit(
            id=new_id(),
            database=self._session.database,
            operations=list(operations),
            notes=self._wishes.notes,
            on_error="continue" if self._wishes.skip else "stop",
        )
        result: CommitResult = self._session.transport.commit(commit)
        # Where everything is refused no commit is made.
        if len(result.refused) < len({each for operation in operations for each in owners_of(operation)}):
            self._report.commits += 1
            self._report.revision = result.revision
        return result

    def _refused(self, result: CommitResult, plan: Plan, parcel: Parcel) -> set[int]:
        if not result.refused:
            return set()
        rows: dict[bytes, list[int]] = {}
        for position in parcel.sound():
            rows.setdefault(parcel.ids[position], []).append(position)
        refused: set[int] = set()
        for refusal in result.refused:
            for position in rows.get(refusal.entity, ()):
                parcel.problems[position] = [problem_of_refusal(refusal, plan, parcel, position)]
                refused.add(position)
        self._reject(parcel, sorted(refused))
        return refused

    # --- references to rows further down ---

    def _settle(self, reader: Reader) -> None:
        """Set the references that named entities made by later rows; what names nothing even now is unresolved."""
        by_finder: dict[int, list[_Waiting]] = {}
        for each in self._waiting:
            by_finder.setdefault(id(each.finder), []).append(each)
        self._waiting = []
        for rows in by_finder.values():
            finder = rows[0].finder
            columns = [list(column) for column in zip(*(row.cells for row in rows), strict=True)]
            found = finder.find(columns, reader.cells, self._wishes.nulls)
            texts = {position: ", ".join(map(cell_text, rows[position].cells)) for position in found.unknown}
            if texts and self._wishes.null_unresolved:
                self._count_unresolved(finder, list(texts.values()))
            elif texts:
                self._late(rows, finder, texts)
            known = [position for position, each in enumerate(found.ids) if each is not None]
            if known:
                ids = [rows[position].id for position in known]
                values = [found.ids[position] for position in known]
                self._send([Update(type=self._report.type, ids=ids, columns={finder.attribute.name: values})])

    def _late(self, rows: Sequence[_Waiting], finder: Finder, texts: Mapping[int, str]) -> None:
        """Rows that are in the room already without a reference that names nothing: told, and counted as unresolved."""
        column = ", ".join(finder.lookup.columns)
        expected = f"an existing {finder.attribute.target}"
        problems = [
            Problem(line=rows[at].line, column=column, value=text, expected=expected) for at, text in texts.items()
        ]
        if not self._wishes.skip:
            raise self._failed(min(problems, key=lambda problem: problem.line))
        self._count_unresolved(finder, list(texts.values()))
        self._report.problems.extend(problems[: SHOWN_PROBLEMS - len(self._report.problems)])
