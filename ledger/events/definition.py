"""What a job is: the definition that `job.defined` records and `execution.created` carries along.

Stored for ever; add, never change. Durations are seconds; every default is part of the format,
because absent fields are read as their default.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

Name = Annotated[str, Meta(min_length=1, max_length=256)]
JobIdText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=256,
        pattern=r"^[^\x00-\x1f/]+\Z",
        description="Chosen by the job's author; unique in its organization.",
    ),
]
Text = Annotated[str, Meta(max_length=4000)]
Tag = Annotated[str, Meta(min_length=1, max_length=100)]
Tags = Annotated[tuple[Tag, ...], Meta(max_length=100)]
Labels = Annotated[dict[Tag, Annotated[str, Meta(max_length=400)]], Meta(max_length=100)]
Seconds = Annotated[float, Meta(ge=0, le=31_536_000)]
PositiveSeconds = Annotated[float, Meta(gt=0, le=31_536_000)]

DEFAULT_SCOPE = "Organization"


class RetryPolicy(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How often a failure is tried again, and how long to wait before each try."""

    max_attempts: Annotated[int, Meta(ge=1, le=100)] = 1
    delay_s: Seconds = 1.0
    multiplier: Annotated[float, Meta(ge=1, le=10)] = 2.0
    max_delay_s: Seconds = 3600.0

    def delay_before(self, attempt: int) -> float:
        """Give the wait before *attempt* (2 is the first retry).

        Units: seconds.

        >>> RetryPolicy(max_attempts=4, delay_s=1, multiplier=3).delay_before(4)
        9.0
        """
        exponent = min(max(attempt - 2, 0), 64)
        return min(self.delay_s * self.multiplier**exponent, self.max_delay_s)


class StepDefinition(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One step of a job, or the inclusion of another job's steps.

    Either `step_type_id` (a type that a worker provides) or `include` (a job id) is given.
    """

    step_id: Name
    step_type_id: Annotated[str, Meta(max_length=256)] = ""
    step_type_info: Text = ""
    description: Text = ""
    settings: dict[str, Any] = field(name="with", default_factory=dict)
    scopes: Annotated[tuple[Name, ...], Meta(max_length=100)] = ()
    timeout_s: PositiveSeconds | None = None
    retry: RetryPolicy = RetryPolicy()
    include: JobIdText | None = None


class Parameter(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A parameter that an execution of the job takes."""

    name: Name
    type: Literal["string", "integer", "number", "boolean", "any"] = "string"
    required: bool = False
    default: Any = None
    description: Text = ""
    source: str | None = None
    """Name of the request document's property that fills it (system jobs)."""


class Policies(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the ledger does by itself around an execution; every wait has its limit here."""

    when_running: Literal["parallel", "reject", "queue", "coalesce"] = "parallel"
    max_running: Annotated[int, Meta(ge=1, le=1000)] | None = None
    """How many executions of the job may have started and not ended; the others wait."""
    when_failed: Literal["new", "resume", "refuse"] = "new"
    retry: RetryPolicy = RetryPolicy()
    lease_s: Annotated[float, Meta(ge=1, le=3600)] = 15.0
    """How long a worker may stay silent before its execution is taken away."""
    max_lease_losses: Annotated[int, Meta(ge=0, le=100)] = 3
    """Lost leases that are taken over; the next one closes the execution."""
    timeout_s: PositiveSeconds = 86_400.0
    """From first start to end, pauses included."""
    queue_timeout_s: PositiveSeconds = 86_400.0
    """How long an execution may wait for a worker."""
    cancel_grace_s: PositiveSeconds = 30.0
    pause_grace_s: PositiveSeconds = 300.0
    pause_limit_s: PositiveSeconds = 604_800.0
    retention_s: PositiveSeconds | None = None
    """After this long a closed execution is deleted by the ledger; None keeps it."""
    cancellable: bool = True
    priority: Annotated[int, Meta(ge=-100, le=100)] = 0
    """A point is worth a minute of waiting: higher is claimed first, and nothing waits for ever."""


class Definition(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A job as its author wrote it."""

    name: Annotated[str, Meta(max_length=256)] = ""
    description: Text = ""
    type: Annotated[str, Meta(max_length=256)] = ""
    tags: Tags = ()
    labels: Labels = {}
    storage: Annotated[str, Meta(max_length=256)] = ""
    path: Annotated[str, Meta(max_length=1024)] = ""
    steps: Annotated[tuple[StepDefinition, ...], Meta(max_length=500)] = ()
    parameters: Annotated[tuple[Parameter, ...], Meta(max_length=200)] = ()
    execution_scopes: Annotated[tuple[Name, ...], Meta(max_length=100)] = ()
    after: Annotated[tuple[JobIdText, ...], Meta(max_length=100)] = ()
    """Jobs whose successful end this one waits for in a sequence."""
    data_driven: bool = False
    """Follow by itself once every job in `after` has ended well since it last did."""
    policies: Policies = Policies()


class Schedule(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """When a job runs by itself: a cron expression in a time zone, or single instants."""

    cron: Annotated[str, Meta(max_length=256)] | None = None
    at: Annotated[tuple[datetime, ...], Meta(max_length=1000)] = ()
    time_zone: Annotated[str, Meta(max_length=64)] = "UTC"
    overlap: Literal["skip", "queue", "cancel_old"] = "skip"
    """What happens at a due time while the schedule's last execution is still open."""
    catch_up_s: Seconds = 3600.0
    """How late a due time may still be fired, for example after an outage; later ones are skipped."""
    paused: bool = False
    """Due times pass without an execution, each on record."""
