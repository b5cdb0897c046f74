"""Resource Graph: enough of its query language to find VMs (azure.md §6.6)."""

from __future__ import annotations

import base64
import binascii
import functools
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from serialfix.lab.cloud import Refused, refuse
from serialfix.lab.identity import TENANT
from serialfix.lab.routing import Call, Route, reply, route
from serialfix.lab.shapes import instance_json, vm_json
from serialfix.lab.switches import THROTTLED
from serialfix.lab.vm import POWER_TEXT, LabVm


if TYPE_CHECKING:
    from aiohttp import web

_LITERAL = r"'(?:[^'\\]|\\.)*'"
_STAGE = re.compile(rf"(?:{_LITERAL}|[^|'])+")
_WHERE = re.compile(
    rf"where\s+([\w.]+)\s*(?:(=~|==|\s+startswith)\s*({_LITERAL})"
    rf"|\s+in~\s*\(\s*({_LITERAL}(?:\s*,\s*{_LITERAL})*)\s*\))",
    re.IGNORECASE,
)
_CAST = re.compile(r"(?:tostring|tobool)\((.*)\)")


async def resources(call: Call) -> web.Response:
    """`resources` or `computeresources`, with `where`, `project` and `order by id`.

    An answer without the column `id` cannot be continued, as in Azure.
    """
    quota = _quota(call)
    body = await call.json()
    options = body.get("options") or {}
    query = str(body.get("query", ""))
    wanted = _scope(call, body)
    stages = [stage.strip() for stage in _STAGE.findall(query)]
    if "|".join(_STAGE.findall(query)) != query:
        raise refuse(400, "InvalidQuery", "Query is invalid: a text does not end.")
    table = stages[0].lower() if stages else ""
    if table not in ("resources", "computeresources"):
        raise refuse(400, "InvalidQuery", f"Query is invalid: unknown table '{table}'.")
    rows = [
        _Row(vm)
        for vm in call.cloud.vms
        if vm.subscription.lower() in wanted
        and (vm.scale_set is not None) == (table == "computeresources")
    ]
    columns: list[str] = []
    for stage in stages[1:]:
        if stage.lower().startswith("project "):
            columns = [column.strip() for column in stage[8:].split(",")]
        else:
            rows = _apply(stage, rows)
    start = _start(options)
    end = start + min(int(options.get("$top") or 100), call.cloud.graph_rows)
    # what a column holds is looked up for the rows of this page alone: that is most of the work
    data = [
        dict(_column(row, column) for column in columns) if columns else row.whole()
        for row in rows[start:end]
    ]
    answer: dict[str, Any] = {
        "totalRecords": len(rows),
        "count": len(data),
        "data": data,
        "facets": [],
        "resultTruncated": "true" if end < len(rows) else "false",
    }
    if end < len(rows) and (not columns or "id" in columns):
        answer["$skipToken"] = base64.b64encode(f"lab:{end}".encode()).decode()
    response = reply(answer, pretty=False)
    response.headers.update(quota)
    return response


def _quota(call: Call) -> dict[str, str]:
    """The headers; the 429 of a user who asks too often where limits are enforced."""
    left, seconds = call.cloud.graph_quota.take(call.cloud.delays.graph_window)
    headers = {
        "x-ms-user-quota-remaining": str(max(left, 0)),
        "x-ms-user-quota-resets-after": f"00:00:{seconds:010.7f}",  # a TimeSpan of .NET
    }
    if left < 0 and any(faults.enforce_limits for faults in call.faults):
        raise Refused(replace(THROTTLED, code="RateLimiting"), headers)
    return headers


