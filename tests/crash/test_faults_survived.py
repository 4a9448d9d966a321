"""A short run of the fault harness: `scripts/crash` runs the same for as long as one likes."""

from pathlib import Path

import pytest

from tests.crash.harness import faults
from tests.crash.harness.run import run, show
from tests.crash.harness.world import Scale, Shape

pytestmark = pytest.mark.timeout(240)

PLAN = [
    [faults.kill_server, faults.kill_worker],
    [faults.swallow_answers, faults.cut_in_requests],
    [faults.kill_postmaster, faults.kill_views],
    [faults.burst],
    [faults.fill_disk, faults.kill_tail],
    [faults.kill_all_servers, faults.kill_all_of_postgres],
]


async def test_nothing_is_lost_doubled_or_stuck(tmp_path: Path) -> None:
    """Under load, kills, cuts, a full waiting list and a full disk leave every promise kept."""
    report = await run(
        tmp_path / "world",
        seed="suite",
        seconds=0,
        round_s=60,
        scale=Scale(callers=8, queue_timeout_s=2.0, timeout_s=6.0, tails=2),
        plan=PLAN,
        shape=Shape(database="external", views="beside"),
    )
    assert report.is_sound, show(report)
    assert report.faults.total() == sum(map(len, PLAN))
    assert report.findings.figures["commands acknowledged"] > 20
    assert report.findings.figures["tail sessions"] > 2
    assert report.counts["refused because too many waited"] > 0
