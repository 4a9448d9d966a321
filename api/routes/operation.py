"""The routes of those who run the ledger: views, workers, keys, measurements."""

from api.auth.principal import ADMINS, AUDITORS, EVERYBODY, READERS
from api.native import activity, admin, health, me, projections, workers
from api.native import wire as w
from api.route import Query, Route
from api.routes.parameters import MIN_POSITION, PAGE


def operation_routes() -> tuple[Route, ...]:
    """Give them all."""
    return (
        Route(
            method="GET",
            path="/v1/projections",
            handler=admin.list_projections,
            roles=READERS,
            summary="Show how far the views are",
            tag="operation",
            answer=w.ProjectionList,
        ),
        Route(
            method="POST",
            path="/v1/projections/{name}/rebuild",
            handler=admin.rebuild,
            roles=ADMINS,
            summary="Rebuild a view beside the live one",
            tag="operation",
            answer=w.RebuildStarted,
            status=202,
        ),
        Route(
            method="POST",
            path="/v1/projections/{name}/verify",
            handler=projections.verify_view,
            roles=AUDITORS,
            summary="Compare a view with a fresh fold of the log",
            tag="operation",
            answer=w.VerifyLine,
            answer_type="application/x-ndjson",
            query=(
                Query(name="limit", description="Differences told of each table.", type="integer"),
            ),
        ),
        Route(
            method="POST",
            path="/v1/projections/{name}/replay",
            handler=projections.replay,
            roles=ADMINS,
            summary="Take in again what a view had set aside",
            tag="operation",
            body=w.ReplayPost,
            body_required=False,
            answer=w.ReplayedList,
        ),
        Route(
            method="GET",
            path="/v1/activity",
            handler=activity.read,
            roles=READERS,
            summary="Count what is open, and what started and ended by the minute",
            tag="operation",
            answer=activity.ActivityView,
            query=(
                Query(name="minutes", description="How many of the last ones.", type="integer"),
            ),
            headers=MIN_POSITION,
        ),
        Route(
            method="GET",
            path="/v1/workers",
            handler=workers.list_workers,
            roles=READERS,
            summary="List who holds work, and until when",
            tag="operation",
            answer=workers.WorkerList,
        ),
        Route(
            method="GET",
            path="/v1/me",
            handler=me.read,
            roles=EVERYBODY,
            summary="Show whose key this is, and what it may",
            tag="operation",
            answer=w.MeView,
        ),
        Route(
            method="GET",
            path="/v1/keys",
            handler=admin.list_keys,
            roles=ADMINS,
            summary="List access keys",
            tag="operation",
            answer=w.KeyList,
            query=PAGE,
        ),
        Route(
            method="POST",
            path="/v1/keys",
            handler=admin.make_key,
            roles=ADMINS,
            summary="Make an access key",
            tag="operation",
            body=w.KeyPost,
            answer=w.KeyMade,
            status=201,
        ),
        Route(
            method="DELETE",
            path="/v1/keys/{key}",
            handler=admin.revoke_key,
            roles=ADMINS,
            summary="Revoke an access key",
            tag="operation",
            status=204,
        ),
        Route(
            method="GET",
            path="/metrics",
            handler=health.metrics,
            roles=READERS,
            summary="Measurements of this process",
            tag="operation",
            answer=str,
            answer_type="text/plain",
        ),
    )