def _scope(call: Call, body: dict[str, Any]) -> set[str]:
    """The subscriptions that are meant, in lower case. Raises the 403 when none can be seen."""
    known = {sub.lower() for sub in call.cloud.subscriptions}
    groups = call.cloud.management_groups
    asked = [str(sub) for sub in body.get("subscriptions") or ()]
    for name in body.get("managementGroups") or ():
        asked += next((subs for key, subs in groups.items() if key.lower() == name.lower()), [])
    if not asked and not body.get("managementGroups"):
        return known
    if not (wanted := known & {sub.lower() for sub in asked}):
        raise refuse(
            403, "AccessDenied", "Please make sure that you have access to the queried scopes."
        )
    return wanted


def _start(options: dict[str, Any]) -> int:
    token = options.get("$skipToken")
    if token is None:
        return int(options.get("$skip") or 0)
    try:
        return int(base64.b64decode(token, validate=True).decode().removeprefix("lab:"))
    except (binascii.Error, ValueError):
        raise refuse(400, "InvalidSkipToken", "The provided skip token is not valid.") from None


def _apply(stage: str, rows: list[_Row]) -> list[_Row]:
    if match := _WHERE.fullmatch(stage):
        path, operator, one, several = match.groups()
        texts = [
            re.sub(r"\\(.)", r"\1", text[1:-1]) for text in re.findall(_LITERAL, one or several)
        ]
        if operator == "==":
            return [row for row in rows if str(_value(row, path)) in texts]
        lowered = tuple(text.lower() for text in texts)
        if (operator or "").strip().lower() == "startswith":
            return [row for row in rows if str(_value(row, path)).lower().startswith(lowered)]
        return [row for row in rows if str(_value(row, path)).lower() in lowered]
    if re.match(r"order by id( asc)?$", stage, re.IGNORECASE):
        return sorted(rows, key=lambda row: str(row["id"]))
    raise refuse(400, "InvalidQuery", f"Query is invalid: the lab does not know '{stage}'.")


def _column(row: _Row, column: str) -> tuple[str, Any]:
    name, _, path = column.partition("=")
    path = (path or name).strip()
    path = cast[1] if (cast := _CAST.fullmatch(path)) else path
    return name.strip(), _value(row, path)


def _value(row: _Row, path: str) -> Any:
    first, *more = path.split(".")
    value = row.properties if first == "properties" else row.get(first)
    for part in more:
        value = value.get(part) if isinstance(value, dict) else None
    return value


class _Row(dict[str, Any]):
    """What Resource Graph holds of a VM; its properties are put together when they are read."""

    def __init__(self, vm: LabVm) -> None:
        instance = vm.scale_set is not None
        kind = "virtualmachinescalesets/virtualmachines" if instance else "virtualmachines"
        super().__init__(
            id=vm.id,
            name=f"{vm.scale_set}_{vm.instance_id}" if instance else vm.name,
            type=f"microsoft.compute/{kind}",
            tenantId=TENANT,
            location=vm.location,
            resourceGroup=vm.resource_group.lower(),
            subscriptionId=vm.subscription,
            tags=dict(vm.tags),
        )
        self._vm = vm

    @functools.cached_property
    def properties(self) -> dict[str, Any]:
        """As Compute shows them, and the power state."""
        vm = self._vm
        shape = vm_json(vm) if vm.scale_set is None else instance_json(vm)
        properties: dict[str, Any] = shape["properties"]
        system = {"osName": vm.image.os_name, "osVersion": vm.image.os_version}
        properties["extended"] = {
            "instanceView": {
                **(system if vm.agent_ready and vm.power_state != "deallocated" else {}),
                "powerState": {
                    "code": f"PowerState/{vm.power_state}",
                    "level": "Info",
                    "displayStatus": POWER_TEXT[vm.power_state],
                },
            }
        }
        return properties

    def whole(self) -> dict[str, Any]:
        """All columns."""
        return {**self, "properties": self.properties}


ROUTES: tuple[Route, ...] = (
    route(
        "POST",
        "/providers/Microsoft.ResourceGraph/resources",
        "Microsoft.ResourceGraph/resources/read",
        resources,
    ),
)
