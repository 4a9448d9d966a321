"""The routes of durable consumers; part of the list in `api.routes.table`."""

from typing import Any

from api.auth.principal import CONSUMERS, READERS
from api.native import consumer_wire as w
from api.native import consumers
from api.route import Query, Route
from api.routes.parameters import PAGE

_ONE = "/v1/consumers/{consumer}"
_LOOKERS = READERS | CONSUMERS


def consumer_routes() -> tuple[Route, ...]:
    """Give them all."""
    return (*_themselves(), *_reading(), *_set_aside())


def _themselves() -> tuple[Route, ...]:
    common: dict[str, Any] = {"tag": "consumers"}
    return (
        Route(
            method="GET",
            path="/v1/consumers",
            handler=consumers.list_consumers,
            roles=_LOOKERS,
            summary="List durable consumers, and how far they are",
            answer=w.ConsumerList,
            query=PAGE,
            **common,
        ),
        Route(
            method="PUT",
            path=_ONE,
            handler=consumers.put,
            roles=CONSUMERS,
            summary="Make a consumer, or set its terms",
            body=w.ConsumerPut,
            answer=w.ConsumerView,
            headers=("If-None-Match",),
            **common,
        ),
        Route(
            method="GET",
            path=_ONE,
            handler=consumers.read,
            roles=_LOOKERS,
            summary="Show a consumer: position, lag, members",
            answer=w.ConsumerView,
            **common,
        ),
        Route(
            method="PATCH",
            path=_ONE,
            handler=consumers.patch,
            roles=CONSUMERS,
            summary="Change a consumer's terms (merge patch)",
            body=w.ConsumerPatch,
            body_type="application/merge-patch+json",
            answer=w.ConsumerView,
            **common,
        ),
        Route(
            method="DELETE",
            path=_ONE,
            handler=consumers.delete,
            roles=CONSUMERS,
            status=204,
            summary="Remove a consumer",
            **common,
        ),
        Route(
            method="POST",
            path=f"{_ONE}/reset",
            handler=consumers.reset,
            roles=CONSUMERS,
            summary="Go on from another position",
            body=w.ResetPost,
            answer=w.ConsumerView,
            **common,
        ),
    )


def _reading() -> tuple[Route, ...]:
    common: dict[str, Any] = {"method": "POST", "roles": CONSUMERS, "tag": "consumers"}
    return (
        Route(
            path=f"{_ONE}/events",
            handler=consumers.poll,
            summary="Be handed events under leases (long-poll)",
            body=w.PollPost,
            body_required=False,
            answer=w.Batch,
            **common,
        ),
        Route(
            path=f"{_ONE}/ack",
            handler=consumers.ack,
            summary="Say what is done",
            body=w.AckPost,
            answer=w.Acked,
            **common,
        ),
        Route(
            path=f"{_ONE}/nack",
            handler=consumers.nack,
            summary="Say that an event could not be handled",
            body=w.NackPost,
            answer=w.Nacked,
            **common,
        ),
        Route(
            path=f"{_ONE}/heartbeat",
            handler=consumers.heartbeat,
            summary="Prolong a member's leases",
            body=w.MemberPost,
            body_required=False,
            answer=w.Beat,
            **common,
        ),
        Route(
            path=f"{_ONE}/release",
            handler=consumers.release,
            summary="Let a member leave",
            body=w.MemberPost,
            body_required=False,
            answer=w.Released,
            **common,
        ),
    )


def _set_aside() -> tuple[Route, ...]:
    common: dict[str, Any] = {"tag": "consumers"}
    return (
        Route(
            method="GET",
            path=f"{_ONE}/parked",
            handler=consumers.list_parked,
            roles=_LOOKERS,
            summary="List parked executions",
            answer=w.ParkedList,
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
            handler=consumers.replay_parked,
            roles=CONSUMERS,
            summary="Try parked executions anew",
            body=w.ReplayPost,
            body_required=False,
            answer=w.Treated,
            **common,
        ),
        Route(
            method="POST",
            path=f"{_ONE}/parked/discard",
            handler=consumers.discard_parked,
            roles=CONSUMERS,
            summary="Give up the event that stands in an execution's way",
            body=w.DiscardPost,
            answer=w.Treated,
            **common,
        ),
    )
