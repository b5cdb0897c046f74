"""Who we are to Azure, in which cloud, and in which subscription."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import urlsplit

from serialfix.azure.budget import Allowance, ArmBudget
from serialfix.azure.refusals import Rows, mapped, mapped_sign_in
from serialfix.errors import ConfigError
from serialfix.model import correlation_id
from serialfix.secrets import Secret
from serialfix.transport.network import is_loopback, tls_context


if TYPE_CHECKING:
    from azure.core.credentials import AccessToken
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline.transport import AioHttpTransport
    from azure.core.rest import HttpRequest
    from azure.mgmt.compute.aio import ComputeManagementClient


class Cloud(NamedTuple):
    """One of Azure's clouds: its ARM's host and tokens' audience, its sign-in, its Key Vaults."""

    arm: str
    scope: str
    authority: str
    vaults: str


CLOUDS = (
    Cloud(
        "management.azure.com",
        "https://management.azure.com/.default",
        "login.microsoftonline.com",
        "vault.azure.net",
    ),
    Cloud(
        "management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net/.default",
        "login.microsoftonline.us",
        "vault.usgovcloudapi.net",
    ),
    Cloud(
        "management.chinacloudapi.cn",
        "https://management.chinacloudapi.cn/.default",
        "login.chinacloudapi.cn",
        "vault.azure.cn",
    ),
)


