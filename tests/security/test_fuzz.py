"""Arbitrary requests, made from the API's own description and from nothing at all: no 500, in form.

JOBLEDGER_FUZZ_EXAMPLES makes more of them for each route (the suite makes a few, always the same).
"""

import asyncio
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from api.openapi import describe
from api.routes.table import OPEN_ROUTES, ROUTES
from tests.api.serving import Server
from tests.security.forms import failed, of_path
from tests.security.raw import ask
from tests.security.table import TABLE, Entry
from tests.security.test_routes import NOWHERE, Ground

EXAMPLES: Final = int(os.environ.get("JOBLEDGER_FUZZ_EXAMPLES", "1"))
SEEDED: Final = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
"""Only makes examples: they are sent afterwards, on one server, and a bad one is shown whole."""
AT_ONCE: Final = 8
WAITS: Final = frozenset(("wait", "wait_s", "follow"))
NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


@schemathesis.serializer("application/x-ndjson")
def one_line(_context: Any, value: Any) -> bytes:
    """Write one line of NDJSON."""
    return msgspec.json.encode(value, enc_hook=str) + b"\n"


class Sent(msgspec.Struct, frozen=True):
    """One request to make."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def made(strategy: st.SearchStrategy[Any], config: settings = SEEDED) -> list[Any]:
    """Make a strategy's examples."""
    found: list[Any] = []

    @config
    @given(strategy)
    def collect(one: Any) -> None:
        found.append(one)

    collect()
    return found


def sendable(headers: Mapping[str, Any] | None) -> dict[str, str]:
    """Leave out what is no header at all, and the keys that would be the wrong ones."""
    told: dict[str, str] = {}
    for name, value in (headers or {}).items():
        text = str(value)
        if (
            NAME.fullmatch(name)
            and name.lower() not in {"authorization", "x-api-key", "host", "connection"}
            and not name.lower().startswith(("content-", "transfer-", "expect", "upgrade"))
            and text.isascii()
            and text.isprintable()
        ):
            told[name] = text.strip()
    return told


def of_case(case: Any, names: Mapping[str, str]) -> Sent:
    """Write a generated case, with some of its names replaced by those of things that there are."""
    parameters = {**(case.path_parameters or {}), **names}
    path = re.sub(
        r"{(\w+)(?::[^}]*)?}", lambda part: str(parameters.get(part[1], "x")), case.operation.path
    )
    query = {k: v for k, v in (case.query or {}).items() if k not in WAITS}
    body: Any = case.body
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if name not in WAITS}
    match body:
        case bytes():
            raw = body
        case _ if isinstance(body, type(schemathesis.core.NotSet())):
            raw = b""
        case _:
            raw = msgspec.json.encode(body, enc_hook=str)
    headers = sendable(case.headers)
    if case.media_type:
        headers["Content-Type"] = case.media_type
    return Sent(
        method=case.operation.method.upper(),
        target=f"{quote(path, safe='/%:@!$&()*+,;=~-._')}?{urlencode(query, doseq=True)}",
        headers=headers,
        body=raw,
    )


async def send_all(server: Server, requests: Iterable[Sent]) -> int:
    """Send everything, some at a time; fail with the requests that broke something."""
    room = asyncio.Semaphore(AT_ONCE)
    broken: list[str] = []
    count = 0

    async def send(one: Sent) -> None:
        nonlocal count
        async with room:
            try:
                answer = await ask(server, one.method, one.target, one.body, one.headers)
                count += 1
                assert answer.status < 500, answer
                if answer.status >= 400 and one.method != "HEAD":
                    failed(of_path(one.target.partition("?")[0]), answer)
            except (AssertionError, ValueError, TimeoutError) as error:
                broken.append(f"{one}\n  {type(error).__name__}: {error}")

    await asyncio.gather(*map(send, requests))
    assert not broken, "\n".join([f"{len(broken)} of {count} requests:", *broken[:10]])
    return count


