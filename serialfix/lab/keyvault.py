"""Key Vaults: their secrets, for those who have a token for vaults."""

from __future__ import annotations

import re
import secrets
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from serialfix.lab.guest import PASSWORD
from serialfix.lab.identity import TENANT, Tokens, Verdict
from serialfix.lab.routing import refusal_reply, reply
from serialfix.lab.switches import VAULT_THROTTLED, Refusal, VaultFaults
from serialfix.lab.vm import LabVm


if TYPE_CHECKING:
    from aiohttp import web

VAULT = "lab"
"""The vault that is there from the start, with a secret `NAME-admin` for each VM."""
ACTION = "Microsoft.KeyVault/vaults/secrets/getSecret/action"
_PATH = re.compile(r"/secrets/([0-9A-Za-z-]{1,127})(?:/[0-9a-f]{32})?/?")
_UNAUTHORIZED = {
    Verdict.MISSING: "AKV10000: Request is missing a Bearer or PoP token.",
    Verdict.UNKNOWN: "AKV10001: Error validating token.",
    Verdict.EXPIRED: "AKV10001: Error validating token: the token is expired.",
    Verdict.AUDIENCE: "AKV10022: Invalid audience.",
}


@dataclass(slots=True, eq=False)
class Vaults:
    """All vaults of the lab, at `https://VAULT.SUFFIX`; names are in lower case.

    A vault that there is not has no host in Azure; here it hangs up without an answer.
    """

    tokens: Tokens
    secrets: dict[str, dict[str, str]] = field(default_factory=lambda: {VAULT: {}})
    faults: VaultFaults = field(default_factory=VaultFaults)
    reads: Counter[str] = field(default_factory=Counter)  # by VAULT/SECRET, refused ones too
    throttled: Counter[tuple[VaultFaults, str]] = field(default_factory=Counter)
    suffix: str = ""

    def open(self, suffix: str, vms: Iterable[LabVm]) -> None:
        """Begin to answer there, with the passwords of these VMs."""
        self.suffix = suffix
        for vm in vms:
            self.secrets[VAULT].setdefault(f"{vm.name.lower()}-admin", PASSWORD)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """`GET /secrets/NAME`."""
        vault = request.host.lower().removesuffix(f".{self.suffix}")
        if vault not in self.secrets:
            if request.transport is not None:
                request.transport.abort()
            return reply({}, 404)
        verdict = self.tokens.check(self.tokens.bearer(request), {f"https://{self.suffix}"})
        if verdict is not Verdict.GOOD:
            response = refusal_reply(Refusal(401, "Unauthorized", _UNAUTHORIZED[verdict]))
            response.headers["WWW-Authenticate"] = (
                f'Bearer authorization="https://login.windows.net/{TENANT}", '
                f'resource="https://{self.suffix}"'
            )
            return response
        match = _PATH.fullmatch(request.path)
        if request.method != "GET" or match is None or not request.query.get("api-version"):
            return refusal_reply(Refusal(400, "BadParameter", "The request is not understood."))
        return self._read(vault, match[1].lower())

    def _read(self, vault: str, name: str) -> web.Response:
        self.reads[f"{vault}/{name}"] += 1
        faults, keys = self.faults, (f"{vault}/{name}", vault, "*")
        for key in keys:
            if self.throttled[faults, key] < faults.throttle.get(key, 0):
                self.throttled[faults, key] += 1
                return refusal_reply(replace(VAULT_THROTTLED, retry_after=faults.throttle_seconds))
        if denied := [faults.deny[key] for key in keys if key in faults.deny]:
            scope = f"/providers/microsoft.keyvault/vaults/{vault}/secrets/{name}"
            return refusal_reply(denied[0], action=ACTION, scope=scope)
        if name not in self.secrets[vault]:
            return refusal_reply(
                Refusal(
                    404,
                    "SecretNotFound",
                    f"A secret with (name/id) {name} was not found in this key vault. If you "
                    "recently deleted this secret you may be able to recover it using the correct "
                    "recovery command.",
                )
            )
        now = int(time.time())
        attributes = {"enabled": True, "created": now, "updated": now, "recoverableDays": 90}
        return reply(
            {
                "value": self.secrets[vault][name],
                "id": f"https://{vault}.{self.suffix}/secrets/{name}/{secrets.token_hex(16)}",
                "attributes": attributes | {"recoveryLevel": "Recoverable+Purgeable"},
                "tags": {},
            },
            pretty=False,
        )