@dataclass(frozen=True, slots=True)
class AzurePatience:
    """How long a person waits for Azure; all times in seconds.

    A `Retry-After` beyond `retry_after_max` is reported instead of waited for. `poll` is the pause
    between two looks at an operation when Azure names none (azure.md §10: at most every 4 s).
    Within a worker's budget nobody watches: a call waits up to `storm` for its turn, and is asked
    again as long while Azure throttles it.
    """

    retries: int = 4
    backoff: float = 0.8
    backoff_max: float = 20.0
    retry_after_max: float = 60.0
    storm: float = 900.0
    poll: float = 5.0
    connect_timeout: float = 15.0
    read_timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription that the signed-in identity can see."""

    id: str
    name: str
    state: str = "Enabled"

    def __str__(self) -> str:
        return f"{self.name} ({self.id})"


class Azure:
    """One signed-in identity; an async context manager, one per process run.

    azure-identity and the proxies read the process's own environment; `environ` is that of
    everything else. `observer` is told, in a few words, when Azure makes us wait. Calls keep within
    `budget`, if there is one, as calls for a VM in `region`. Methods raise only `SerialfixError`s:
    AccessError, AzureUnreachable, AzureRefused, TargetError, ConfigError.
    """

    def __init__(
        self,
        *,
        environ: Mapping[str, str],
        subscription: str | None = None,
        run_id: str | None = None,
        observer: Callable[[str], None] | None = None,
        patience: AzurePatience | None = None,
        budget: ArmBudget | None = None,
        region: str = "",
    ) -> None:
        self.patience = patience or AzurePatience()
        self._allowance = Allowance(budget, region, longest=self.patience.storm) if budget else None
        self.endpoint, self._cloud = _endpoint(environ)
        self._environ = environ
        self._wanted = subscription
        self._run_id = run_id
        self._observer = observer or (lambda _text: None)
        self._stack = AsyncExitStack()
        self._clients: dict[str, ComputeManagementClient] = {}
        self._subscription_id: str | None = None

    async def __aenter__(self) -> Self:
        import aiohttp
        from azure.identity.aio import DefaultAzureCredential

        from serialfix.azure.pipeline import Resolver

        tls = tls_context(self._environ)
        with mapped_sign_in():
            try:
                credential = DefaultAzureCredential(
                    authority=self._environ.get("AZURE_AUTHORITY_HOST") or self._cloud.authority,
                    process_timeout=30,
                )
            except ValueError as error:
                raise ConfigError(f"azure-identity refuses its settings: {error}") from error
        self._sign_in = await self._stack.enter_async_context(_SignIn(credential))
        # One pool of connections for all clients, with TLS set up once instead of per request.
        self._session = await self._stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=tls, resolver=Resolver()),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=True,
            )
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._clients.clear()
        await self._stack.aclose()

    async def token(self) -> Secret:
        """An ARM token, for the gateway's first frame."""
        return Secret((await self._sign_in.get_token(self._cloud.scope)).token, "azure-token")

    def compute(self, subscription_id: str) -> ComputeManagementClient:
        """The SDK's client for a subscription; it lives as long as this object."""
        if subscription_id not in self._clients:
            from azure.mgmt.compute.aio import ComputeManagementClient

            self._clients[subscription_id] = ComputeManagementClient(
                self._sign_in,
                subscription_id,
                self.endpoint,
                credential_scopes=[self._cloud.scope],
                polling_interval=self.patience.poll,
                transport=self._transport(),
                policies=self._policies(
                    self._cloud.scope,
                    plain_http=self.endpoint.startswith("http:"),
                    allowance=self._allowance,
                ),
            )
        return self._clients[subscription_id]

    async def reserve(self, method: str, path: str) -> None:
        """Make room for a call that must not wait once it is begun. Raises AzureRefused."""
        if self._allowance is not None:
            await self._allowance.reserve(method, path)

    def _transport(self) -> AioHttpTransport:
        from azure.core.pipeline.transport import AioHttpTransport

        return AioHttpTransport(
            session=self._session,
            session_owner=False,
            connection_timeout=self.patience.connect_timeout,
            read_timeout=self.patience.read_timeout,
        )

    def _policies(
        self, scope: str, *, plain_http: bool = False, allowance: Allowance | None = None
    ) -> list[Any]:
        from serialfix.azure import pipeline

        return pipeline.build(
            self._sign_in,
            scope,
            patience=self.patience,
            correlation=correlation_id(self._run_id) if self._run_id else None,
            plain_http=plain_http,
            observer=self._observer,
            allowance=allowance,
        )

    @property
    def known_cloud(self) -> Cloud | None:
        """The cloud whose ARM is asked; None where that is a private one."""
        host = urlsplit(self.endpoint).hostname
        return self._cloud if f".{host}".endswith(f".{self._cloud.arm}") else None

    def trusts(self, url: str) -> bool:
        """Whether a token may be sent to `url`: our endpoint, or a regional host of its cloud."""
        there, here = urlsplit(url), urlsplit(self.endpoint)
        host = there.hostname or ""
        return there.scheme == here.scheme and (
            host == here.hostname or host.endswith(f".{self._cloud.arm}")
        )

    async def request(
        self,
        method: str,
        url: str,
        *,
        doing: str,
        action: str = "Microsoft.Compute/virtualMachines/read",
        params: Mapping[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """One ARM call, answered as JSON; `url` is a path or a `nextLink`."""
        from azure.core.rest import HttpRequest

        call = HttpRequest(method, url, params=params, headers=headers)
        answer, _ = await self._answer(call, doing=doing, action=action)
        return answer

    async def ask(
        self,
        url: str,
        body: dict[str, Any],
        *,
        doing: str,
        action: str,
        params: Mapping[str, str] | None = None,
    ) -> tuple[dict[str, Any], Mapping[str, str]]:
        """A POST that only reads, and so is repeated as a GET is; the answer and its headers."""
        from azure.core.rest import HttpRequest

        call = HttpRequest("POST", url, params=params, json=body)
        return await self._answer(call, doing=doing, action=action, retry_on_methods=["POST"])

    async def read_beside(
        self, url: str, *, scope: str, doing: str, rows: Rows, params: Mapping[str, str]
    ) -> dict[str, Any]:
        """A GET of a service that is not ARM, over TLS, with a token for `scope`, and only there.

        `rows` says what its refusals mean. The scope is ours: no challenge can name another one,
        and no redirect is followed, so the token stays with the host of `url`.
        """
        from azure.core import AsyncPipelineClient
        from azure.core.pipeline import AsyncPipeline
        from azure.core.rest import HttpRequest

        client: AsyncPipelineClient[Any, Any] = AsyncPipelineClient(
            url, pipeline=AsyncPipeline(self._transport(), self._policies(scope))
        )
        call = HttpRequest("GET", url, params=params)
        answer, _ = await self._answer(
            call, doing=doing, rows=rows, client=client, permit_redirects=False
        )
        return answer

    async def _answer(
        self,
        call: HttpRequest,
        *,
        doing: str,
        action: str = "",
        rows: Rows | None = None,
        client: Any = None,
        **options: Any,
    ) -> tuple[dict[str, Any], Mapping[str, str]]:
        from azure.core.exceptions import HttpResponseError

        # send_request is not bound to the subscription of its client.
        client = client or self.compute(next(iter(self._clients), "none"))
        with mapped(doing, action=action, rows=rows):
            response = await client.send_request(call, **options)
            response.raise_for_status()
            if response.status_code >= HTTPStatus.MULTIPLE_CHOICES:
                raise HttpResponseError("a redirection", response=response)
            try:
                body = response.json()
            except ValueError as error:
                raise HttpResponseError("no JSON", response=response) from error
            if not isinstance(body, dict):
                raise HttpResponseError("not a JSON object", response=response)
            return body, response.headers

    async def order(self, url: str, body: dict[str, Any], *, doing: str, action: str) -> None:
        """POST once to a host that ARM named, with our token; an order is never repeated by itself.

        Azure keeps the answer's body undocumented; its status says that the order was taken.
        """
        from azure.core.exceptions import HttpResponseError
        from azure.core.rest import HttpRequest

        call = HttpRequest("POST", url, json=body, headers={"Accept": "application/json"})
        client = self.compute(next(iter(self._clients), "none"))
        plain_http = urlsplit(url).scheme == "http" and is_loopback(urlsplit(url).hostname)
        with mapped(doing, action=action):
            response = await client.send_request(
                call, retry_total=0, enforce_https=not plain_http, permit_redirects=False
            )
            if not HTTPStatus.OK <= response.status_code < HTTPStatus.MULTIPLE_CHOICES:
                raise HttpResponseError(response=response)

    async def pages(
        self, url: str, *, doing: str, params: Mapping[str, str]
    ) -> AsyncIterator[dict[str, Any]]:
        """The items of a list, over all its pages."""
        body = await self.request("GET", url, doing=doing, params=params)
        while True:
            for item in body.get("value") or ():
                yield item
            following = body.get("nextLink")
            if not following or not self.trusts(following):
                return
            body = await self.request("GET", following, doing=doing)

    async def subscriptions(self) -> list[Subscription]:
        """Those that the signed-in identity can see."""
        return [
            Subscription(item["subscriptionId"], item.get("displayName", ""), item.get("state", ""))
            async for item in self.pages(
                "/subscriptions",
                doing="to list the subscriptions",
                params={"api-version": "2022-12-01"},
            )
        ]

    async def subscription_id(self) -> str:
        """The subscription to work in; never guessed.

        `--subscription` (id or name), else `AZURE_SUBSCRIPTION_ID`, else the az CLI's default,
        else ConfigError that lists those visible.
        """
        if self._subscription_id is None:
            wanted = self._wanted or self._environ.get("AZURE_SUBSCRIPTION_ID")
            self._subscription_id = (
                await self.subscription_named(wanted) if wanted else _az_default(self._environ)
            ) or await self.subscription_named(None)
        return self._subscription_id

    async def subscription_named(self, wanted: str | None) -> str:
        """The id for an id or a name. Raises ConfigError that lists those visible."""
        if wanted and correlation_id(wanted) == wanted.lower():
            return wanted
        visible = await self.subscriptions()
        named = [each for each in visible if wanted and each.name.casefold() == wanted.casefold()]
        if len(named) == 1:
            return named[0].id
        shown = ", ".join(map(str, named or visible)) or "none"
        raise ConfigError(
            f"no subscription is chosen; visible: {shown}"
            if not wanted
            else f"several subscriptions are named {wanted!r}: {shown}"
            if named
            else f"no subscription is named {wanted!r}; visible: {shown}",
            remedy="Give its id with --subscription or AZURE_SUBSCRIPTION_ID, "
            "or choose one with `az account set --subscription ID`.",
        )


class _SignIn:
    """azure-identity with our errors, which pass through azure-core's retries untouched."""

    def __init__(self, credential: AsyncTokenCredential) -> None:
        self._credential = credential

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        with mapped_sign_in():
            return await self._credential.get_token(*scopes, **options)

    async def close(self) -> None:
        await self._credential.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()


def _endpoint(environ: Mapping[str, str]) -> tuple[str, Cloud]:
    """The ARM endpoint and its cloud; a private endpoint's cloud is that of the sign-in."""
    authority = environ.get("AZURE_AUTHORITY_HOST", "").removeprefix("https://").rstrip("/")
    cloud = next((each for each in CLOUDS if each.authority == authority), CLOUDS[0])
    endpoint = environ.get("SERIALFIX_ARM_ENDPOINT", "").rstrip("/") or f"https://{cloud.arm}"
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
        raise ConfigError(
            f"SERIALFIX_ARM_ENDPOINT cannot be used: {endpoint!r}",
            remedy="Give an https URL; http is accepted on loopback only.",
        )
    return endpoint, next((each for each in CLOUDS if f".{host}".endswith(f".{each.arm}")), cloud)


def _az_default(environ: Mapping[str, str]) -> str | None:
    """The default subscription of the az CLI, or None when it has none."""
    folder = Path(environ.get("AZURE_CONFIG_DIR") or Path.home() / ".azure")
    profile = folder / "azureProfile.json"
    try:
        # az writes the file with a byte order mark.
        held = json.loads(profile.read_text(encoding="utf-8-sig"))["subscriptions"]
        return next((each["id"] for each in held if each.get("isDefault")), None)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"the az CLI's profile cannot be read: {profile}: {error}",
            remedy="Give --subscription, or repair it with `az account clear` and `az login`.",
        ) from error
