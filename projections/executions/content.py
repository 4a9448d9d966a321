"""What an execution carries, as columns hold it: words with their folded forms, documents, dependencies."""

from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import msgspec

from ledger.executions.state import ExecutionState
from ledger.ids import oid_of
from projections.encoded import text

MAX_KEY: Final = 256
"""Longest text in an index; PostgreSQL refuses rows whose keys do not fit a third of a page."""
_JSON: Final = msgspec.json.Encoder(decimal_format="number")


def pipeline_of(job_uuid: UUID) -> str:
    """Give the oid of the job."""
    return _pipeline(job_uuid.int)


@lru_cache(maxsize=1024)
def _pipeline(number: int) -> str:
    # By its number, because a UUID hashes in Python, which costs as much as the oid.
    return oid_of(UUID(int=number))


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


def document_of(value: Any, *, fold: bool) -> str | None:
    """Write a `jsonb` literal of an input or output, with its texts case-folded if asked."""
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
