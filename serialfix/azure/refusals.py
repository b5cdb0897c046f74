"""Foreign errors become ours: one table by status, one by the texts that Azure documents."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from serialfix.errors import (
    AccessError,
    AzureRefused,
    AzureUnreachable,
    SerialfixError,
    TargetError,
)


if TYPE_CHECKING:
    from azure.core.exceptions import AzureError


class Row(NamedTuple):
    """What a refusal means: which error it is, and what to do."""

    error: type[SerialfixError]
    remedy: str


Rows = Mapping[int | str, Row]
"""By status, or by a part of Azure's text, which is better known than its status."""

_OTHERWISE = Row(AzureRefused, "Do what the message asks for, then try again.")
_LATER = Row(AzureRefused, "Azure itself is in trouble: try again in a minute.")
_TROUBLE = (408, 500, 502, 503, 504)

_BY_STATUS = {
    401: Row(AccessError, "Sign in again: `az login`."),
    403: Row(AccessError, "Ask for a role with {action}, e.g. Virtual Machine Contributor."),
    404: Row(TargetError, "Check the name, the resource group and the subscription."),
    429: Row(AzureRefused, "Azure throttles these calls: try again after the time it names."),
} | dict.fromkeys(_TROUBLE, _LATER)

# azure.md §5: what a text means is better known than what its status means.
_BY_TEXT = {
    "has not yet succeeded": "Wait until the VM is deployed, then try again.",
    "boot diagnostic": (
        "Use managed boot diagnostics: `az vm boot-diagnostics enable` without --storage."
    ),
    "hierarchical namespace": (
        "Use managed boot diagnostics: `az vm boot-diagnostics enable` without --storage."
    ),
    "ScopeLocked": "A ReadOnly lock stops this: find it with `az lock list`, have it removed.",
    "MissingSubscriptionRegistration": (
        "Have the resource provider registered: `az provider register --namespace NAME`."
    ),
    "SubscriptionNotFound": "Check --subscription; `az account list -o table` shows yours.",
}


@contextmanager
def mapped(
    doing: str,
    *,
    action: str = "Microsoft.Compute/virtualMachines/read",
    rows: Rows | None = None,
) -> Iterator[None]:
    """Let only our errors out of an Azure call.

    `doing` completes "Azure refused ..."; `action` is the permission that the call needs. `rows`
    are of a service other than ARM.
    """
    from azure.core.exceptions import AzureError

    try:
        yield
    except AzureError as error:
        raise _translated(error, doing, action, rows or {}) from error


@contextmanager
def mapped_sign_in() -> Iterator[None]:
    """The same for azure-identity, whose 401 is the sign-in's and not ARM's."""
    from azure.core.exceptions import AzureError, ClientAuthenticationError

    try:
        yield
    except ClientAuthenticationError as error:
        raise AccessError(
            f"sign-in to Azure failed: {error.message}",
            remedy="Run `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and its secret.",
        ) from error
    except AzureError as error:
        raise AzureUnreachable(f"sign-in to Azure got no answer: {error.message}") from error


def reason(answer: Any) -> tuple[str, str]:
    """Code and message of an ARM error body: under `error`, or flat (azure.md §1)."""
    try:
        body = json.loads(answer) if isinstance(answer, (str, bytes)) else answer
        body = body.get("error", body)
        return str(body.get("code") or ""), str(body.get("message") or "")
    except (ValueError, AttributeError):
        return "", ""


def _translated(error: AzureError, doing: str, action: str, rows: Rows) -> SerialfixError:
    from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError

    if isinstance(error, (ServiceRequestError, ServiceResponseError)):
        return AzureUnreachable(f"Azure gave no answer when asked {doing}: {error.message}")
    # Any: the SDK types its responses by what sync, async, old and new ones have in common.
    response: Any = error.response if isinstance(error, HttpResponseError) else None
    if response is None or response.status_code < HTTPStatus.BAD_REQUEST:
        return AzureRefused(
            f"Azure's answer when asked {doing} is not understood: {error.message}",
            remedy=_OTHERWISE.remedy,
        )
    status = response.status_code
    code, message = reason(response.text())
    message = message or response.reason or ""
    told = f"{code} {message}"
    special = next((row for key, row in rows.items() if isinstance(key, str) and key in told), None)
    row = special or rows.get(status) or _BY_STATUS.get(status, _OTHERWISE)
    text = (
        f"Azure refused {doing}: {status} {code}: {message}"
        if code
        else (f"Azure refused {doing}: {status} {message}")
    )
    if wait := response.headers.get("Retry-After"):
        text += f" (Retry-After: {wait} s)"
    remedy = next((say for needle, say in _BY_TEXT.items() if needle in told), "")
    refused = row.error(text, remedy=remedy or row.remedy.format(action=action))
    if isinstance(refused, AzureRefused):
        refused.passing = status in (HTTPStatus.TOO_MANY_REQUESTS, *_TROUBLE)
    return refused
