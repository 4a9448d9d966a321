"""Lists stay flat: first pages with many finished executions against the same with few.

Two servers, one with 1,000 finished executions and one with 100,000, are asked in turns. Each figure
is the median of many requests; each request is a whole page, with its total where the vendor's list
has one, through HTTP and JSON. `all pages` is the sum over the pages.
Executions are made by the bulk route (created, and finished by a recorder), two in a hundred of them
failed, and one in a hundred with an input of its own, which a find looks for.
"""

import argparse
import statistics
import time

from bulk import JOB, send
from frame import Report
from processes import cpu_s
from running import Server, server

OK = [{"type": "output", "output": {"rows": 3}}, {"type": "finished"}]
FAILED = [{"type": "finished", "outcome": "error"}]


def leaf(field: str, value: object, kind: str = "eq") -> dict[str, object]:
    """Make a find request of one condition, as the vendor's document writes it."""
    return {"type": kind, "caseSensitive": True, "field": field, "value": value}


def both(*queries: dict[str, object]) -> dict[str, object]:
    """Make a find request of several conditions."""
    return {"type": "and", "queries": queries}


FIND = "/v1/job_executions/find"
SINCE = leaf("createdAt", "2023-12-21T00:00:00.000Z", "greater")
PAGES: dict[str, tuple[str, str, object]] = {
    "native list": ("GET", "/v1/executions?limit=50", None),
    "Product-Live list": ("GET", "/v1/data_factory/job_executions", None),
    "Product-Live find: status": ("POST", FIND, leaf("status", "COMPLETED")),
    "Product-Live find: status and createdAt": (
        *("POST", FIND),
        both(leaf("status", "COMPLETED"), SINCE),
    ),
    "Product-Live find: jobId": ("POST", FIND, leaf("jobId", "bench")),
    "Product-Live find: input path": ("POST", FIND, leaf("input.shop", "Shop 7")),
    "CDQ list, newest first": ("GET", "/v2/jobs?sort=-createdAt&limit=50", None),
    "CDQ list with total": ("GET", "/v2/jobs?featuresOn=NUMBER_OF_TOTAL", None),
    "CDQ list of a type and status": ("GET", "/v2/jobs?jobType=bench&jobStatus=FINISHED", None),
}


def fill(at: Server, wanted: int, portion: int = 2_000) -> None:
    """Make finished executions, and wait until they can be seen."""
    already = 0
    while already < wanted:
        count = min(portion, wanted - already)
        lines = [
            {
                "op": "create",
                "job_id": "bench",
                # The same few inputs however many executions there are.
                "run": {"input": {"shop": f"Shop {n}" if n < 100 else f"Other {n}"}},
            }
            for n in range(already, already + count)
        ]
        created = send(at, lines)
        reports: list[dict[str, object]] = [
            {
                "op": "report",
                "execution": row["execution"],
                "reports": FAILED if number % 50 == 0 else OK,
            }
            for number, row in enumerate(created)
        ]
        send(at, reports)
        already += count
    at.until_caught_up()


def settle(pids: list[int], *, quiet: float = 0.05, deadline_s: float = 120) -> None:
    """Wait until the servers have done what filling them left to do."""
    until = time.monotonic() + deadline_s
    while time.monotonic() < until:
        before = sum(map(cpu_s, pids))
        time.sleep(2)
        if sum(map(cpu_s, pids)) - before < 2 * quiet * len(pids):
            return


def options(of: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    of.add_argument("--few", type=int, default=1_000)
    of.add_argument("--many", type=int, default=100_000)
    of.add_argument("--requests", type=int, default=30, help="of each page in a round")


async def run(told: argparse.Namespace, report: Report) -> None:
    """Measure."""
    few, many = f"{told.few:,}", f"{told.many:,}"
    for name in (*PAGES, "all pages"):
        report.ratio(f"{name}, {many}", f"{name}, {few}", at_most=1.2)
    unlimited = {"JOBLEDGER_PRODUCT_LIVE_RATE_PER_MINUTE": "0"}
    with server(**unlimited) as small, server(**unlimited) as large:
        for at, count in ((small, told.few), (large, told.many)):
            at.call("PUT", "/v1/jobs/bench", JOB)
            fill(at, count)
        settle([small.pid, large.pid])
        measure([small, large], 10)
        for _ in report.rounds(told.rounds, (few, many)):
            for label, medians in zip(
                (few, many), measure([small, large], told.requests), strict=True
            ):
                for name, taken in medians.items():
                    report.measured(f"{name}, {label}", taken, "ms")
                report.measured(f"all pages, {label}", sum(medians.values()), "ms")


def measure(servers: list[Server], requests: int) -> list[dict[str, float]]:
    """Give each page's median time on each server, in milliseconds; servers and pages take turns."""
    taken: list[dict[str, list[float]]] = [{name: [] for name in PAGES} for _ in servers]
    for _ in range(requests):
        for name, (method, path, body) in PAGES.items():
            for at, times in zip(servers, taken, strict=True):
                begun = time.perf_counter()
                at.call(method, path, body)
                times[name].append((time.perf_counter() - begun) * 1000)
    return [{name: statistics.median(of) for name, of in times.items()} for times in taken]
