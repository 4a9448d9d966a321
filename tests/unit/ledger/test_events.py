"""Stored events: their names and bytes are for ever.

`corpus/<type>.json` holds bytes as they were stored. Never change a file there. A new type gets a
file, a new field gets a further one: `<type>.2.json`.
"""

import re
from pathlib import Path

import msgspec
import pytest

from ledger.errors import UndecodableEvent, UnknownEventType
from ledger.events.codec import SCHEMA_VERSION, TYPES, Counter, counter_of, decode, encode, type_of
from ledger.events.executions import ExecutionReleased

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.json"))


def type_in(file: Path) -> str:
    """Give the type whose bytes a file holds."""
    return re.sub(r"\.\d+$", "", file.stem)


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.stem)
def test_what_was_ever_stored_is_read(file: Path) -> None:
    """Every released type decodes from its stored bytes, and encodes to the same bytes.

    A failure here means that a log in the field cannot be read.
    """
    event = decode(type_in(file), SCHEMA_VERSION, file.read_bytes())
    assert type_of(event) == type_in(file)
    assert encode(event) == file.read_bytes()


@pytest.mark.parametrize("name", sorted(TYPES))
def test_every_field_is_in_the_corpus(name: str) -> None:
    """What was added since has a file that shows it."""
    told = [msgspec.json.decode(file.read_bytes()) for file in CORPUS if type_in(file) == name]
    assert told, f"add corpus/{name}.json"
    fields = {field.encode_name for field in msgspec.structs.fields(TYPES[name])}
    assert fields <= {field for each in told for field in each}, "add a further file"


def test_nothing_stored_is_forgotten() -> None:
    """A name that was released cannot leave the code."""
    assert {type_in(file) for file in CORPUS} <= set(TYPES)


def test_numbered_events() -> None:
    """Executions, step executions and jobs are numbered by the ledger."""
    counters = {
        type_in(file): counter_of(decode(type_in(file), 1, file.read_bytes())) for file in CORPUS
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
