"""How our requests travel: the SDK's own policies, bounded for a person who waits.

Left out on purpose: the policy that registers resource providers (a write nobody asked for).
Imports azure.* at its top, so it is itself imported only where a client is made.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.pipeline import PipelineRequest, PipelineResponse, policies
from azure.core.pipeline.policies import AsyncHTTPPolicy
from azure.core.polling.base_polling import BadStatus
from azure.mgmt.core.policies import (
    ARMHttpLoggingPolicy,
    AsyncARMChallengeAuthenticationPolicy,
)
from azure.mgmt.core.polling.async_arm_polling import AsyncARMPolling

from serialfix import __version__
from serialfix.errors import AzureRefused


if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

    from serialfix.azure.budget import Allowance
    from serialfix.azure.identity import AzurePatience


def build(
    credential: AsyncTokenCredential,
    scope: str,
    *,
    patience: AzurePatience,
    correlation: str | None,
    plain_http: bool,
    observer: Callable[[str], None],
    allowance: Allowance | None = None,
) -> list[Any]:
    """The policies of one client, outermost first."""
    retry = BoundedRetry(patience, observer, storm=patience.storm if allowance else 0.0)
    authentication = LoopbackAuthentication if plain_http else AsyncARMChallengeAuthenticationPolicy
    # One correlation id for the run; the request id must differ per request, because ARM answers
    # a repeated one from its memory.
    headers = {"x-ms-correlation-request-id": correlation} if correlation else {}
    return [
        policies.RequestIdPolicy(),
        policies.HeadersPolicy(headers),
        policies.UserAgentPolicy(base_user_agent=f"serialfix/{__version__}"),
        policies.ProxyPolicy(),
        policies.ContentDecodePolicy(),
        policies.AsyncRedirectPolicy(),
        retry,
        *([WithinBudget(allowance, retry.get_retry_after)] if allowance else []),
        authentication(credential, scope),
        policies.SensitiveHeaderCleanupPolicy(),
        ARMHttpLoggingPolicy(),
    ]


def quota_reset(headers: Mapping[str, str]) -> float | None:
    """Seconds until Resource Graph's quota of the user is full again (azure.md §6.6): hh:mm:ss."""
    found = re.fullmatch(
        r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", headers.get("x-ms-user-quota-resets-after") or ""
    )
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else None


