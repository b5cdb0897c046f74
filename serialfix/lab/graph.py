"""Resource Graph: enough of one query to find VMs (azure.md §6.6)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from serialfix.lab.cloud import refuse
from serialfix.lab.identity import TENANT
from serialfix.lab.routing import Call, Route, reply, route
from serialfix.lab.shapes import instance_json, vm_json
from serialfix.lab.vm import POWER_TEXT, LabVm


if TYPE_CHECKING:
    from aiohttp import web

_WHERE = re.compile(r"^where\s+([\w.]+)\s*(=~|==|in~)\s*(.+)$", re.IGNORECASE)
_TEXT = re.compile(r"'([^']*)'")


async def resources(call: Call) -> web.Response:
    """`resources` or `computeresources`, with `where x =~ 'y'`, `project` and `order by id`."""
    body = await call.json()
    options = body.get("options") or {}
    wanted = {sub.lower() for sub in body.get("subscriptions") or call.cloud.subscriptions}
    table, *stages = (stage.strip() for stage in str(body.get("query", "")).split("|"))
    if table.lower() not in ("resources", "computeresources"):
        raise refuse(400, "InvalidQuery", f"Query is invalid: unknown table '{table}'.")
    scale_sets = table.lower() == "computeresources"
    rows = [
        _row(vm)
        for vm in call.cloud.vms
        if vm.subscription.lower() in wanted and (vm.scale_set is not None) == scale_sets
    ]
    for stage in stages:
        rows = _apply(stage, rows)
    start = int(options.get("$skipToken") or options.get("$skip") or 0)
    end = start + min(int(options.get("$top") or 100), 1000)
    answer: dict[str, Any] = {
        "totalRecords": len(rows),
        "count": len(rows[start:end]),
        "data": rows[start:end],
        "facets": [],
        "resultTruncated": "true" if end < len(rows) else "false",
    }
    if end < len(rows):
        answer["$skipToken"] = str(end)
    response = reply(answer, pretty=False)
    response.headers.update(
        {"x-ms-user-quota-remaining": "14", "x-ms-user-quota-resets-after": "00:00:05"}
    )
    return response


def _apply(stage: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if match := _WHERE.match(stage):
        path, operator, literal = match.groups()
        texts = _TEXT.findall(literal)
        if operator == "==":
            return [row for row in rows if str(_value(row, path)) in texts]
        lowered = [text.lower() for text in texts]
        return [row for row in rows if str(_value(row, path)).lower() in lowered]
    if stage.lower().startswith("project "):
        columns = [column.strip() for column in stage[8:].split(",")]
        return [dict(_column(row, column) for column in columns) for row in rows]
    if re.match(r"order by id( asc)?$", stage, re.IGNORECASE):
        return sorted(rows, key=lambda row: str(row["id"]))
    raise refuse(400, "InvalidQuery", f"Query is invalid: the lab does not know '{stage}'.")


def _column(row: dict[str, Any], column: str) -> tuple[str, Any]:
    name, _, path = column.partition("=")
    path = re.sub(r"^\w+\((.*)\)$", r"\1", (path or name).strip())
    return name.strip(), _value(row, path)


def _value(row: Any, path: str) -> Any:
    for part in path.split("."):
        row = row.get(part) if isinstance(row, dict) else None
    return row


def _row(vm: LabVm) -> dict[str, Any]:
    shape = vm_json(vm) if vm.scale_set is None else instance_json(vm)
    properties = shape["properties"]
    properties["extended"] = {
        "instanceView": {
            "powerState": {
                "code": f"PowerState/{vm.power_state}",
                "level": "Info",
                "displayStatus": POWER_TEXT[vm.power_state],
            }
        }
    }
    return {
        "id": vm.id,
        "name": shape["name"],
        "type": shape["type"].lower(),
        "tenantId": TENANT,
        "location": vm.location,
        "resourceGroup": vm.resource_group.lower(),
        "subscriptionId": vm.subscription,
        "tags": dict(vm.tags),
        "properties": properties,
    }


ROUTES: tuple[Route, ...] = (
    route(
        "POST",
        "/providers/Microsoft.ResourceGraph/resources",
        "Microsoft.ResourceGraph/resources/read",
        resources,
    ),
)
