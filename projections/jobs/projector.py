"""Writes the jobs view."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from ledger.executions.state import ExecutionState
from ledger.ids import oid_of
from ledger.jobs.state import JobState, evolve
from ledger.store.port import AnyRecorded
from ledger.store.queries import load
from projections.encoded import Decoder, array, encode, text
from projections.fold import LIFE_TYPES, Change, fold_executions
from projections.port import Connection

DECODE_JOB: Final = Decoder(JobState)

_SQL_FOLDER: Final = Path(__file__).parent / "sql"
_WRITE: Final = load(_SQL_FOLDER / "write.sql")
_JOB_TYPES: Final = frozenset(
    (
        "job.defined",
        "job.changed",
        "job.schedule_set",
        "job.schedule_cleared",
        "job.schedule_skipped",
        "job.schedule_fired",
        "job.follow_skipped",
        "job.retired",
    )
)
_COUNTED: Final = ("open", "ok", "warning", "error", "aborted")

Key: TypeAlias = tuple[str, str]
"""Organization and job id."""


class JobsProjector:
    """Keeps one row a job, one a run, and the counts of how runs ended."""

    name: Final = "jobs"
    version: Final = 2
    interests: Final = _JOB_TYPES | LIFE_TYPES
    schema_sql: Final = (_SQL_FOLDER / "schema.sql").read_text(encoding="utf-8")

    async def apply(self, connection: Connection, batch: Sequence[AnyRecorded]) -> None:
        """See `projections.port.Projector`."""
        await _apply_jobs(connection, batch)
        changes = await fold_executions(connection, batch, _WRITE["load_runs"], outlined=True)
        if not changes:
            return
        await _apply_runs(connection, changes)
        await _apply_counts(connection, changes)


async def _apply_jobs(connection: Connection, batch: Sequence[AnyRecorded]) -> None:
    streams: defaultdict[str, list[AnyRecorded]] = defaultdict(list)
    for event in batch:
        if event.type in _JOB_TYPES:
            streams[event.stream].append(event)
    if not streams:
        return
    keys = {stream: _key_of(stream) for stream in streams}
    rows = await connection.fetch(_WRITE["load_jobs"], *zip(*keys.values(), strict=True))
    stored = {(row["organization"], row["job_id"]): DECODE_JOB(row["state"]) for row in rows}
    states: list[JobState] = []
    for stream, facts in streams.items():
        old = state = stored.get(keys[stream])
        for fact in facts:
            if state is None or fact.version > state.version:
                state = evolve(state, fact)
        if state is not None and state is not old:
            states.append(state)
    if states:
        columns = zip(*(_job_row(state) for state in states), strict=True)
        await connection.execute(_WRITE["upsert_jobs"], *columns)


def _key_of(stream: str) -> Key:
    _, organization, job_id = stream.split("/", 2)
    return organization, job_id


async def _apply_runs(connection: Connection, changes: Sequence[Change]) -> None:
    erased = [change.uuid for change in changes if change.new.erased and change.old]
    if erased:
        await connection.execute(_WRITE["delete_runs"], erased)
    rows = [_run_row(change.new) for change in changes if not change.new.erased]
    if rows:
        await connection.execute(_WRITE["upsert_runs"], *zip(*rows, strict=True))


async def _apply_counts(connection: Connection, changes: Sequence[Change]) -> None:
    added: defaultdict[Key, Counter[str]] = defaultdict(Counter)
    for change in changes:
        before, after = _counts_for(change.old), _counts_for(change.new)
        if before != after:
            if before is not None:
                added[before[0]][before[1]] -= 1
            if after is not None:
                added[after[0]][after[1]] += 1
    # In one order everywhere, so that no two transactions wait for each other's rows.
    keys = sorted(key for key, counter in added.items() if any(counter.values()))
    if not keys:
        return
    organizations, job_ids = zip(*keys, strict=True)
    columns = [[added[key][name] for key in keys] for name in _COUNTED]
    await connection.execute(_WRITE["add_counts"], organizations, job_ids, *columns)
    if any(change.new.erased for change in changes):
        await connection.execute(_WRITE["drop_zero_counts"], organizations, job_ids)


def _counts_for(state: ExecutionState | None) -> tuple[Key, str] | None:
    """Tell for which job, and as what, an execution counts."""
    if state is None or state.erased:
        return None
    key = (state.organization, text(state.job_id))
    if state.is_open:
        return key, "open"
    return key, state.outcome or "aborted"


def _job_row(state: JobState) -> tuple[Any, ...]:
    definition = state.definition
    return (
        state.organization,
        state.job_id,
        state.uuid,
        state.number,
        oid_of(state.uuid),
        text(definition.path),
        text(definition.type),
        array(definition.tags),
        state.retired,
        state.created_at,
        state.modified_at,
        state.position,
        state.version,
        encode(state),
    )


def _run_row(state: ExecutionState) -> tuple[Any, ...]:
    return (
        state.uuid,
        state.organization,
        text(state.job_id),
        state.number,
        state.status,
        state.outcome,
        state.created_at,
        state.ended_at,
        state.deleted,
        state.created_position,
        state.version,
        encode(state),
    )