@pytest.mark.timeout(600)
async def test_nothing_that_the_description_allows_or_forbids_makes_a_500(server: Server) -> None:
    """Every operation, with fitting and with unfitting values, for things that there are and are not."""
    ground = Ground(server)
    await ground.make()
    real = {
        name: quote(value, safe="") for name, value in ground.names(ground.held, "uuid").items()
    }
    schema = schemathesis.openapi.from_dict(describe(ROUTES, OPEN_ROUTES))
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert {(one.method.upper(), one.path) for one in operations} >= {
        (route.method, re.sub(r":[^}]*}", "}", route.path)) for route in ROUTES
    }
    requests: list[Sent] = []
    for operation in operations:
        cases = made(operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
        with suppress(Unsatisfiable):  # nothing about the operation can be wrong
            cases += made(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
        requests.extend(of_case(case, names) for case in cases for names in ({}, real))
    assert await send_all(server, requests) >= len(operations) * 2
    (await server.get("/readyz")).expect(200)


WORD: Final = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["", "0", "-1", "1e9", "9" * 40, "null", "true", "%", "..", "\x00", "\udcff"]),
)
VALUE: Final = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=20),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=8,
)
HEADERS: Final = st.dictionaries(
    st.sampled_from(
        [
            "Accept",
            "Content-Type",
            "If-Match",
            "If-None-Match",
            "Range",
            "If-Range",
            "Idempotency-Key",
            "Ledger-Organization",
            "Ledger-Min-Position",
            "X-Request-Id",
            "x-dw-resource-state",
            "Last-Event-ID",
            "Origin",
            "Accept-Encoding",
        ]
    ),
    st.one_of(
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30).map(str.strip),
        st.sampled_from(["application/xml", "text/xml; charset=utf-7", "*/*", '"1"', "bytes=0-"]),
    ),
    max_size=4,
)


@st.composite
def arbitrary(draw: st.DrawFn, entry: Entry, names: dict[str, str]) -> Sent:
    """Draw a request to a route, as far from what it takes as it comes."""
    told = {
        name: draw(st.one_of(st.just(value), WORD)) if name != "organization" else value
        for name, value in names.items()
    }
    path = entry.path
    for name, value in told.items():
        path = path.replace(f"{{{name}}}", quote(value, safe="", errors="surrogateescape"))
    known = [
        *("start", "count", "page", "size", "limit", "startAfter", "format", "pretty_print"),
        *("sequence", "configuration", "featuresOn", "jobStatus", "client_id", "filename"),
    ]
    query = draw(st.lists(st.tuples(st.sampled_from(known) | WORD, WORD), max_size=4))
    text = "&".join(
        f"{quote(name, safe='', errors='surrogateescape')}={quote(value, safe='', errors='surrogateescape')}"
        for name, value in query
    )
    own = st.just(msgspec.json.encode(entry.content(names)) if entry.body is not None else b"")
    mutated = own.flatmap(
        lambda raw: st.integers(0, max(len(raw), 1)).flatmap(
            lambda at: st.binary(max_size=5).map(lambda more: raw[:at] + more + raw[at + 1 :])
        )
    )
    body = draw(st.one_of(own, mutated, st.binary(max_size=60), VALUE.map(msgspec.json.encode)))
    headers = draw(HEADERS)
    if body:
        headers.setdefault("Content-Type", "application/json")
    return Sent(entry.method, f"{path}?{text}", headers, body)


@pytest.mark.timeout(600)
async def test_no_request_to_a_vendors_paths_makes_a_500(server: Server) -> None:
    """Arbitrary names, queries, headers and bodies get an answer in the vendor's own form."""
    ground = Ground(server)
    await ground.make()
    config = settings(SEEDED, max_examples=3 * EXAMPLES)
    requests: list[Sent] = []
    for entry in TABLE:
        if entry.api == "native":
            continue
        for names in (NOWHERE, ground.names(ground.ended, "number")):
            strategy = arbitrary(entry, {**names, "version": "v18_1"})
            requests.extend(made(strategy, config))
    assert await send_all(server, requests) == len(requests)
    await server.assert_sound()
