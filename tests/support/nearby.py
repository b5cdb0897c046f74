"""The lab's ARM in the same process, without sockets: for whole runs in virtual time.

Everything between the run and the wire is real: the SDK's client, its pipeline, its poller, and the
lab's answers to them. Only the bytes of HTTP are not made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, Self
from unittest.mock import Mock

from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request
from aiohttp.web import Response
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.core.rest._http_response_impl_async import AsyncHttpResponseImpl
from azure.mgmt.compute.aio import ComputeManagementClient
from multidict import CIMultiDict
from yarl import URL

from serialfix.azure import pipeline
from serialfix.azure.identity import Azure
from serialfix.lab.arm import Arm
from serialfix.lab.cloud import Cloud


BASE = "https://management.azure.com"


class NearbyAzure(Azure):
    """Signed in to the ARM of `cloud`."""

    cloud: Cloud
    alive: Callable[[], None]
    """Raises when the process is no more, so that it asks for nothing."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._arm = Arm(self.cloud)

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        self._sign_in: Any = _Signed(self.cloud)
        return self

    def compute(self, subscription_id: str) -> ComputeManagementClient:
        """As the real one, over a transport that is a function call."""
        if subscription_id not in self._clients:
            self._clients[subscription_id] = ComputeManagementClient(
                self._sign_in,
                subscription_id,
                self.endpoint,
                polling_interval=self.patience.poll,
                transport=_Call(self._arm, self.alive),
                policies=pipeline.build(
                    self._sign_in,
                    f"{BASE}/.default",
                    patience=self.patience,
                    correlation=None,
                    plain_http=False,
                    observer=self._observer,
                    allowance=self._allowance,
                ),
            )
        return self._clients[subscription_id]


class _Signed:
    """A credential of the lab."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    async def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        token = self._cloud.tokens.mint()
        return AccessToken(token, int(self._cloud.tokens.minted[token][0]))

    async def close(self) -> None:
        """Nothing is open."""


class _Call(AsyncHttpTransport[HttpRequest, AsyncHttpResponse]):
    """Hands a request to the lab's handler."""

    def __init__(self, arm: Arm, alive: Callable[[], None]) -> None:
        self._arm = arm
        self._alive = alive

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close."""

    async def send(self, request: HttpRequest, **_options: Any) -> AsyncHttpResponse:
        """One exchange."""
        self._alive()
        body = request.content or b""
        data = body.encode() if isinstance(body, str) else bytes(body)
        payload = StreamReader(BaseProtocol(asyncio.get_running_loop()), limit=2**16)
        payload.feed_data(data)
        payload.feed_eof()
        asked = make_mocked_request(
            request.method,
            URL(request.url).raw_path_qs,
            headers=CIMultiDict(request.headers),
            payload=payload,
            protocol=_NOBODY,
            transport=_NOBODY,
            writer=_NOBODY,
        )
        answer = await self._arm.handle(asked)
        self._alive()
        assert isinstance(answer, Response)
        return _Answer(request, answer)


_NOBODY = Mock()
"""The connection that there is none of."""


class _Answer(AsyncHttpResponseImpl):
    def __init__(self, request: HttpRequest, answer: Response) -> None:
        super().__init__(
            request=request,
            internal_response=answer,
            status_code=answer.status,
            reason=answer.reason,
            content_type=answer.headers.get("Content-Type", ""),
            headers=CIMultiDict(answer.headers),
            stream_download_generator=None,
        )
        self._content = bytes(answer.body or b"")  # type: ignore[arg-type]

    async def close(self) -> None:
        self._is_closed = True
