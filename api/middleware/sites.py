"""Requests that another site made a browser send.

A browser adds HTTP Basic's credentials by itself, also to a form or a script on somebody else's page,
and what that page sends needs no content type that would give it away. Keys and tokens in other
headers are added by whoever makes the request on purpose, so those requests are not looked at; nor
are safe methods, which change nothing and whose answers no other site can read (there is no CORS).
"""

from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from api.native.problems import ProblemError

SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS"))
OWN: Final = frozenset(("same-origin", "none"))


def refuse_other_sites(request: web.Request) -> None:
    """Refuse to change something for a browser that stands on another site.

    Source: Fetch Metadata (W3C) for `Sec-Fetch-Site`; `Origin` tells in browsers without it.

    Raises:
        ProblemError: the request comes from another site.
    """
    headers = request.headers
    if request.method in SAFE or not headers.get("Authorization", "").lower().startswith("basic"):
        return
    site, origin = headers.get("Sec-Fetch-Site"), headers.get("Origin")
    if site in OWN or (site is None and (origin is None or _host(origin) == request.host)):
        return
    raise ProblemError(
        403,
        "cross-site",
        "The request comes from another site.",
        "It was another site's page that asked, since a browser adds the password by itself.",
    )


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
