"""Rounds of faults, and what came of them. Run as a program by `scripts/crash`.

The seed draws the faults and what the callers do; how they meet is the machine's. So a seed repeats
the kind of a run and not its very course, and everything that is asserted holds for any course.
"""

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final

import structlog
from msgspec import Struct, field

from projections.registry import PROJECTORS
from tests.crash.harness import faults, journal
from tests.crash.harness.calls import pause
from tests.crash.harness.judge import Findings, judge
from tests.crash.harness.quiesce import Rest, come_to_rest
from tests.crash.harness.world import DATABASES, VIEWS, NotBack, Scale, Shape, World

Plan = Sequence[Sequence[faults.Fault]]
"""What happens one after the other; what stands together happens at once."""
ROUND_S: Final = 40.0
FOLDED_AGAIN_EVENTS: Final = 40_000
"""Up to this length of the log each round folds all views again; beyond it two of them, by dice."""


class Report(Struct):
    """What a run did and found."""

    seed: str
    rounds: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    rests: list[Rest] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    counts: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)
    not_back: str = ""
    disk: str = ""

    @property
    def zeros(self) -> dict[str, int]:
        """Everything that must be zero."""
        return {
            **self.findings.zeros,
            "503 without Retry-After": self.counts["503 without Retry-After"],
            "answers that say the server failed": self.told["failed"],
            "servers that did not stop when told": self.counts[
                "servers that did not stop when told"
            ],
            "processes left behind": len(self.left),
            "did not come back": int(bool(self.not_back)),
        }

    @property
    def is_sound(self) -> bool:
        """Whether all of it is zero."""
        return not any(self.zeros.values())


async def run(
    home: Path,
    *,
    seed: str,
    seconds: float,
    round_s: float = ROUND_S,
    scale: Scale,
    stopping: asyncio.Event | None = None,
    plan: Plan | None = None,
    shape: Shape | None = None,
) -> Report:
    """Break a ledger in *home* for about so many seconds; at least one round.

    With *plan*, its faults happen in its order, and that is all. Shapes are drawn unless one is given.
    """
    stopping = stopping or asyncio.Event()
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    dice, report = Random(seed), Report(seed=seed)
    world = World(home, seed, scale)
    try:
        await world.open(shape or _draw_shape(dice))
        report.disk = world.disk.kind
        while report.rounds == 0 or (loop.time() < until and not stopping.is_set()):
            if report.rounds:
                await world.take_shape(shape or _draw_shape(dice))
            await world.start_load()
            length_s = round_s if plan is not None else min(round_s, max(until - loop.time(), 5.0))
            await _break(world, dice, report, seconds=length_s, stopping=stopping, plan=plan)
            rest = await come_to_rest(world, with_workers=dice.random() < 0.5)
            report.rests.append(rest)
            report.memory_mb.append(world.memory_mb())
            report.rounds += 1
            is_last = loop.time() >= until or stopping.is_set()
            report.findings = await judge(
                world.dsn,
                journals=world.journals,
                tails=world.tails_folder,
                workers=[actor.name for actor in (*world.workers, *world.writers)],
                views=None if is_last else _views_to_fold(dice, rest.head),
            )
            if is_last and (objection := await world.verified()):
                report.findings.found("objections of jobledger verify", objection)
            if not report.findings.is_sound:
                break
    except NotBack as error:
        report.not_back = str(error)
    finally:
        for line in journal.lines(world.journals):
            report.told[line.told] += 1
            if line.told == "failed":
                report.findings.examples.append(f"failed: {line}")
        is_over = report.rounds > 0 and report.is_sound
        report.left = await world.close(keep=not is_over)
        world._keep_history(world.servers)
        report.counts += world.counts
    return report


def _draw_shape(dice: Random) -> Shape:
    return Shape(
        database=dice.choice(DATABASES),
        views=dice.choice(VIEWS),
        processes=dice.choice((1, 1, 2)),
    )


def _views_to_fold(dice: Random, head: int) -> list[str] | None:
    names = [projector.name for projector in PROJECTORS]
    return None if head <= FOLDED_AGAIN_EVENTS else dice.sample(names, 2)


async def _break(
    world: World,
    dice: Random,
    report: Report,
    *,
    seconds: float,
    stopping: asyncio.Event,
    plan: Plan | None,
) -> None:
    """Let faults happen, and see after each that everything comes back by itself."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    left = list(plan or ())
    while loop.time() < until and not stopping.is_set():
        if plan is not None and not left:
            return
        chosen = left.pop(0) if plan is not None else faults.draw(dice)
        for fault in chosen:
            report.faults[faults.name_of(fault)] += 1
        await asyncio.gather(*(fault(world, dice) for fault in chosen))
        await world.heal()
        took_s = await world.until_ready()
        for fault in chosen:
            report.recoveries.setdefault(faults.name_of(fault), []).append(took_s)
        await pause(dice.uniform(0.1, 1.2) if plan is None else 0.1)


def show(report: Report) -> str:
    """Lay the figures out for people."""
    lines = [f"seed {report.seed}, {report.rounds} rounds, disk: {report.disk}", ""]

    def table(title: str, rows: dict[str, str]) -> None:
        lines.append(title)
        width = max(map(len, rows), default=0)
        lines.extend(f"  {name:<{width}}  {value}" for name, value in rows.items())
        lines.append("")

    recoveries: dict[str, str] = {}
    for name, count in sorted(report.faults.items()):
        took = sorted(report.recoveries.get(name, [0.0]))
        recoveries[name] = f"{count:>5}   {took[len(took) // 2]:>6.2f}   {took[-1]:>6.2f}"
    table("fault                     times   s until ready: median, longest", recoveries)
    figures = {**report.findings.figures}
    figures["answers: busy (503)"] = report.told["busy"]
    figures["answers: refused (4xx)"] = report.told["refused"]
    figures["answers that did not come"] = report.told["unknown"]
    figures.update(report.counts)
    table("what was there", {name: f"{count:>9,}" for name, count in figures.items()})
    if report.rests:
        rests = report.rests
        table(
            "coming to rest, longest",
            {
                "ready again": f"{max(rest.ready_s for rest in rests):>9.1f} s",
                "nothing open": f"{max(rest.drained_s for rest in rests):>9.1f} s",
                "views, tails and reactor at the head": (
                    f"{max(rest.caught_up_s for rest in rests):>9.1f} s"
                ),
                "behind for longest": "  " + max(rests, key=lambda rest: rest.caught_up_s).last,
                "resident memory of the larger server, by round": (
                    "  " + " ".join(f"{mb:.0f}" for mb in report.memory_mb) + " MB"
                ),
            },
        )
    table("must be zero", {name: f"{count:>9,}" for name, count in report.zeros.items()})
    if report.not_back:
        lines.append(f"did not come back: {report.not_back}")
    lines.extend(f"! {example}" for example in report.findings.examples)
    lines.extend(f"! left behind: {told}" for told in report.left)
    return "\n".join(lines)


async def _main(options: argparse.Namespace) -> int:
    home = Path(tempfile.mkdtemp(prefix="jobledger-crash-"))
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    print(f"in {home}", file=sys.stderr)
    seconds = options.minutes * 60
    report = await run(home, seed=options.seed, seconds=seconds, scale=Scale(), stopping=stopping)
    print(show(report))
    if report.is_sound:
        shutil.rmtree(home, ignore_errors=True)
        return 0
    print(f"\nkept for a look: {home} (logs, journals, data directory)")
    return 1


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(prog="scripts/crash", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", default="1")
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(40),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    sys.exit(asyncio.run(_main(parser.parse_args())))


if __name__ == "__main__":
    main()
