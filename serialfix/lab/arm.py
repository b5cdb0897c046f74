"""Azure Resource Manager: sign-in, routing, throttling, headers; the providers do the rest."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from serialfix.lab import compute, graph, serialconsole
from serialfix.lab.cloud import Cloud, Refused, refuse
from serialfix.lab.identity import TENANT, Verdict
from serialfix.lab.routing import (
    GROUP_PATH,
    SUBSCRIPTION_PATH,
    Call,
    Route,
    refusal_reply,
    reply,
    route,
)
from serialfix.lab.switches import THROTTLED


if TYPE_CHECKING:
    from aiohttp import web

UNAUTHORIZED = {
    Verdict.MISSING: (
        "AuthenticationFailed",
        "Authentication failed. The 'Authorization' header is missing.",
    ),
    Verdict.UNKNOWN: ("InvalidAuthenticationToken", "The access token is invalid."),
    Verdict.EXPIRED: (
        "ExpiredAuthenticationToken",
        "The access token expiry UTC time has passed. Current UTC time is later.",
    ),
    Verdict.AUDIENCE: (
        "InvalidAuthenticationTokenAudience",
        "The access token has been obtained for wrong audience or resource. It should be one of "
        "the allowed audiences 'https://management.core.windows.net/','https://management.azure.com/'.",
    ),
}


class Arm:
    """Answers every ARM request of the lab."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request: errors become answers, and every answer gets the usual headers."""
        headers: dict[str, str] = {}
        action = ""
        try:
            if request.path == "/metadata/endpoints":
                return self._endpoints()
            self._authenticate(request)
            call = self._find(request)
            action = call.route.action
            self.cloud.calls[action] += 1
            await self._apply_outage(call)
            self._check_version(call)
            await self._apply_faults(call)
            self._take(call, headers)
            response = await call.route.handler(call)
        except Refused as refused:
            scope = unquote(request.path)
            scope = scope.rsplit("/", 1)[0] if action.lower().endswith("/action") else scope
            response = refusal_reply(refused.refusal, action=action, scope=scope)
            headers |= refused.headers
        response.headers.update(headers | self._ids(request))
        return response

    def _authenticate(self, request: web.Request) -> None:
        verdict = self.cloud.tokens.check(self.cloud.tokens.bearer(request))
        if verdict is not Verdict.GOOD:
            code, message = UNAUTHORIZED[verdict]
            raise refuse(
                401,
                code,
                message,
                WWW_Authenticate=f'Bearer authorization_uri="https://login.windows.net/{TENANT}", '
                f'error="invalid_token", error_description="{message}"',
            )

    def _find(self, request: web.Request) -> Call:
        # the escaped path: a scale set's slashes sent as %2F do not reach their VM (azure.md §1)
        path = request.rel_url.raw_path
        allowed = []
        for entry in ROUTES:
            match = entry.pattern.fullmatch(path)
            if match is None:
                continue
            if entry.method != request.method:
                allowed.append(entry.method)
                continue
            params = {key: unquote(value) for key, value in match.groupdict().items()}
            sub = params.get("sub")
            if sub is not None and not self.cloud.has(sub):
                raise refuse(
                    404, "SubscriptionNotFound", f"The subscription '{sub}' could not be found."
                )
            return Call(self.cloud, request, entry, params)
        if allowed:
            raise refuse(
                405,
                "MethodNotAllowed",
                f"The requested resource does not support http method '{request.method}'.",
                Allow=", ".join(allowed),
            )
        raise refuse(
            404,
            "InvalidResourceType",
            f"The resource type could not be found for path '{unquote(path)}'.",
        )

    def _check_version(self, call: Call) -> None:
        if not call.api_version:
            raise refuse(
                400,
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            )
        if call.api_version < "2017":
            raise refuse(
                400,
                "NoRegisteredProviderFound",
                f"No registered resource provider found for API version '{call.api_version}'.",
            )

    async def _apply_faults(self, call: Call) -> None:
        """The VM's switches and the global ones: slow, then throttled, then refused."""
        action = call.route.action.lower()
        for faults in call.faults:
            if faults.slow:
                await asyncio.sleep(faults.slow)
            for name, first in faults.throttle.items():
                key = (faults, name.lower())
                if name.lower() in (action, "*") and self.cloud.throttled[key] < first:
                    self.cloud.throttled[key] += 1
                    raise Refused(replace(THROTTLED, retry_after=faults.throttle_seconds))
            for name, refusal in faults.deny.items():
                if name.lower() in (action, "*"):
                    raise Refused(refusal)

    async def _apply_outage(self, call: Call) -> None:
        """A region that is down answers for none of its VMs."""
        if (outage := self.cloud.outages.get(call.location)) is not None:
            await asyncio.sleep(outage.after)
            raise Refused(outage.answer)

    def _take(self, call: Call, headers: dict[str, str]) -> None:
        """Resource Manager's tokens, then those of the provider that it would hand the call to."""
        enforce = any(faults.enforce_limits for faults in call.faults)
        scope = (call.params.get("sub", "").lower(), call.location)
        kind = {"GET": "reads", "DELETE": "deletes"}.get(call.route.method, "writes")
        principal = self.cloud.tokens.principal(self.cloud.tokens.bearer(call.request))
        left, wait = self.cloud.limiter.manager(kind, scope, principal, enforce=enforce)
        headers |= left
        if call.route.bucket is not None and not wait:
            vm = call.found
            operation = self.cloud.operations.get(call.params.get("operation", "").lower())
            if operation is not None:
                vm = operation.vm
            left, wait = self.cloud.limiter.compute(
                call.route.bucket, scope, vm.id.lower() if vm else None, enforce=enforce
            )
            headers |= left
        if wait:
            raise Refused(replace(THROTTLED, retry_after=wait))

    def _ids(self, request: web.Request) -> dict[str, str]:
        request_id = str(uuid.uuid4())
        correlation = request.headers.get("x-ms-correlation-request-id", request_id)
        now = datetime.now(UTC)
        ids = {
            "x-ms-request-id": request_id,
            "x-ms-correlation-request-id": correlation,
            "x-ms-routing-request-id": f"LAB:{now:%Y%m%dT%H%M%SZ}:{request_id}",
            "Cache-Control": "no-cache",
            "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
            "X-Content-Type-Options": "nosniff",
        }
        client = request.headers.get("x-ms-client-request-id")
        if client and request.headers.get("x-ms-return-client-request-id", "").lower() == "true":
            ids["x-ms-client-request-id"] = client
        return ids

    def _endpoints(self) -> web.Response:
        """What `az cloud register` asks first (azure.md §12)."""
        return reply(
            {
                "name": "SerialfixLab",
                "portal": "https://portal.azure.com",
                "authentication": {
                    "loginEndpoint": "https://login.microsoftonline.com",
                    "audiences": sorted(self.cloud.tokens.audiences),
                    "tenant": "common",
                    "identityProvider": "AAD",
                },
                "resourceManager": self.cloud.base_url,
                "graphAudience": "https://graph.windows.net/",
                "suffixes": {
                    "storage": "core.windows.net",
                    "keyVaultDns": self.cloud.vault_suffix,
                },
            },
            pretty=False,
        )


