"""What must be true after everything is at rest: each thing that must be zero is counted by name.

The log is read once, from its first event, and folded stream by stream with the ledger's own
`evolve`; what actors were told is compared with that, and not with any view. The views are compared
with a fresh fold of their own (`projections.verify`).
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import asyncpg
from msgspec import Struct, field

from ledger.events import executions as x
from ledger.events import jobs as j
from ledger.events.entry import encode_entry
from ledger.executions import commands as c
from ledger.executions.decide import decide
from ledger.executions.state import ExecutionState
from ledger.executions.state import evolve as evolve_execution
from ledger.ids import execution_stream
from ledger.jobs.state import JobState
from ledger.jobs.state import evolve as evolve_job
from ledger.keys.state import KeyState
from ledger.keys.state import evolve as evolve_key
from ledger.store.port import AnyRecorded
from ledger.store.postgres import PostgresStore
from projections.registry import PROJECTORS
from projections.tree import query as tree
from projections.verify import verify
from tests.crash.harness import consumer, follower, journal

PAGE: Final = 2000
EXAMPLES: Final = 40
EVERY: Final = timedelta(seconds=1)
"""How often the schedules that run are due."""
CLOSING: Final = (x.ExecutionFinished, x.ExecutionCanceled)
WORK: Final = (
    x.StepStarted,
    x.StepProgressed,
    x.StepFinished,
    x.ExecutionProgressed,
    x.OutputSet,
)

ZEROS: Final = (
    "acknowledged, not in the log",
    "in the log twice",
    "acknowledged as another execution",
    "acknowledged change missing",
    "changes made twice",
    "late report not on record",
    "positions missing or doubled",
    "versions missing or doubled",
    "numbers missing or doubled",
    "event ids doubled",
    "digests wrong",
    "recorded time going back",
    "stream heads wrong",
    "streams that do not fold",
    "states nothing can be decided on",
    "executions closed twice",
    "executions with two owners",
    "reports of a worker that is not the owner",
    "two running where one may",
    "due times missing or doubled",
    "ends without their follower",
    "followers without their end, or twice",
    "open executions",
    "open executions without a timer",
    "rows different from a fresh fold",
    "streams set aside",
    "tree different from the log",
    "objections of jobledger verify",
    "positions a tail did not see",
    "events a tail saw that are not in the log",
    "positions out of order in a tail",
    "positions a consumer was not handed",
    "events of a stream consumed out of order",
    "events consumed again after they were acknowledged",
    "reactions left to do",
)


class Findings(Struct):
    """Counts of what must be zero, figures of what was there, and examples of the former."""

    zeros: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(ZEROS, 0)))
    figures: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def found(self, name: str, example: object, count: int = 1) -> None:
        """Count something that must not be."""
        self.zeros[name] += count
        if len(self.examples) < EXAMPLES:
            self.examples.append(f"{name}: {example}")

    @property
    def is_sound(self) -> bool:
        """Whether everything that must be zero is."""
        return not any(self.zeros.values())


class Story(Struct):
    """What the log says, in the form that the journals are compared with."""

    states: dict[str, ExecutionState] = field(default_factory=dict)
    jobs: dict[str, JobState] = field(default_factory=dict)
    keys: dict[str, KeyState] = field(default_factory=dict)
    tokens: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Executions by what their creator put into their input."""
    names: Counter[str] = field(default_factory=Counter)
    """How often each name was given."""
    instants: Counter[str] = field(default_factory=Counter)
    """How often each instant was set as a schedule."""
    refused: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    counts: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Of each execution's stream, how many events of each type."""
    ids: list[str] = field(default_factory=list)
    """Event ids, by position."""
    open_of: Counter[str] = field(default_factory=Counter)
    dues: defaultdict[str, list[datetime | None]] = field(default_factory=lambda: defaultdict(list))
    """Due times with an outcome, in order; None where the schedule was set anew."""
    fired: set[str] = field(default_factory=set)
    not_followed: int = 0
    peaks: list[tuple[int, bytes]] = field(default_factory=list)
    """Roots of the perfect trees that the entries so far make, the largest first, with their sizes."""


