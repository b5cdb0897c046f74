"""One ARM call and the table entry that answers it."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from serialfix.lab.cloud import Cloud, Operation, Refused, refuse
from serialfix.lab.switches import ArmFaults, Refusal
from serialfix.lab.vm import LabVm


if TYPE_CHECKING:
    from aiohttp import web

SUBSCRIPTION_PATH = "/subscriptions/{sub}"
GROUP_PATH = SUBSCRIPTION_PATH + "/resourceGroups/{rg}"
COMPUTE = "/providers/Microsoft.Compute"
VM_PATH = GROUP_PATH + COMPUTE + "/virtualMachines/{vm}"
SCALE_SET_PATH = GROUP_PATH + COMPUTE + "/virtualMachineScaleSets/{ss}"
INSTANCE_PATH = SCALE_SET_PATH + "/virtualMachines/{instance}"

Handler = Callable[["Call"], Awaitable["web.Response"]]


@dataclass(slots=True)
class Call:
    """A request that found its route."""

    cloud: Cloud
    request: web.Request
    route: Route
    params: dict[str, str]
    found: LabVm | None = field(init=False)

    def __post_init__(self) -> None:
        self.found = self._find()

    @property
    def api_version(self) -> str:
        """Of the query, in any case."""
        query = {key.lower(): value for key, value in self.request.query.items()}
        return query.get("api-version", "")

    @property
    def scope(self) -> str:
        """What RBAC texts call the scope: the path up to the action."""
        path = unquote(self.request.path)
        return path.rsplit("/", 1)[0] if self.request.method == "POST" else path

    @property
    def faults(self) -> list[ArmFaults]:
        """The switches that hold for it, the VM's own first."""
        return [*([self.found.arm] if self.found else []), self.cloud.faults]

    @property
    def location(self) -> str:
        """The region that does it; empty for what is done in none of its own."""
        if self.found is not None:
            return self.found.location.lower()
        return self.params.get("region", "").lower()

    @property
    def vm(self) -> LabVm:
        """The VM or instance that the path names. Raises the 404 of ARM."""
        if self.found is not None:
            return self.found
        group, params = self.params["rg"], self.params
        if "instance" not in params:
            raise not_found(f"Microsoft.Compute/virtualMachines/{params['vm']}", group)
        if not self.cloud.instances(params["sub"], group, params["ss"]):
            raise not_found(
                f"Microsoft.Compute/virtualMachineScaleSets/{params['ss']}", group, parent=True
            )
        raise refuse(
            404,
            "InstanceIdNotFound",
            f"The provided instanceId {params['instance']} is not an active Virtual Machine Scale "
            "Set VM instanceId.",
        )

    def _find(self) -> LabVm | None:
        params = self.params
        if "instance" in params:
            return self.cloud.find(
                params["sub"], params["rg"], params["ss"], instance=params["instance"]
            )
        if "vm" in params:
            return self.cloud.find(params["sub"], params["rg"], params["vm"])
        return None

    async def json(self) -> dict[str, Any]:
        """The body. Raises the 400 of ARM when it is not a JSON object."""
        try:
            body = json.loads(await self.request.text())
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise refuse(
                400,
                "InvalidRequestContent",
                "The request content was invalid and could not be deserialized.",
            )
        return body


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path, its RBAC action, its throttling bucket, and who answers."""

    method: str
    pattern: re.Pattern[str]
    action: str
    handler: Handler
    bucket: str | None = None


def route(
    method: str, template: str, action: str, handler: Handler, bucket: str | None = None
) -> Route:
    """Paths match without regard to case; a parameter is one segment, still escaped."""
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template.replace(".", r"\."))
    return Route(method, re.compile(pattern + "/?", re.IGNORECASE), action, handler, bucket)


def reply(body: Any, status: int = 200, *, pretty: bool = True, **headers: str) -> web.Response:
    """JSON; Compute prints it prettily (azure.md §7). Underscores in header names become dashes."""
    from aiohttp import web

    return web.Response(
        text=json.dumps(body, indent=2 if pretty else None),
        status=status,
        content_type="application/json",
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def accepted(call: Call, operation: Operation, body: Any = None) -> web.Response:
    """202 with the two addresses of a long-running operation."""
    from aiohttp import web

    url = call.cloud.base_url + operation.path(call.api_version)
    headers = {
        "Azure-AsyncOperation": url,
        "Location": f"{url}&monitor=true",
        # the SDK reads this one as an integer, and looks at the operation at once anyway
        "Retry-After": str(int(call.cloud.delays.retry_after)),
        "azure-asyncnotification": "Enabled",
    }
    if body is None:
        return web.Response(status=202, headers=headers)
    response = reply(body, 202)
    response.headers.update(headers)
    return response


def retry_after(seconds: float) -> str:
    """Whole seconds as Azure sends them; fractions only where a test asks for them."""
    return f"{seconds:g}"


def refusal_reply(refusal: Refusal, *, action: str = "", scope: str = "") -> web.Response:
    """An error as ARM words it."""
    error: dict[str, Any] = {
        "code": refusal.code,
        "message": refusal.message.replace("{action}", action).replace("{scope}", scope),
    }
    if refusal.inner:
        error["innererror"] = {"code": refusal.inner}
    response = reply(error if refusal.flat else {"error": error}, refusal.status, pretty=False)
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = retry_after(refusal.retry_after)
    return response


def not_found(resource: str, group: str, *, parent: bool = False) -> Refused:
    """The 404 of a missing resource, or of a missing parent."""
    if parent:
        return refuse(
            404,
            "ParentResourceNotFound",
            "Failed to perform operation on nested resource under parent "
            f"'{resource}' because the parent resource was not found.",
            x_ms_failure_cause="gateway",
        )
    return refuse(
        404,
        "ResourceNotFound",
        f"The Resource '{resource}' under resource group '{group}' was not found. For more details "
        "please go to https://aka.ms/ARMResourceNotFoundFix",
        x_ms_failure_cause="gateway",
    )
