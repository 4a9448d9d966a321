"""`scripts/bench NAME`: what can be measured, each in a module of its name beside this one."""

import argparse
import importlib
import sys

import uvloop
from frame import Report

BENCHES = (
    "append",
    "catchup",
    "create",
    "fanout",
    "latency",
    "lists",
    "poll",
    "project",
    "proofs",
    "rebuild",
)


def main() -> None:
    """Measure what the command line names."""
    options = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    names = options.add_subparsers(dest="bench", required=True, metavar="NAME")
    for name in BENCHES:
        bench = importlib.import_module(name)
        about = str(bench.__doc__)
        one = names.add_parser(name, help=about.splitlines()[0], description=about)
        one.add_argument("--rounds", type=int, default=5, help="at least 5, to be believed")
        one.add_argument("--json", action="store_true", help="the result as one JSON document")
        bench.options(one)
    told = options.parse_args()
    report = Report(sys.argv[1:], as_json=told.json)
    uvloop.run(importlib.import_module(told.bench).run(told, report))
    report.end()


if __name__ == "__main__":
    main()
