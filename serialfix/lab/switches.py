"""The switches of the lab's Azure side: what may go wrong, and how long things take.

All are frozen and off by default; exchange them at run time (`vm.arm = replace(vm.arm, ...)`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer of ARM; `message` may use {action} and {scope}."""

    status: int
    code: str
    message: str
    retry_after: float | None = None
    flat: bool = False  # {code, message} without `error` around (azure.md §1)
    inner: str = ""  # code of the `innererror` that Key Vault adds


FORBIDDEN = Refusal(
    403,
    "AuthorizationFailed",
    "The client 'lab-engineer' with object id '5c0f7f0e-6d0c-4f52-9d55-0b8f5f3d2a10' does not have "
    "authorization to perform action '{action}' over scope '{scope}' or the scope is invalid. If "
    "access was recently granted, please refresh your credentials.",
)
SCOPE_LOCKED = Refusal(
    409,
    "ScopeLocked",
    "The scope '{scope}' cannot perform write operation because following scope(s) are locked: "
    "'{scope}'. Please remove the lock and try again.",
)
NOT_PROVISIONED = Refusal(
    400,
    "BadRequest",
    "Provisioning for this VM has not yet succeeded. Please ensure the VM is fully deployed and "
    "retry the serial console connection.",
)
NO_CONSOLE_PERMISSION = Refusal(
    403,
    "Forbidden",
    "You do not have the required permissions to use this VM with the serial console. Ensure you "
    "have at least Virtual Machine Contributor role permissions.",
)
THROTTLED = Refusal(
    429,
    "SubscriptionRequestsThrottled",
    "Number of requests for action '{action}' exceeded the limit. Please try again after the time "
    "that the Retry-After header states.",
)
VAULT_FORBIDDEN = Refusal(
    403,
    "Forbidden",
    "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny "
    "assignments or role definitions were changed recently, please observe propagation time.\r\n"
    "Action: '{action}'\r\nResource: '{scope}'\r\nAssignment: (not found)\r\n",
    inner="ForbiddenByRbac",
)
VAULT_FIREWALL = Refusal(
    403,
    "Forbidden",
    "Client address is not authorized and caller is not a trusted service.\r\nClient address: "
    "127.0.0.1\r\n",
    inner="ForbiddenByFirewall",
)
SECRET_DISABLED = Refusal(
    403,
    "Forbidden",
    "Operation get is not allowed on a disabled secret.",
    inner="SecretDisabled",
)
VAULT_THROTTLED = Refusal(
    429,
    "Throttled",
    "Request was not processed because too many requests were received. Reason: "
    "VaultRequestTypeLimitReached",
)


REGION_DOWN = Refusal(
    503, "ServiceUnavailable", "The service is temporarily unavailable. Please try again later."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A region that is down: all calls for its VMs get this answer, and its gateway opens nothing.

    With many seconds before the answer clients give up first.
    """

    answer: Refusal = REGION_DOWN
    after: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # by identity: it keys counters
class ArmFaults:
    """What ARM refuses or does badly, for one VM or for everything.

    Exchanging it for a new one starts its "first N" counts anew.

    Actions are RBAC names without regard to case, e.g.
    `Microsoft.SerialConsole/serialPorts/connect/action`; `*` means every action.
    """

    deny: Mapping[str, Refusal] = field(default_factory=dict)
    throttle: Mapping[str, int] = field(default_factory=dict)  # action -> its first N calls get 429
    throttle_seconds: float = 1.0  # the Retry-After of these
    enforce_limits: bool = False  # answer 429 when a bucket of azure.md §10, or a quota, is empty
    connect_rejects: int = 0  # the first N connects: "Provisioning ... has not yet succeeded"
    restart_fails: bool = False  # the operation ends Failed and the guest did not restart
    restart_hangs: bool = False  # the operation stays InProgress and the guest did not restart
    restart_op_lost: bool = False  # the guest restarts, but the operation cannot be found
    gateway_down: bool = False  # connect hands out an address where nobody listens
    slow: float = 0.0  # seconds before every answer


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GatewayFaults:
    """How the websocket gateway of one VM behaves (azure.md §2).

    A session keeps the switches it began with. Exchanging them starts the counts anew.
    """

    # refuses a right token with 1011 on the first N attempts, always, or on every odd attempt
    token_refused: int | Literal["always", "every_other"] = 0
    greeting: str = "Connecting...\r\n"
    greeting_delay: float = 0.02  # whatever the client sends before the greeting is lost
    token_timeout: float = 5.0
    latency: float = 0.0  # seconds that everything takes on its way, in each direction
    frames: Literal["text", "binary", "mixed"] = "text"
    split: bool = False  # cut the output anywhere, inside characters and escapes too
    box: str = (
        "\r\nConnected to the serial port of the VM.\r\n"
        "If no login prompt is displayed, press ENTER.\r\n\r\n"
    )
    backlog: int = 2048  # bytes of former output that a new client is sent
    token_echo: bool = False  # the token comes back as console text
    unable: int = 0  # the first N sessions get only "Sorry, the serial console was unable ..."
    takeover_code: int = 1000  # close code of the older session; 1006 = no close frame at all
    drop_after_bytes: int | None = None  # drop once the client has sent so many bytes
    drop_after_frames: int | None = None  # drop after the n-th frame to the client
    drop_after_seconds: float | None = None
    drop_code: int = 1006
    drops: int = 1  # so many sessions are dropped, later ones are not
    idle_timeout: float | None = None  # seconds without a client frame
    restart_cuts: bool = False  # a restart through ARM ends the session (reset never does, §3)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VaultFaults:
    """What Key Vaults refuse, by `VAULT` or `VAULT/SECRET` in lower case; `*` is all of them."""

    deny: Mapping[str, Refusal] = field(default_factory=dict)
    throttle: Mapping[str, int] = field(default_factory=dict)  # the first N reads get 429
    throttle_seconds: float | None = None  # their Retry-After; mostly there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmDelays:
    """How long Azure takes, in seconds; the guest's own times are in its `Delays`."""

    restart: float = 2.0
    start: float = 1.0
    stop: float = 1.0
    snapshot: float = 1.0
    run_command: float = 0.5
    retry_after: float = 1.0
    graph_window: float = 5.0  # Resource Graph's quota is full again after it

    @classmethod
    def instant(cls) -> ArmDelays:
        """As good as no waiting; the SDK takes a Retry-After of 0 for none at all."""
        return cls(
            restart=0.01,
            start=0.01,
            stop=0.01,
            snapshot=0.01,
            run_command=0.01,
            retry_after=0.01,
            graph_window=0.01,
        )
