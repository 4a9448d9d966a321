"""What an append hands on is what a reader of the log will decode."""

import asyncio
from typing import Any

import pytest

from ledger.events.codec import SCHEMA_VERSION, decode, encode, type_of
from ledger.events.definition import Definition, Policies
from ledger.events.envelope import Fact
from ledger.events.executions import OutputSet
from ledger.events.jobs import JobDefined
from ledger.store.pending import Pending
from ledger.store.port import Append, Context, StreamWrite
from tests.unit.ledger.spec import NOW, UUID_1


def handed_on(event: Any) -> Any:
    """Give what a reader of the append gets for an event."""
    write = StreamWrite(stream="job/o/j", expected_version=0, facts=(Fact(event, NOW),))
    append = Append(context=Context(organization="o", actor="a"), writes=(write,))
    loop = asyncio.new_event_loop()
    try:
        return Pending(append, loop.create_future(), 0.0).events[0].event
    finally:
        loop.close()


def test_what_json_can_say_is_handed_on_itself() -> None:
    """Nothing is made anew, so that what is kept shares its parts."""
    event = OutputSet(output={"rows": [1, 2.5, None, "ä", True]}, metrics={"rate": 1.0})
    assert handed_on(event) is event


@pytest.mark.parametrize(
    "event",
    [
        OutputSet(output={"rows": (1, 2)}),
        OutputSet(output={1: "a"}),
        OutputSet(output=UUID_1),
        OutputSet(output=float("nan")),
        OutputSet(metrics={"rate": 1}),
        JobDefined(uuid=UUID_1, job_id="j", definition=Definition(policies=Policies(timeout_s=60))),
    ],
    ids=["tuple", "integer key", "uuid", "nan", "integer metric", "integer timeout"],
)
def test_what_json_cannot_say_is_handed_on_as_it_reads(event: Any) -> None:
    """Python is looser than JSON; whoever reads the log must see the same as who was there."""
    given = handed_on(event)
    assert given == decode(type_of(event), SCHEMA_VERSION, encode(event))
    assert given is not event
    assert handed_on(given) is given
