"""Writes the documents view."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from ledger.executions.phase import phase_of
from ledger.executions.state import ExecutionState
from ledger.ids import oid_of
from ledger.store.port import AnyRecorded
from ledger.store.queries import load
from projections.encoded import array, encode, text
from projections.fold import EXECUTION_TYPES, Change, fold_executions
from projections.port import Connection

_SQL_FOLDER: Final = Path(__file__).parent / "sql"
_WRITE: Final = load(_SQL_FOLDER / "write.sql")
MAX_KEY: Final = 256
"""Longest text in an index; PostgreSQL refuses rows whose keys do not fit a third of a page."""
_JSON: Final = msgspec.json.Encoder(decimal_format="number")

Key: TypeAlias = tuple[str, str, str, str, str, datetime]
"""Organization, job id, its folded form, pipeline id, phase, hour of creation."""


class DocumentsProjector:
    """Keeps one row an execution with what it carries, and counts."""

    name: Final = "documents"
    version: Final = 1
    interests: Final = EXECUTION_TYPES
    schema_sql: Final = (_SQL_FOLDER / "schema.sql").read_text(encoding="utf-8")

    async def apply(self, connection: Connection, batch: Sequence[AnyRecorded]) -> None:
        """See `projections.port.Projector`."""
        changes = await fold_executions(connection, batch, _WRITE["load"])
        if not changes:
            return
        rows = [_row(change.new) for change in changes]
        await connection.execute(_WRITE["upsert"], *zip(*rows, strict=True))
        await _apply_counts(connection, changes)


async def _apply_counts(connection: Connection, changes: Sequence[Change]) -> None:
    added: Counter[Key] = Counter()
    for change in changes:
        before, after = _counted_as(change.old), _counted_as(change.new)
        if before != after:
            if before is not None:
                added[before] -= 1
            if after is not None:
                added[after] += 1
    # In one order everywhere, so that no two transactions wait for each other's rows.
    keys = sorted(key for key, count in added.items() if count)
    if not keys:
        return
    columns = list(zip(*keys, strict=True))
    await connection.execute(_WRITE["add_counts"], *columns, [added[key] for key in keys])
    left = [key for key in keys if added[key] < 0]
    if left:
        organizations, job_ids, _, pipelines, phases, hours = zip(*left, strict=True)
        await connection.execute(
            _WRITE["drop_zero_counts"], organizations, job_ids, pipelines, phases, hours
        )


def _counted_as(state: ExecutionState | None) -> Key | None:
    if state is None or state.deleted or state.erased:
        return None
    return (
        state.organization,
        text(state.job_id),
        text(state.job_id).casefold(),
        oid_of(state.created.job_uuid),
        phase_of(state),
        state.created_at.replace(minute=0, second=0, microsecond=0),
    )


def _row(state: ExecutionState) -> tuple[Any, ...]:
    created = state.created
    job_id = text(created.job_id)
    title = text(title_of(state))
    return (
        created.uuid,
        oid_of(created.uuid),
        state.organization,
        job_id,
        job_id.casefold(),
        oid_of(created.job_uuid),
        phase_of(state),
        state.created_at,
        state.started_at,
        state.ended_at,
        title,
        title.casefold(),
        text(created.user)[:MAX_KEY],
        text(storage_of(state))[:MAX_KEY],
        array(state.tags),
        array(depends_on(state)),
        _document(created.input, fold=False),
        _document(created.input, fold=True),
        _document(state.output, fold=False),
        _document(state.output, fold=True),
        state.deleted or state.erased,
        state.created_position,
        state.version,
        encode(state),
    )


def title_of(state: ExecutionState) -> str:
    """Give the name that a reader sees: the execution's, else its job's, else the job's id."""
    return state.name or state.created.definition.name or state.job_id


def storage_of(state: ExecutionState) -> str:
    """Give the storage it works on: what its creator said, else what its job says."""
    told = state.created.attributes.get("storageId")
    return told if isinstance(told, str) else state.created.definition.storage


def depends_on(state: ExecutionState) -> tuple[str, ...]:
    """Name the executions it depends on: those it waits for, and those its creator named."""
    named: list[str] = [str(uuid) for uuid in state.created.waits_for]
    told = state.created.attributes.get("jobDependencies")
    for dependency in told if isinstance(told, list | tuple) else ():
        job_id = dependency.get("jobId") if isinstance(dependency, dict) else None
        if isinstance(job_id, str) and job_id not in named:
            named.append(job_id)
    return tuple(named)


def _document(value: Any, *, fold: bool) -> str | None:
    return None if value is None else _JSON.encode(_clean(value, fold=fold)).decode()


def _clean(value: Any, *, fold: bool) -> Any:
    """Give a document as a column can hold it, perhaps with its texts folded."""
    match value:
        case str():
            return text(value).casefold() if fold else text(value)
        case dict():
            return {text(str(key)): _clean(item, fold=fold) for key, item in value.items()}
        case list() | tuple():
            return [_clean(item, fold=fold) for item in value]
        case _:
            return value
