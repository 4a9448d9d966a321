"""OpenAPI 3.1, made from the routes and the msgspec types they declare; and a page to read it."""

import hashlib
import re
from base64 import b64encode
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web

from api.native.wire import Problem
from api.route import OpenRoute, Route

DESCRIPTION: Final = web.AppKey("openapi", bytes)
_PAGE: Final = Path(__file__).parent / "docs" / "index.html"
_PATH_PARAMETER: Final = re.compile(r"{(\w+)}")
_ERRORS: Final = ("400", "401", "403", "404", "409", "412", "415", "422", "429", "503")


def describe(routes: Sequence[Route], open_routes: Sequence[OpenRoute]) -> dict[str, Any]:
    """Build the description of the native API."""
    told = (t for r in routes for t in (r.body, r.answer, *r.answers.values()) if t is not None)
    types = [*told, Problem]
    unique = list(dict.fromkeys(types))
    schemas, components = msgspec.json.schema_components(
        unique, ref_template="#/components/schemas/{name}"
    )
    schema_of = dict(zip(unique, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(route, schema_of)
    for open_route in open_routes:
        paths[open_route.path] = {"get": _open_operation(open_route)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Job ledger",
            "version": version("jobledger"),
            "description": "Runs and records jobs; every state change is an immutable event.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"apiKey": []}, {"basic": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
                "basic": {"type": "http", "scheme": "basic"},
            },
            "responses": {
                "Problem": {
                    "description": "What went wrong (RFC 9457).",
                    "content": {"application/problem+json": {"schema": schema_of[Problem]}},
                }
            },
        },
    }


def _open_operation(route: OpenRoute) -> dict[str, Any]:
    return {
        "summary": route.summary,
        "description": "For everybody.",
        "operationId": _operation_id("get", route.path),
        "tags": ["open"],
        "parameters": [],
        "responses": {"200": {"description": route.summary}},
        "security": [],
    }


def _operation_id(method: str, path: str) -> str:
    return f"{method.lower()}{re.sub(r'[^a-z0-9]+', '_', path)}".rstrip("_")


def _operation(route: Route, schema_of: dict[Any, Any]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": route.summary}
    if route.answer is not None:
        success["content"] = {
            media_type: {"schema": schema_of[answer]}
            for media_type, answer in ((route.answer_type, route.answer), *route.answers.items())
        }
    operation: dict[str, Any] = {
        "summary": route.summary,
        "description": f"Roles: {', '.join(sorted(route.roles))}.",
        "operationId": _operation_id(route.method, route.template),
        "tags": [route.tag],
        "parameters": _parameters(route),
        "responses": {
            str(route.status): success,
            **{code: {"$ref": "#/components/responses/Problem"} for code in _ERRORS},
        },
    }
    if route.body is not None:
        operation["requestBody"] = {
            "required": route.body_required,
            "content": {route.body_type: {"schema": schema_of[route.body]}},
        }
    return operation


def _parameters(route: Route) -> list[dict[str, Any]]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PATH_PARAMETER.findall(route.template)
    ]
    in_query = [
        {
            "name": query.name,
            "in": "query",
            "description": query.description,
            "schema": (
                {"type": "array", "items": {"type": query.type}}
                if query.repeated
                else {"type": query.type}
            ),
        }
        for query in route.query
    ]
    in_header = [
        {"name": name, "in": "header", "schema": {"type": "string"}} for name in route.headers
    ]
    return [*in_path, *in_query, *in_header]


async def openapi(request: web.Request) -> web.Response:
    """Give the description."""
    return web.Response(body=request.app[DESCRIPTION], content_type="application/json")


async def docs(_request: web.Request) -> web.Response:
    """Give the page that shows the description; it loads nothing from elsewhere."""
    page = _PAGE.read_bytes()
    return web.Response(
        body=page,
        content_type="text/html",
        charset="utf-8",
        headers={"Content-Security-Policy": _policy(page)},
    )


def _policy(page: bytes) -> str:
    """Let the page's own script and style run, by their digests, and no other."""
    told = {
        kind: " ".join(
            f"'sha256-{b64encode(hashlib.sha256(part).digest()).decode()}'"
            for part in re.findall(rb"<%b>(.*?)</%b>" % (kind, kind), page, re.DOTALL)
        )
        for kind in (b"style", b"script")
    }
    return (
        f"default-src 'none'; style-src {told[b'style']}; script-src {told[b'script']}; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