async def judge(
    dsn: str,
    *,
    journals: Path,
    tails: Path | None = None,
    workers: Collection[str] = (),
    views: Collection[str] | None = None,
) -> Findings:
    """Look at everything; the ledger must be at rest.

    *workers* are the names that workers go by, each with a key of that name. *views* limits which
    are folded again, since that takes longer the longer the log is; None takes all.
    """
    findings = Findings()
    store = await PostgresStore.open(dsn, max_connections=4)
    try:
        await _sums(store.pool, findings)
        story = await read(store, findings, workers)
        compare(story, journal.intents(journal.lines(journals)), findings)
        compare_schedules(story, journal.lines(journals), findings)
        _at_rest(story, findings)
        await _timers(store.pool, story, findings)
        await _reactions(store.pool, story, findings)
        await _views(store, findings, views)
        await _tree(store, story, findings)
    finally:
        await store.close()
    if tails is not None:
        for path in sorted(tails.glob("*.seen")):
            tailed(path, story.ids, findings)
        for path in sorted(tails.glob("*.consumed")):
            consumed(path, len(story.ids), findings)
    return findings


_SUMS: Final = {
    "positions missing or doubled": """
        select abs(count(*) - coalesce(max(position), 0)) + (count(*) - count(distinct position))
            + abs((select h.position from ledger.head h) - count(*))
        from ledger.events""",
    "versions missing or doubled": """
        select count(*) from (
            select stream from ledger.events group by stream
            having min(version) <> 1 or max(version) <> count(*)
                or count(distinct version) <> count(*)) wrong""",
    "numbers missing or doubled": """
        select coalesce(sum(abs(n.last - n.count) + abs(n.count - n.different)), 0)::bigint from (
            select type, max(number) as last, count(*) as count, count(distinct number) as different
            from ledger.events where number is not null group by type) n""",
    "event ids doubled": "select count(*) - count(distinct event_id) from ledger.events",
    "digests wrong": """
        select count(*) from ledger.events
        where data is not null and sha256(salt || data) <> data_digest""",
    "recorded time going back": """
        select count(*) from (
            select recorded_at < lag(recorded_at) over (order by position) as back
            from ledger.events) e where back""",
    "stream heads wrong": """
        select count(*) from ledger.streams s full join (
            select stream, max(version) as version, min(position) as first, max(position) as last
            from ledger.events group by stream) e on e.stream = s.stream
        where (s.version, s.first_position, s.last_position)
            is distinct from (e.version, e.first, e.last)""",
}


async def _sums(pool: "asyncpg.Pool[Any]", findings: Findings) -> None:
    """Check what one statement each can check over the whole log."""
    for name, statement in _SUMS.items():
        if wrong := await pool.fetchval(statement, timeout=300):
            findings.found(name, wrong, wrong)


async def read(store: PostgresStore, findings: Findings, workers: Collection[str]) -> Story:
    """Fold the whole log."""
    story = Story()
    position, head = 0, await store.head()
    while position < head:
        for record in await store.read_log(after=position, limit=PAGE):
            if record.position != position + 1:
                findings.found("positions missing or doubled", record.position)
            position = record.position
            story.ids.append(str(record.event_id))
            _plant(story.peaks, encode_entry(record))
            try:
                _take(story, record, findings, workers)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
                findings.found("streams that do not fold", f"{record.stream}: {error!r}")
    findings.figures["events"] = position
    findings.figures["executions"] = len(story.states)
    return story


