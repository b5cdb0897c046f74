"""Tokens, and the managed-identity endpoint that hands them out (azure.md §11)."""

from __future__ import annotations

import base64
import json
import secrets
import time
import uuid
from collections.abc import Set
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from aiohttp import web


TENANT = "9b8f4c1e-2f55-4a0b-8c39-7d1b52f0a6e3"
# any ARM audience is good, for the console too (azure.md §1)
PRINCIPAL = "5c0f7f0e-6d0c-4f52-9d55-0b8f5f3d2a10"  # the object id of the lab's engineer
AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")


class Verdict(StrEnum):
    """What ARM thinks of a token."""

    GOOD = "good"
    MISSING = "missing"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    AUDIENCE = "audience"


@dataclass(slots=True)
class Tokens:
    """Mints and checks access tokens that look like JWTs; nobody checks their signature.

    `lifetime` is in seconds. `audiences` are the resources that ARM takes.
    """

    lifetime: float = 86_400
    audiences: set[str] = field(default_factory=lambda: set(AUDIENCES))
    minted: dict[str, tuple[float, str]] = field(default_factory=dict)

    def mint(self, resource: str = AUDIENCES[0], principal: str = PRINCIPAL) -> str:
        """A new token of about 1.5 kB, as long as real ones, for an object id."""
        now = int(time.time())
        claims = {
            "aud": resource,
            "iss": f"https://sts.windows.net/{TENANT}/",
            "iat": now,
            "nbf": now,
            "exp": now + int(self.lifetime),
            "appid": str(uuid.uuid4()),
            "appidacr": "2",
            "idp": f"https://sts.windows.net/{TENANT}/",
            "idtyp": "app",
            "oid": principal,
            "rh": secrets.token_urlsafe(60),
            "sub": str(uuid.uuid4()),
            "tid": TENANT,
            "uti": secrets.token_urlsafe(16),
            "ver": "1.0",
            "xms_az_rid": secrets.token_urlsafe(180),
        }
        head = {"typ": "JWT", "alg": "RS256", "x5t": secrets.token_urlsafe(20), "kid": "lab"}
        token = f"{_part(head)}.{_part(claims)}.{secrets.token_urlsafe(256)}"
        self.minted[token] = (time.time() + self.lifetime, resource.rstrip("/"))
        return token

    def check(self, token: str, audiences: Set[str] | None = None) -> Verdict:
        """Whether ARM and the gateway take it, or a service with other audiences."""
        if not token:
            return Verdict.MISSING
        if token not in self.minted:
            return Verdict.UNKNOWN
        expires, resource = self.minted[token]
        if expires <= time.time():
            return Verdict.EXPIRED
        taken = self.audiences if audiences is None else audiences
        return Verdict.GOOD if resource in taken else Verdict.AUDIENCE

    def principal(self, token: str) -> str:
        """Whose token it is: Azure throttles by object id."""
        claims = token.split(".")[1]
        return str(json.loads(base64.urlsafe_b64decode(claims + "=="))["oid"])

    def expire(self) -> None:
        """All tokens minted so far are too old from now on."""
        for token, (_, resource) in self.minted.items():
            self.minted[token] = (0.0, resource)

    def bearer(self, request: web.BaseRequest) -> str:
        """The token of a request, or an empty text."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" else ""


@dataclass(slots=True)
class IdentityEndpoint:
    """`GET /msi/token` as App Service serves it, on plain http."""

    tokens: Tokens
    secret: str = field(default_factory=lambda: str(uuid.uuid4()))
    refuses: bool = False  # the VM has no identity
    calls: int = 0

    async def token(self, request: web.Request) -> web.Response:
        """The answer to one token request."""
        from aiohttp import web

        self.calls += 1
        resource = request.query.get("resource", "")
        if request.headers.get("X-IDENTITY-HEADER") != self.secret:
            return web.json_response(_error("Unauthorized", "invalid header"), status=401)
        if self.refuses or not resource or not request.query.get("api-version"):
            return web.json_response(_error("invalid_request", "Identity not found"), status=400)
        # a user-assigned identity is another principal
        client = request.query.get("client_id") or request.query.get("clientid")
        principal = str(uuid.uuid5(uuid.NAMESPACE_OID, client)) if client else PRINCIPAL
        token = self.tokens.mint(resource, principal)
        return web.json_response(
            {
                "access_token": token,
                "client_id": str(uuid.uuid4()),
                "expires_on": str(int(self.tokens.minted[token][0])),
                "resource": resource,
                "token_type": "Bearer",
            }
        )


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _error(code: str, text: str) -> dict[str, Any]:
    return {"statusCode": 400, "message": text, "error": code, "error_description": text}
