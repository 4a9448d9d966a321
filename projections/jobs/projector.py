"""Writes the jobs view."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from ledger.ids import oid_of
from ledger.jobs.state import JobState, evolve
from ledger.store.port import AnyRecorded
from ledger.store.queries import load
from projections.encoded import Decoder, array, encode, text
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

Key: TypeAlias = tuple[str, str]
"""Organization and job id."""


class JobsProjector:
    """Keeps one row a job."""

    name: Final = "jobs"
    version: Final = 3
    interests: Final = _JOB_TYPES
    schema_sql: Final = (_SQL_FOLDER / "schema.sql").read_text(encoding="utf-8")

    async def apply(self, connection: Connection, batch: Sequence[AnyRecorded]) -> None:
        """See `projections.port.Projector`."""
        streams: defaultdict[str, list[AnyRecorded]] = defaultdict(list)
        for event in batch:
            streams[event.stream].append(event)
        keys = {stream: _key_of(stream) for stream in streams}
        rows = await connection.fetch(_WRITE["load"], *zip(*keys.values(), strict=True))
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
            columns = zip(*(_row(state) for state in states), strict=True)
            await connection.execute(_WRITE["upsert"], *columns)


def _key_of(stream: str) -> Key:
    _, organization, job_id = stream.split("/", 2)
    return organization, job_id


def _row(state: JobState) -> tuple[Any, ...]:
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