def _take(story: Story, record: AnyRecorded, findings: Findings, workers: Collection[str]) -> None:
    if record.stream.startswith("key/"):
        story.keys[record.stream] = evolve_key(story.keys.get(record.stream), record)
    elif record.stream.startswith("job/"):
        _take_job(story, record)
        story.jobs[record.stream] = evolve_job(story.jobs.get(record.stream), record)
    else:
        before = story.states.get(record.stream)
        _look_at_owner(record, before, findings, workers)
        after = evolve_execution(before, record)
        story.states[record.stream] = after
        _take_execution(story, record, before, after, findings)


def _take_job(story: Story, record: AnyRecorded) -> None:
    match record.event:
        case j.JobScheduleSet(schedule=schedule):
            story.instants.update(at.isoformat() for at in schedule.at)
            story.dues[record.stream].append(None)
        case j.JobFollowSkipped():
            story.not_followed += 1
        case j.JobScheduleFired(due_at=due_at, execution=execution):
            story.dues[record.stream].append(due_at)
            story.fired.add(execution_stream(execution))
        case j.JobScheduleSkipped(due_at=due_at):
            story.dues[record.stream].append(due_at)
        case _:
            pass


def _look_at_owner(
    record: AnyRecorded,
    before: ExecutionState | None,
    findings: Findings,
    workers: Collection[str],
) -> None:
    """One owner at a time, and nobody else's reports are taken."""
    event = record.event
    owned = before is not None and before.is_owned
    if isinstance(event, x.ExecutionStarted) and event.lease is not None and before is not None:
        if owned:
            findings.found("executions with two owners", record.stream)
        if event.fence <= before.fence:
            findings.found("executions with two owners", f"{record.stream} fence {event.fence}")
    is_report = isinstance(event, WORK) and record.actor in workers
    if not is_report or before is None or before.job_id == "recorded":
        return
    if not owned or before.worker != record.actor:
        what = f"{record.stream} v{record.version} by {record.actor}, owner {before.worker!r}"
        findings.found("reports of a worker that is not the owner", what)


def _take_execution(
    story: Story,
    record: AnyRecorded,
    before: ExecutionState | None,
    after: ExecutionState,
    findings: Findings,
) -> None:
    event = record.event
    story.counts[record.stream][record.type] += 1
    match event:
        case x.ExecutionCreated():
            if isinstance(event.input, dict) and "token" in event.input:
                story.tokens[event.input["token"]].append(str(event.uuid))
        case x.ExecutionDescribed(name=str(name)):
            story.names[name] += 1
        case x.ReportRefused(fence=fence):
            story.refused[record.stream].append(fence)
        case _:
            pass
    if isinstance(event, CLOSING) and before is not None and not before.is_open:
        findings.found("executions closed twice", record.stream)
    if after.policies.when_running == "reject":
        was, now = before is not None and before.is_open, after.is_open
        story.open_of[after.job_id] += now - was
        if story.open_of[after.job_id] > 1:
            findings.found("two running where one may", f"{after.job_id} at {record.position}")
    tick = decide(after, c.Tick(), record.recorded_at)
    if not isinstance(tick, tuple):
        findings.found("states nothing can be decided on", f"{record.stream}: {tick}")


def compare(story: Story, told: Mapping[str, journal.Intents], findings: Findings) -> None:
    """Hold what actors were told against the log."""
    figures = findings.figures
    for id_, intent in told.items():
        outcome = (
            "acknowledged"
            if intent.is_acknowledged
            else "refused"
            if intent.is_refused or intent.late_fences
            else "unknown"
        )
        figures[f"commands {outcome}"] += 1
        if intent.kind == "create":
            _compare_create(story, id_, intent, findings)
        else:
            _compare_change(story, id_, intent, findings)


def _compare_create(story: Story, id_: str, intent: journal.Intents, findings: Findings) -> None:
    made = story.tokens.get(id_, [])
    if len(made) > 1:
        findings.found("in the log twice", f"{id_}: {made}")
    if not intent.is_acknowledged:
        findings.figures["unacknowledged creates that were made"] += bool(made)
        return
    if not made:
        findings.found("acknowledged, not in the log", id_)
    for named in intent.acknowledged:
        if named not in made:
            findings.found("acknowledged as another execution", f"{id_}: {named}, not {made}")


