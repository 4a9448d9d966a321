"""Stored events: their names and bytes are for ever."""

from pathlib import Path

import msgspec
import pytest

from ledger.errors import UndecodableEvent, UnknownEventType
from ledger.events.codec import SCHEMA_VERSION, TYPES, Counter, counter_of, decode, encode, type_of
from ledger.events.executions import ExecutionReleased

CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.parametrize("name", sorted(TYPES))
def test_what_was_ever_stored_is_read(name: str) -> None:
    """Every released type decodes from its stored bytes, and encodes to the same bytes.

    A failure here means that a log in the field cannot be read: do not change the corpus.
    """
    stored = (CORPUS / f"{name}.json").read_bytes()
    event = decode(name, SCHEMA_VERSION, stored)
    assert type_of(event) == name
    assert encode(event) == stored
    told = msgspec.json.decode(stored)
    absent = [f.name for f in msgspec.structs.fields(TYPES[name]) if f.encode_name not in told]
    assert not absent, "the corpus shows every field"


def test_nothing_stored_is_forgotten() -> None:
    """A name that was released cannot leave the code."""
    assert {path.stem for path in CORPUS.glob("*.json")} == set(TYPES)


def test_numbered_events() -> None:
    """Executions, step executions and jobs are numbered by the ledger."""
    counters = {
        name: counter_of(decode(name, 1, (CORPUS / f"{name}.json").read_bytes())) for name in TYPES
    }
    assert {name: counter for name, counter in counters.items() if counter} == {
        "execution.created": Counter.EXECUTION,
        "step.started": Counter.STEP,
        "job.defined": Counter.JOB,
    }


def test_what_a_newer_version_added_is_passed_over() -> None:
    """An unknown field is no error, an unknown type or schema is."""
    assert decode("execution.released", 1, b'{"added":1}') == ExecutionReleased()
    with pytest.raises(UnknownEventType) as unknown:
        decode("execution.exploded", 1, b"{}")
    assert unknown.value.event_type == "execution.exploded"
    with pytest.raises(UnknownEventType):
        decode("execution.released", 2, b"{}")


@pytest.mark.parametrize("stored", [b"", b"{", b'{"index":"x"}', b"[]", b'{"index":1}\xff'])
def test_damage_is_named(stored: bytes) -> None:
    """Bytes that do not fit their type say where they stand."""
    with pytest.raises(UndecodableEvent) as damage:
        decode("step.started", 1, stored, position=7)
    assert (damage.value.position, damage.value.event_type) == (7, "step.started")
