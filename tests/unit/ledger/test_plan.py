"""Expanding a job, checking its arguments, and the keys an execution owns."""

from typing import Any, Literal

import pytest

from ledger.events import executions as x
from ledger.events.definition import Definition, Parameter, StepDefinition
from ledger.events.executions import Argument, PlannedStep
from ledger.executions.claims import changes
from ledger.executions.parameters import arguments
from ledger.executions.plan import MAX_INCLUDE_DEPTH, MAX_PLANNED_STEPS, expand, included_jobs
from ledger.rejection import JobInvalid, ParameterInvalid
from tests.unit.ledger.spec import created, given, started


def step(name: str, *scopes: str, include: str | None = None) -> StepDefinition:
    """Define a step."""
    return StepDefinition(
        step_id=name,
        step_type_id="" if include else "command",
        scopes=scopes,
        include=include,
    )


def job(*steps: StepDefinition) -> Definition:
    """Define a job."""
    return Definition(steps=steps)


def planned(definition: Definition, **jobs: Definition) -> list[tuple[int, str, str, str | None]]:
    """Expand, and say what matters."""
    steps = expand("top", definition, jobs)
    assert isinstance(steps, tuple), steps
    return [(s.index, s.step_id, s.scope, s.included_from) for s in steps]


class TestExpand:
    """From a definition to the steps of one execution."""

    def test_once_for_each_scope(self) -> None:
        """Without scopes a step runs for the organization."""
        assert planned(job(step("Step1"), step("Step2", "SiteA", "SiteB"))) == [
            (1, "Step1", "Organization", None),
            (2, "Step2", "SiteA", None),
            (3, "Step2", "SiteB", None),
        ]

    def test_an_included_step_is_named_after_both(self) -> None:
        """As in the OCAPI sample: `Step3 - Step1`."""
        inner = job(step("Step1"), step("Step2", "SiteC"))
        assert planned(job(step("Step1"), step("Step3", include="inner")), inner=inner) == [
            (1, "Step1", "Organization", None),
            (2, "Step3 - Step1", "Organization", "inner"),
            (3, "Step3 - Step2", "SiteC", "inner"),
        ]

    def test_the_including_steps_scopes_rule(self) -> None:
        """The whole list runs for one scope, then for the next."""
        inner = job(step("A"), step("B", "Elsewhere"))
        assert planned(job(step("S", "X", "Y", include="inner")), inner=inner) == [
            (1, "S - A", "X", "inner"),
            (2, "S - B", "X", "inner"),
            (3, "S - A", "Y", "inner"),
            (4, "S - B", "Y", "inner"),
        ]

    def test_nested(self) -> None:
        """Names grow with each inclusion; the job a step stands in is kept."""
        leaf, middle = job(step("L")), job(step("M", include="leaf"))
        top = job(step("T", include="middle"))
        assert planned(top, middle=middle, leaf=leaf) == [(1, "T - M - L", "Organization", "leaf")]
        assert included_jobs(top) == ("middle",)

    def test_twice_is_no_circle(self) -> None:
        """A job may be included at two places."""
        both = job(step("S1", include="inner"), step("S2", include="inner"))
        assert [name for _, name, _, _ in planned(both, inner=job(step("A")))] == [
            "S1 - A",
            "S2 - A",
        ]

    def test_settings_are_kept(self) -> None:
        """What a step says is what will be run."""
        told = StepDefinition(step_id="a", step_type_id="t", settings={"x": 1}, timeout_s=5)
        steps = expand("top", Definition(steps=(told,)), {})
        assert steps == (
            PlannedStep(index=1, step_id="a", step_type_id="t", settings={"x": 1}, timeout_s=5),
        )

    @pytest.mark.parametrize(
        ("definition", "jobs", "path", "reason"),
        [
            (job(), {}, "steps", "no steps"),
            (job(step("S", include="gone")), {}, "steps[0].include", "does not exist"),
            (job(step("S", include="top")), {}, "steps[0].include", "top → top"),
            (
                job(step("A"), step("S", include="b")),
                {"b": job(step("B", include="top"))},
                "steps[0].include",
                "top → b → top",
            ),
            (job(step("S", include="empty")), {"empty": job()}, "steps", "no steps"),
        ],
    )
    def test_refused(
        self, definition: Definition, jobs: dict[str, Definition], path: str, reason: str
    ) -> None:
        """What cannot be expanded is refused by its place."""
        refusal = expand("top", definition, jobs)
        assert isinstance(refusal, JobInvalid)
        assert (refusal.job_id, refusal.path) == ("top", path)
        assert reason in refusal.reason

    def test_growth_is_bounded(self) -> None:
        """Neither depth nor doubling can exhaust the ledger."""
        chain = {f"j{n}": job(step("S", include=f"j{n + 1}")) for n in range(40)}
        refusal = expand("top", job(step("S", include="j0")), chain)
        assert isinstance(refusal, JobInvalid)
        assert str(MAX_INCLUDE_DEPTH) in refusal.reason
        doubling = {
            f"j{n}": job(step("A", include=f"j{n + 1}"), step("B", include=f"j{n + 1}"))
            for n in range(15)
        } | {"j15": job(step("leaf"))}
        refusal = expand("top", job(step("S", include="j0")), doubling)
        assert isinstance(refusal, JobInvalid)
        assert str(MAX_PLANNED_STEPS) in refusal.reason