def _compare_change(story: Story, id_: str, intent: journal.Intents, findings: Findings) -> None:
    stream = f"execution/{intent.execution}"
    counts = story.counts.get(stream, Counter[str]())
    made = {
        "describe": story.names[id_],
        "cancel": counts["execution.cancel_requested"],
        "delete": counts["execution.deleted"],
        "pause": counts["execution.pause_requested"],
        "recorded": min(counts["step.started"], counts["step.finished"]),
        "finish": counts["execution.finished"],
    }.get(intent.kind)
    if made is None:
        return
    told = f"{intent.kind} {id_} of {stream}"
    if intent.is_acknowledged and not made:
        findings.found("acknowledged change missing", told)
    if made > 1 and intent.kind != "pause":  # it may be paused again after it was resumed
        findings.found("changes made twice", told)
    for fence in intent.late_fences:
        findings.figures["late reports refused"] += 1
        if story.refused[stream].count(fence) != 1:
            findings.found("late report not on record", f"{stream} fence {fence}")


def compare_schedules(story: Story, found: Iterable[journal.Line], findings: Findings) -> None:
    """Each instant that was acknowledged was set.

    Perhaps more than once: HTTP clients repeat a PUT by themselves when a kept connection breaks, and
    somebody else may have set another one in between.
    """
    wanted: dict[str, str] = {}
    for line in found:
        if line.kind != "schedule":
            continue
        if line.told == "intent":
            wanted[line.id] = datetime.fromisoformat(line.detail).astimezone(UTC).isoformat()
        elif line.told == "acknowledged" and not story.instants[wanted[line.id]]:
            findings.found("acknowledged change missing", f"schedule {line.id}")


def _at_rest(story: Story, findings: Findings) -> None:
    """No due time without an outcome, no end without what follows it, nothing open."""
    for stream, dues in story.dues.items():
        for earlier, later in pairwise(dues):
            if earlier is not None and later is not None and later - earlier != EVERY:
                findings.found("due times missing or doubled", f"{stream} {earlier} {later}")
    for stream in story.fired - story.states.keys():
        findings.found("due times missing or doubled", f"{stream} does not exist")
    findings.figures["due times"] = sum(
        due is not None for dues in story.dues.values() for due in dues
    )
    ended = {
        state.uuid
        for state in story.states.values()
        if state.job_id == "up"
        and state.status == "finished"
        and state.outcome in ("ok", "warning")
    }
    followed = [state for state in story.states.values() if state.job_id == "down"]
    findings.figures["ends that were followed"] = len(followed)
    missing = len(ended) - len(followed) - story.not_followed
    if missing > 0:
        findings.found("ends without their follower", f"{len(ended)} ends", missing)
    elif missing < 0:
        findings.found("followers without their end, or twice", f"{len(ended)} ends", -missing)
    for stream, state in story.states.items():
        if state.is_open:
            told = f"{stream} {state.job_id} {state.status} {state.waiting_for} {state.worker}"
            findings.found("open executions", told)


async def _timers(pool: "asyncpg.Pool[Any]", story: Story, findings: Findings) -> None:
    timed = {
        row["stream"]
        for row in await pool.fetch("select stream from ledger.streams where due_at is not null")
    }
    for stream, state in story.states.items():
        if state.is_open and stream not in timed:
            findings.found("open executions without a timer", stream)


async def _reactions(pool: "asyncpg.Pool[Any]", story: Story, findings: Findings) -> None:
    rows = await pool.fetch("select stream, error from ledger.reactions")
    for row in rows:
        findings.found("reactions left to do", f"{row['stream']}: {row['error']}")
    waits = await pool.fetch("select key, stream from ledger.claims where key like 'waits/%'")
    for row in waits:
        state = story.states.get(row["stream"])
        if state is None or not state.is_open:
            findings.found("reactions left to do", f"{row['key']} is still owned")


