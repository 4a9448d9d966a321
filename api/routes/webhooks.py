"""The routes of webhooks; part of the list in `api.routes.table`."""

from typing import Any

from api.auth.principal import ADMINS, OPERATORS
from api.native import consumer_wire as c
from api.native import webhook_wire as w
from api.native import webhooks
from api.route import Query, Route
from api.routes.parameters import PAGE

_ONE = "/v1/webhooks/{webhook}"


def webhook_routes() -> tuple[Route, ...]:
    """Give them all."""
    return (*_themselves(), *_steering(), *_deliveries())


def _themselves() -> tuple[Route, ...]:
    common: dict[str, Any] = {"tag": "webhooks"}
    return (
        Route(
            method="GET",
            path="/v1/webhooks",
            handler=webhooks.list_webhooks,
            roles=OPERATORS,
            summary="List webhooks, and how they fare",
            answer=w.WebhookList,
            query=PAGE,
            **common,
        ),
        Route(
            method="POST",
            path="/v1/webhooks",
            handler=webhooks.make,
            roles=ADMINS,
            summary="Have events brought to an address",
            body=w.WebhookPost,
            answer=w.WebhookMade,
            status=201,
            **common,
        ),
        Route(
            method="GET",
            path=_ONE,
            handler=webhooks.read,
            roles=OPERATORS,
            summary="Show a webhook",
            answer=w.WebhookView,
            **common,
        ),
        Route(
            method="PATCH",
            path=_ONE,
            handler=webhooks.patch,
            roles=ADMINS,
            summary="Change a webhook (merge patch)",
            body=w.WebhookPatch,
            body_type="application/merge-patch+json",
            answer=w.WebhookView,
            **common,
        ),
        Route(
            method="DELETE",
            path=_ONE,
            handler=webhooks.delete,
            roles=ADMINS,
            status=204,
            summary="Remove a webhook",
            **common,
        ),
        Route(
            method="POST",
            path=f"{_ONE}/secrets",
            handler=webhooks.rotate,
            roles=ADMINS,
            summary="Give a webhook another secret",
            body=w.SecretPost,
            body_required=False,
            answer=w.SecretMade,
            status=201,
            **common,
        ),
    )


def _steering() -> tuple[Route, ...]:
    common: dict[str, Any] = {"method": "POST", "roles": OPERATORS, "tag": "webhooks"}
    return (
        Route(
            path=f"{_ONE}/enable",
            handler=webhooks.enable,
            summary="Send again, from where it was",
            answer=w.WebhookView,
            **common,
        ),
        Route(
            path=f"{_ONE}/disable",
            handler=webhooks.disable,
            summary="Stop sending; the position stays",
            body=w.DisablePost,
            body_required=False,
            answer=w.WebhookView,
            **common,
        ),
        Route(
            path=f"{_ONE}/test",
            handler=webhooks.test,
            summary="Send a test message now",
            answer=w.AttemptView,
            **common,
        ),
        Route(
            path=f"{_ONE}/replay",
            handler=webhooks.replay,
            summary="Bring again all events behind a position",
            body=w.ReplayFrom,
            answer=w.WebhookView,
            **common,
        ),
    )


def _deliveries() -> tuple[Route, ...]:
    common: dict[str, Any] = {"roles": OPERATORS, "tag": "webhooks"}
    return (
        Route(
            method="GET",
            path=f"{_ONE}/deliveries",
            handler=webhooks.list_deliveries,
            summary="List what was tried, newest first",
            answer=w.AttemptList,
            query=(*PAGE, Query(name="outcome", description="Only with this outcome.")),
            **common,
        ),
        Route(
            method="GET",
            path=f"{_ONE}/parked",
            handler=webhooks.list_parked,
            summary="List parked executions",
            answer=c.ParkedList,
            query=(
                *PAGE,
                Query(
                    name="retrying",
                    description="Those too that are tried again by themselves.",
                    type="boolean",
                ),
            ),
            **common,
        ),
        Route(
            method="POST",
            path=f"{_ONE}/parked/replay",
            handler=webhooks.replay_parked,
            summary="Try parked executions anew",
            body=c.ReplayPost,
            body_required=False,
            answer=c.Treated,
            **common,
        ),
        Route(
            method="POST",
            path=f"{_ONE}/parked/discard",
            handler=webhooks.discard_parked,
            summary="Give up the event that stands in an execution's way",
            body=c.DiscardPost,
            answer=c.Treated,
            **common,
        ),
    )
