"""The vendor's statuses, as what phases come to."""

from typing import Final

from api.dialects.product_live.wire import Status
from ledger.executions.phase import Phase

STATUS_OF: Final[dict[Phase, Status]] = {
    "waits_for_time": "PENDING",
    "waits_for_dependency": "PENDING",
    "waits_for_capacity": "PENDING",
    "waits_for_worker": "PENDING",
    "running": "RUNNING",
    "pausing": "RUNNING",
    "paused": "RUNNING",
    "aborting": "RUNNING",
    "ok": "COMPLETED",
    "warning": "COMPLETED",
    "error": "FAILED",
    "invalid_input": "USER_ERROR",
    "timed_out": "TIMEDOUT",
    "lease_lost": "FAILED",
    "canceled": "TERMINATED",
    "upstream_failed": "TERMINATED",
    "erased": "TERMINATED",
}