async def _views(store: PostgresStore, findings: Findings, views: Collection[str] | None) -> None:
    for projector in PROJECTORS:
        if views is not None and projector.name not in views:
            continue
        found = await verify(store.pool, store.tail, projector)
        findings.figures["views folded again"] += 1
        for difference in found.differences:
            findings.found("rows different from a fresh fold", f"{projector.name}: {difference}")
        for stream in (*found.quarantined, *found.unreadable):
            findings.found("streams set aside", f"{projector.name}: {stream}")


def _plant(peaks: list[tuple[int, bytes]], entry: bytes) -> None:
    """Add a leaf, merging trees of equal size (RFC 9162 section 2.1.1)."""
    size, root = 1, hashlib.sha256(b"\x00" + entry).digest()
    while peaks and peaks[-1][0] == size:
        size, root = size * 2, hashlib.sha256(b"\x01" + peaks.pop()[1] + root).digest()
    peaks.append((size, root))


async def _tree(store: PostgresStore, story: Story, findings: Findings) -> None:
    """Grow a tree from the log's own entries, and compare roots."""
    head = await tree.head(store.pool)
    findings.figures["tree size"] = head.size
    root = hashlib.sha256(b"").digest()
    if story.peaks:
        *left, (_, root) = story.peaks
        for _, peak in reversed(left):
            root = hashlib.sha256(b"\x01" + peak + root).digest()
    if head.size != len(story.ids) or head.root != root:
        told = f"{head.size} {head.root.hex()}, not {len(story.ids)} {root.hex()}"
        findings.found("tree different from the log", told)


def tailed(path: Path, ids: list[str], findings: Findings) -> None:
    """Compare what a tail saw with the log."""
    seen = follower.read(path)
    lines = path.read_text().splitlines()
    resumed = sum(1 for line in lines if line.startswith("#"))
    known: dict[int, str] = dict(seen)
    findings.figures["tail sessions"] += resumed
    findings.figures["events tailed"] += len(seen)
    findings.figures["events tailed again"] += len(seen) - len(known)
    if missing := [at for at in range(1, len(ids) + 1) if at not in known]:
        findings.found("positions a tail did not see", f"{path.name} {missing[:5]}", len(missing))
    for position, event_id in seen:
        if position > len(ids) or ids[position - 1] != event_id:
            findings.found("events a tail saw that are not in the log", f"{path.name} {position}")
    findings.zeros["positions out of order in a tail"] += out_of_order(lines)


def consumed(path: Path, head: int, findings: Findings) -> None:
    """Look at what members were handed: all of it, each stream in order, and nothing once it is done."""
    done: set[int] = set()
    handed: Counter[int] = Counter()
    last: Counter[str] = Counter()
    for entry in consumer.read(path):
        if entry.is_acknowledged:
            done.add(entry.position)
            continue
        told = f"{path.name} {entry.position} {entry.stream} v{entry.version}"
        handed[entry.position] += 1
        if entry.position in done:
            findings.found("events consumed again after they were acknowledged", told)
        if entry.version > last[entry.stream] + 1:
            findings.found("events of a stream consumed out of order", told)
        last[entry.stream] = max(last[entry.stream], entry.version)
    findings.figures["events consumed"] += len(handed)
    findings.figures["events consumed again"] += handed.total() - len(handed)
    if missing := [at for at in range(1, head + 1) if at not in handed]:
        told = f"{path.name} {missing[:5]}"
        findings.found("positions a consumer was not handed", told, len(missing))


def out_of_order(lines: Iterable[str]) -> int:
    """Count the places at which one session of a tail left a position out or went back."""
    wrong, last = 0, None
    for line in lines:
        words = line.split()
        if line.startswith("#"):
            last = int(words[-1])
        elif len(words) == 2 and words[0].isdigit() and len(words[1]) == 36:
            position = int(words[0])
            wrong += last is not None and position != last + 1
            last = position
    return wrong
