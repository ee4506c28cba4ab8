"""What a session has recorded and not committed, as operations for people to look at.

The session behind keeps what is to be sent, squashed. Here stands what scripts did, in order, as cheap records of which
operations are made when somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .exception import OperationError, ServerError, UnrecognisedEntityTypeError
from .symbol import NOT_SET

if TYPE_CHECKING:
    from .entity.base import Entity
    from .session import Session

__all__ = [
    "CreateEntityOperation",
    "DeleteEntityOperation",
    "Operation",
    "Operations",
    "UpdateEntityOperation",
]


class Operation:
    """Something to be done with an entity."""


class CreateEntityOperation(Operation):
    """A new entity."""

    def __init__(self, entity_type: str, entity_key: Mapping[str, Any], entity_data: Mapping[str, Any]) -> None:
        self.entity_type = entity_type
        self.entity_key = entity_key
        self.entity_data = entity_data


class UpdateEntityOperation(Operation):
    """A new value of an attribute."""

    def __init__(
        self, entity_type: str, entity_key: Mapping[str, Any], attribute_name: str, old_value: Any, new_value: Any
    ) -> None:
        self.entity_type = entity_type
        self.entity_key = entity_key
        self.attribute_name = attribute_name
        self.old_value = old_value
        self.new_value = new_value


class DeleteEntityOperation(Operation):
    """An entity goes."""

    def __init__(self, entity_type: str, entity_key: Mapping[str, Any]) -> None:
        self.entity_type = entity_type
        self.entity_key = entity_key


# (entity, data) of a create, (entity, name, old, new) of an update, (entity,) of a delete.
Record = tuple[Any, ...]
_CREATE, _UPDATE = 2, 4


class Operations:
    """The operations of a session, oldest first. What is pushed is done; `clear` forgets all that is not committed."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._records: list[Record] = []

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Operation]:
        return iter([_operation(each) for each in self._records])

    def push(self, operation: Operation) -> None:
        """Do and record an operation."""
        _apply(self._session, operation)

    def pop(self) -> Operation:
        """Take the last operation back and return it. IndexError where there is none."""
        record = self._records.pop()
        _take_back(self._session, record)
        return _operation(record)

    def clear(self) -> None:
        """Forget everything that is not committed."""
        self._session.native.rollback()
        self._records.clear()

    def _cut(self, count: int) -> None:
        """Keep the first so many."""
        del self._records[count:]

    def _note(self, record: Record) -> None:
        self._records.append(record)


def _operation(record: Record) -> Operation:
    entity: Entity = record[0]
    key = entity._key()
    if len(record) == _CREATE:
        return CreateEntityOperation(entity.entity_type, key, record[1])
    if len(record) == _UPDATE:
        return UpdateEntityOperation(entity.entity_type, key, *record[1:])
    return DeleteEntityOperation(entity.entity_type, key)


def _apply(session: Session, operation: Operation) -> None:
    """Do what an operation says."""
    match operation:
        case CreateEntityOperation():
            session.create(operation.entity_type, {**operation.entity_data, **operation.entity_key})
        case UpdateEntityOperation():
            entity = _of_key(session, operation.entity_type, operation.entity_key)
            entity[operation.attribute_name] = operation.new_value
        case DeleteEntityOperation():
            session.delete(_of_key(session, operation.entity_type, operation.entity_key))
        case _:
            raise OperationError(f"{operation!r} is no operation that a session can do")


def _of_key(session: Session, entity_type: str, key: Mapping[str, Any]) -> Any:
    if entity_type not in session.types:
        raise UnrecognisedEntityTypeError(entity_type)
    if not session.names[entity_type].natives:
        return session.create(entity_type, key, reconstructing=True)
    found = session.get(entity_type, [key[name] for name in session.names[entity_type].key])
    if found is None:
        raise ServerError(f"There is no {entity_type} {dict(key)!r}")
    return found


def _take_back(session: Session, record: Record) -> None:
    """Undo what a record says that was done."""
    entity = record[0]
    if len(record) == _UPDATE:
        attribute = entity.attributes.get(record[1])
        attribute.forget(entity) if record[2] is NOT_SET else attribute.put(entity, record[2])
    elif len(record) == _CREATE:
        session.native.delete(entity._native)
    else:
        raise OperationError("A deletion cannot be taken back; session.rollback() forgets everything")
