"""An older process reads what a newer one wrote."""

from ledger.events.codec import SCHEMA_VERSION, decode
from ledger.events.jobs import JobDefined


def test_fields_from_the_future_are_ignored() -> None:
    """A field that this version does not know is left out, however deep it stands."""
    event = decode(
        "job.defined",
        SCHEMA_VERSION,
        b'{"uuid":"01a20806-3e5d-77bf-8426-144828dd4848","job_id":"j","colour":"red","definition":'
        b'{"colour":1,"steps":[{"step_id":"a","colour":2}],"policies":{"colour":3,"retry":{"x":4}}}}',
    )
    assert isinstance(event, JobDefined)
    assert [step.step_id for step in event.definition.steps] == ["a"]