class TestArguments:
    """Whether values fit what the job declares."""

    DECLARED = Definition(
        parameters=(
            Parameter(name="s", required=True),
            Parameter(name="i", type="integer", default=7),
            Parameter(name="n", type="number"),
            Parameter(name="b", type="boolean"),
            Parameter(name="a", type="any"),
        )
    )

    def test_as_given_then_defaults(self) -> None:
        """Order is the caller's; defaults follow; what has none stays absent."""
        given_ = (Argument(name="b", value=True), Argument(name="s", value="x"))
        assert arguments(self.DECLARED, given_) == (*given_, Argument(name="i", value=7))

    @pytest.mark.parametrize(
        ("name", "value", "fits"),
        [
            ("s", "x", True),
            ("s", 1, False),
            ("s", None, True),
            ("i", 1, True),
            ("i", 1.5, False),
            ("i", True, False),
            ("n", 1, True),
            ("n", 1.5, True),
            ("n", True, False),
            ("b", False, True),
            ("b", 0, False),
            ("a", {"any": []}, True),
            ("z", 1, False),
        ],
    )
    def test_types(self, name: str, value: Any, fits: bool) -> None:  # noqa: FBT001 - a table
        """A truth value is no number, and null is no value."""
        others = () if name == "s" else (Argument(name="s", value="x"),)
        outcome = arguments(self.DECLARED, (*others, Argument(name=name, value=value)))
        assert isinstance(outcome, tuple) == fits
        if isinstance(outcome, ParameterInvalid):
            assert outcome.name == name

    def test_required_and_twice(self) -> None:
        """A missing one and a repeated one are refused by name."""
        missing = arguments(self.DECLARED, ())
        assert missing == ParameterInvalid(name="s", reason="is required")
        twice = arguments(Definition(), (Argument(name="q"), Argument(name="q")))
        assert twice == ParameterInvalid(name="q", reason="is given twice")

    def test_undeclared_takes_any(self) -> None:
        """A job that declares nothing takes everything."""
        given_ = (Argument(name="q", value=[1]),)
        assert arguments(Definition(), given_) == given_


RUNNING, WAITING = "running/acme/job", "waiting/acme/job"


class TestClaims:
    """The keys an execution owns while it lives."""

    @pytest.mark.parametrize(
        ("policy", "on_create", "on_start", "on_retry", "on_end"),
        [
            ("parallel", ([], []), ([], []), ([], []), ([], [])),
            ("reject", ([RUNNING], []), ([], []), ([], []), ([], [RUNNING])),
            ("queue", ([], []), ([RUNNING], []), ([], []), ([], [RUNNING])),
            ("coalesce", ([WAITING], []), ([], [WAITING]), ([], []), ([], [WAITING])),
        ],
    )
    def test_by_policy(
        self,
        policy: Literal["parallel", "reject", "queue", "coalesce"],
        on_create: Any,
        on_start: Any,
        on_retry: Any,
        on_end: Any,
    ) -> None:
        """Taken where the policy says, given up at the end at the latest."""
        retried = x.LeaseLost(fence=1)
        finished = x.ExecutionFinished(outcome="ok", exit_code="OK")
        life = (created(when_running=policy), started(), retried, finished)
        seen = [
            tuple(list(keys) for keys in changes(given(*life[: n + 1]).state, life[n : n + 1]))
            for n in range(len(life))
        ]
        assert seen == [on_create, on_start, on_retry, on_end]

    @pytest.mark.parametrize("policy", ["parallel", "reject", "queue", "coalesce"])
    def test_born_closed_owns_nothing(self, policy: str) -> None:
        """What is created, started and ended in one append leaves no key behind."""
        life = (
            created(when_running=policy),
            started(),
            x.ExecutionFinished(outcome="ok", exit_code="OK"),
        )
        claimed, _ = changes(given(*life).state, life)
        assert claimed == ()
