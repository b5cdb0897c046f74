"""Finding many VMs: Resource Graph, page by page, within its quota (azure.md §6.6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serialfix.azure.identity import Azure
from serialfix.azure.vm import not_windows_server
from serialfix.errors import AzureRefused


PAGE = 1000
"""Rows of an answer: the most that Resource Graph gives."""
IDS_AT_ONCE = 200
"""Ids in one query: its text is bounded, and where is not documented."""
_URL = "/providers/Microsoft.ResourceGraph/resources"
_API_VERSION = {"api-version": "2021-03-01"}
_ACTION = "Microsoft.ResourceGraph/resources/read"
_TYPES = {
    "resources": "microsoft.compute/virtualmachines",
    "computeresources": "microsoft.compute/virtualmachinescalesets/virtualmachines",
}
# Instances of flexible scale sets are plain VMs; those of uniform ones have a table of their own.
_INSTANCES = "computeresources"
_COLUMNS = """id, name, resourceGroup, subscriptionId, location, tags,
osType=tostring(properties.storageProfile.osDisk.osType),
publisher=tostring(properties.storageProfile.imageReference.publisher),
offer=tostring(properties.storageProfile.imageReference.offer),
osName=tostring(properties.extended.instanceView.osName),
power=tostring(properties.extended.instanceView.powerState.code),
bootdiag=tobool(properties.diagnosticsProfile.bootDiagnostics.enabled)"""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where is searched: subscriptions by id, or management groups by name."""

    subscriptions: tuple[str, ...] = ()
    management_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundVm:
    """A VM as Resource Graph knows it, which may be some minutes old.

    `not_server` says what it is instead of a Windows Server; empty when it is, or may be, one.
    `power` is `running`, `deallocated`, ... or `unknown`; `boot_diagnostics` None is not known.
    """

    id: str
    name: str
    resource_group: str
    subscription_id: str
    location: str
    power: str = "running"
    not_server: str = ""
    boot_diagnostics: bool | None = True
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_instance(self) -> bool:
        """Whether it is an instance of a uniform scale set."""
        return "/virtualmachinescalesets/" in self.id.lower()


@dataclass(frozen=True, slots=True)
class Found:
    """All that was found, how many queries that took, and what to know about it."""

    vms: tuple[FoundVm, ...]
    queries: int = 0
    notes: tuple[str, ...] = ()