async def list_subscriptions(call: Call) -> web.Response:
    """All that the token may see."""
    return reply({"value": [_subscription(sub) for sub in call.cloud.subscriptions]}, pretty=False)


async def get_subscription(call: Call) -> web.Response:
    """One of them."""
    return reply(_subscription(call.params["sub"]), pretty=False)


async def list_groups(call: Call) -> web.Response:
    """The resource groups of a subscription."""
    groups = call.cloud.resource_groups(call.params["sub"])
    return reply({"value": [_group(call, *item) for item in groups.items()]}, pretty=False)


async def get_group(call: Call) -> web.Response:
    """One of them."""
    for name, location in call.cloud.resource_groups(call.params["sub"]).items():
        if name.lower() == call.params["rg"].lower():
            return reply(_group(call, name, location), pretty=False)
    raise refuse(
        404, "ResourceGroupNotFound", f"Resource group '{call.params['rg']}' could not be found."
    )


def _subscription(sub: str) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{sub}",
        "subscriptionId": sub,
        "tenantId": TENANT,
        "displayName": f"serialfix lab {sub[:8]}",
        "state": "Enabled",
        "authorizationSource": "RoleBased",
    }


def _group(call: Call, name: str, location: str) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{call.params['sub']}/resourceGroups/{name}",
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": location,
        "properties": {"provisioningState": "Succeeded"},
    }


_SUBSCRIPTIONS = "Microsoft.Resources/subscriptions"

ROUTES: tuple[Route, ...] = (
    route("GET", "/subscriptions", f"{_SUBSCRIPTIONS}/read", list_subscriptions),
    route("GET", SUBSCRIPTION_PATH, f"{_SUBSCRIPTIONS}/read", get_subscription),
    route(
        "GET",
        SUBSCRIPTION_PATH + "/resourceGroups",
        f"{_SUBSCRIPTIONS}/resourceGroups/read",
        list_groups,
    ),
    route("GET", GROUP_PATH, f"{_SUBSCRIPTIONS}/resourceGroups/read", get_group),
    *compute.ROUTES,
    *serialconsole.ROUTES,
    *graph.ROUTES,
)
