"""Who calls, whatever the request shows: a key's secret, a token of ours, or one of another issuer."""

from aiohttp import web
from msgspec import Struct

from api.auth.authenticate import Authenticator, presented
from api.auth.issuers import Issuers
from api.auth.principal import Principal
from api.auth.tokens import Tokens, is_token


class Callers(Struct, frozen=True):
    """Finds the caller of a request; one a process."""

    authenticator: Authenticator
    tokens: Tokens
    issuers: Issuers

    async def principal(self, request: web.Request) -> Principal | None:
        """Authenticate a request; None when it shows nothing that is good.

        Raises:
            Unavailable: what it shows cannot be looked up now.
        """
        shown = presented(request)
        if shown is None or shown.public_id is not None or not is_token(shown.secret):
            return await self.authenticator.principal(request)
        return await self.tokens.principal(shown.secret) or await self.issuers.principal(
            shown.secret
        )