def literal(text: str) -> str:
    """A text of KQL: quotes and backslashes escaped, so that it stays a text."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return "'" + "".join(char if char.isprintable() else _code(char) for char in escaped) + "'"


def _code(char: str) -> str:
    number = ord(char)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def kql(
    table: str,
    *,
    resource_group: str | None = None,
    location: str | None = None,
    name_prefix: str = "",
    ids: Iterable[str] = (),
) -> str:
    """The query for one table; everything given narrows it, without regard to case."""
    stages = [table, f"where type =~ {literal(_TYPES[table])}"]
    if resource_group:
        stages.append(f"where resourceGroup =~ {literal(resource_group)}")
    if location:
        stages.append(f"where location =~ {literal(location)}")
    if name_prefix:
        stages.append(f"where name startswith {literal(name_prefix)}")
    if listed := ", ".join(map(literal, ids)):
        stages.append(f"where id in~ ({listed})")
    return "\n| ".join([*stages, f"project {_COLUMNS}", "order by id asc"])


async def find_vms(
    azure: Azure,
    scope: Scope,
    *,
    resource_group: str | None = None,
    location: str | None = None,
    name_prefix: str = "",
    progress: Callable[[str], None] = lambda _text: None,
) -> Found:
    """All VMs of the scope, scale-set instances too.

    Raises AccessError, AzureRefused, AzureUnreachable.
    """
    search = _Search(azure, progress)
    for table in _TYPES:  # an instance's name is SET_NUMBER, so its beginning is the set's
        query = kql(
            table, resource_group=resource_group, location=location, name_prefix=name_prefix
        )
        await search.run(scope, query, instances=table == _INSTANCES)
    return search.found()


async def find_ids(
    azure: Azure,
    ids: Sequence[str],
    *,
    progress: Callable[[str], None] = lambda _text: None,
) -> Found:
    """Those of these ids that there are. Raises AccessError, AzureRefused, AzureUnreachable."""
    search = _Search(azure, progress)
    for table in _TYPES:
        instances = table == _INSTANCES
        mine = [each for each in ids if ("/virtualmachinescalesets/" in each.lower()) == instances]
        for start in range(0, len(mine), IDS_AT_ONCE):
            some = mine[start : start + IDS_AT_ONCE]
            scope = Scope(tuple(sorted({each.split("/")[2].lower() for each in some})))
            await search.run(scope, kql(table, ids=some), instances=instances)
    return search.found()


class _Search:
    """Queries one after the other: they share a quota."""

    def __init__(self, azure: Azure, progress: Callable[[str], None]) -> None:
        self._azure = azure
        self._progress = progress
        self._vms: list[FoundVm] = []
        self._queries = 0
        self._pause = 0.0
        self._notes: list[str] = []

    def found(self) -> Found:
        return Found(tuple(self._vms), self._queries, tuple(self._notes))

    async def run(self, scope: Scope, query: str, *, instances: bool = False) -> None:
        """One query, to its last page; that of instances may be refused."""
        try:
            async for row in self._rows(
                scope, query, "scale-set instances" if instances else "VMs"
            ):
                self._vms.append(_vm(row))
        except AzureRefused as error:
            if not instances or getattr(error.__cause__, "status_code", None) != 400:
                raise
            note = f"Instances of uniform scale sets are not shown by Resource Graph here: {error}"
            if note not in self._notes:
                self._notes.append(note)

    async def _rows(self, scope: Scope, query: str, noun: str) -> AsyncIterator[dict[str, Any]]:
        options: dict[str, Any] = {"$top": PAGE, "resultFormat": "objectArray"}
        body: dict[str, Any] = {"query": query, "options": options}
        if scope.management_groups:
            body["managementGroups"] = list(scope.management_groups)
        else:
            body["subscriptions"] = list(scope.subscriptions)
        seen = 0
        while True:
            answer = await self._page(body)
            rows = answer.get("data") or []
            seen += len(rows)
            for row in rows:
                yield row
            total = answer.get("totalRecords", seen)
            if seen:
                self._progress(f"{seen} of {total} {noun}")
            token = answer.get("$skipToken")
            if not token:
                self._complete(answer, seen)
                return
            if options.get("$skipToken") == token:
                raise AzureRefused(
                    "Resource Graph gave the same page twice; the list of VMs is not complete",
                    remedy="Try again; if it stays so, name fewer VMs at a time.",
                )
            options["$skipToken"] = token

    @staticmethod
    def _complete(answer: Mapping[str, Any], seen: int) -> None:
        """A list that is cut off must not be taken for the whole."""
        if str(answer.get("resultTruncated", "false")).lower() == "true":
            raise AzureRefused(
                f"Resource Graph cut its answer off after {seen} VMs",
                remedy="Name fewer VMs at a time: --resource-group, --location, --subscription.",
            )

    async def _page(self, body: dict[str, Any]) -> dict[str, Any]:
        from serialfix.azure.pipeline import quota_reset

        longest = self._azure.patience.retry_after_max
        if self._pause > longest:
            raise AzureRefused(
                f"Resource Graph's quota is used up for {self._pause:.0f} s",
                remedy="Try again after that time.",
            )
        if self._pause:
            self._progress(f"waiting {self._pause:.1f} s for Resource Graph's quota")
            await asyncio.sleep(self._pause)
        self._queries += 1
        answer, headers = await self._azure.ask(
            _URL, body, doing="to list the VMs", action=_ACTION, params=_API_VERSION
        )
        spent = headers.get("x-ms-user-quota-remaining") == "0"
        self._pause = (quota_reset(headers) or 0.0) if spent else 0.0
        if headers.get("x-ms-tenant-subscription-limit-hit", "").lower() == "true":
            raise AzureRefused(
                "the scope has more than 10,000 subscriptions, and Resource Graph left some out",
                remedy="Name subscriptions or smaller management groups.",
            )
        return answer


def _vm(row: Mapping[str, Any]) -> FoundVm:
    os_type, os_name = str(row.get("osType") or ""), str(row.get("osName") or "")
    power = str(row.get("power") or "").rpartition("/")[2].lower()
    boot = row.get("bootdiag")
    return FoundVm(
        id=str(row["id"]),
        name=str(row.get("name") or ""),
        resource_group=str(row.get("resourceGroup") or ""),
        subscription_id=str(row.get("subscriptionId") or ""),
        location=str(row.get("location") or ""),
        power=power or "unknown",
        not_server=not_windows_server(os_type, os_name, row),
        boot_diagnostics=None if boot is None else bool(boot),
        tags={str(key): str(value) for key, value in (row.get("tags") or {}).items()},
    )
