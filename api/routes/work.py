"""The routes of workers and recorders."""

from typing import Any

from api.auth.principal import OPERATORS, REPORTERS, WORKERS
from api.native import bulk, reports, work
from api.native import wire as w
from api.route import Route


def work_routes() -> tuple[Route, ...]:
    """Give them all."""
    common: dict[str, Any] = {"tag": "work"}
    return (
        Route(
            method="POST",
            path="/v1/work/claim",
            handler=work.claim,
            roles=WORKERS,
            summary="Claim work (long-poll)",
            body=w.ClaimPost,
            answer=w.Claimed,
            **common,
        ),
        Route(
            method="POST",
            path="/v1/work/{lease}/heartbeat",
            handler=work.heartbeat,
            roles=WORKERS,
            summary="Renew a lease",
            answer=w.Heartbeat,
            **common,
        ),
        Route(
            method="POST",
            path="/v1/executions/{execution}/reports",
            handler=reports.report,
            roles=REPORTERS,
            summary="Report progress of an execution",
            body=w.ReportsPost,
            answer=w.ReportsTaken,
            **common,
        ),
        Route(
            method="POST",
            path="/v1/reports",
            handler=bulk.bulk,
            roles=REPORTERS | OPERATORS,
            summary="Many commands, one a line",
            body=w.BulkLine,
            body_type="application/x-ndjson",
            answer=w.BulkOutcome,
            answer_type="application/x-ndjson",
            **common,
        ),
    )