class Resolver(ThreadedResolver):
    """Every name under `localhost` is this machine (RFC 6761 §6.3), for which many systems ask DNS.

    The vaults of a lab have such names.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        name = "localhost" if host.endswith(".localhost") else host
        return await super().resolve(name, port, family)


class LoopbackAuthentication(AsyncARMChallengeAuthenticationPolicy):
    """Sends the token over plain http too; used only when the endpoint is this machine."""

    async def on_request(self, request: PipelineRequest[Any]) -> None:
        request.context.options["enforce_https"] = False
        await super().on_request(request)


class WithinBudget(AsyncHTTPPolicy[Any, Any]):
    """Lets each attempt go when it is its turn, and learns from its answer."""

    def __init__(
        self,
        allowance: Allowance,
        retry_after: Callable[[PipelineResponse[Any, Any]], float | None],
    ) -> None:
        super().__init__()
        self._allowance = allowance
        self._retry_after = retry_after

    async def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        call = request.http_request
        keys = await self._allowance.room(call.method, call.url)
        response: PipelineResponse[Any, Any] = await self.next.send(request)
        answer = response.http_response
        wait = self._retry_after(response)
        self._allowance.answered(keys, answer.status_code, answer.headers, retry_after=wait)
        return response


class BoundedRetry(policies.AsyncRetryPolicy[Any, Any]):
    """The SDK's retries, but a wait longer than the patience is told instead of slept.

    `storm` is how long, in seconds, a call is asked again that is throttled and throttled again;
    0: it is one failure among others, and a person who waits is told.
    """

    def __init__(
        self, patience: AzurePatience, observer: Callable[[str], None], *, storm: float = 0.0
    ) -> None:
        super().__init__(
            retry_total=patience.retries,
            retry_backoff_factor=patience.backoff,
            retry_backoff_max=patience.backoff_max,
        )
        self._longest = patience.retry_after_max
        self._observer = observer
        self._storm = storm

    def configure_retries(self, options: dict[str, Any]) -> dict[str, Any]:
        settings: dict[str, Any] = super().configure_retries(options)
        return settings | {"begun": asyncio.get_running_loop().time()}

    def get_retry_after(self, response: PipelineResponse[Any, Any]) -> float | None:
        found: float | None
        try:
            found = super().get_retry_after(response)
        except ValueError:  # neither a number nor a date
            found = None
        answer = response.http_response
        if found is None and answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            return quota_reset(answer.headers)  # Resource Graph's own header
        return found

    def is_retry(self, settings: dict[str, Any], response: PipelineResponse[Any, Any]) -> bool:
        if (wait := self._throttled(response)) is not None:
            waited = asyncio.get_running_loop().time() - settings["begun"]
            return bool(settings["total"]) and waited + wait <= self._storm
        # azure.md §10: an earlier retry is not processed, so a shorter sleep would be in vain.
        if (self.get_retry_after(response) or 0) > self._longest:
            return False
        if response.http_response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            # Not processed, so it may be repeated whatever it is; Retry-After may be missing.
            return bool(settings["total"])
        return bool(super().is_retry(settings, response))

    def increment(self, settings: dict[str, Any], response: Any = None, error: Any = None) -> bool:
        if isinstance(response, PipelineResponse) and self._throttled(response) is not None:
            return True  # time is what bounds it
        return bool(super().increment(settings, response=response, error=error))

    def _throttled(self, response: PipelineResponse[Any, Any]) -> float | None:
        """The wait that Azure asks for in a storm that is sat out; None: another answer."""
        refused = response.http_response.status_code == HTTPStatus.TOO_MANY_REQUESTS
        return (self.get_retry_after(response) or None) if refused and self._storm else None

    async def sleep(self, settings: dict[str, Any], transport: Any, response: Any = None) -> None:
        status = f"answered {response.http_response.status_code}" if response else "did not answer"
        self._observer(f"Azure {status}, trying again")
        await super().sleep(settings, transport, response)


class WatchedPolling(AsyncARMPolling):
    """Polls an operation, tells each status, and outlives a network that is away for a while."""

    def __init__(self, interval: float, trusts: Callable[[str], bool]) -> None:
        # The operation's own status is the truth; the Location afterwards adds nothing.
        super().__init__(interval, lro_options={"final-state-via": "azure-async-operation"})
        self._trusts = trusts
        self.on_poll: Callable[[str], None] = lambda _status: None

    @property
    def operation_id(self) -> str:
        """The guid of the operation; the URL itself is signed and is never shown."""
        headers = self._initial_response.http_response.headers
        url = next((v for k, v in headers.items() if k.lower() == "azure-asyncoperation"), "")
        found = re.search(r"/operations/([^/?]+)", url, re.IGNORECASE)
        return found[1] if found else ""

    @property
    def last_answer(self) -> Any:
        """The body of the last status, or None."""
        try:
            return self._pipeline_response.http_response.json()
        except (AttributeError, ValueError):
            return None

    async def update_status(self) -> None:
        try:
            await super().update_status()
        except (ServiceRequestError, ServiceResponseError):
            self.on_poll("no answer")
        except BadStatus:
            status = self._pipeline_response.http_response.status_code
            if status not in (408, 429) and status < 500:
                raise
            self.on_poll(f"HTTP {status}")
        except AzureRefused as error:
            if not error.passing:
                raise
            self.on_poll("no room to ask")
        else:
            self.on_poll(str(self.status()))

    async def request_status(self, status_link: str) -> Any:
        # The link may come from a journal; the token goes to Azure's endpoint only.
        if not self._trusts(status_link):
            raise ValueError("the operation belongs to another endpoint")
        return await super().request_status(status_link)
