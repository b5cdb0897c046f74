"""The lab as a whole: Azure and Windows on loopback, reached only through the real clients."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from serialfix.lab.arm import Arm
from serialfix.lab.certificates import VAULTS, make_certificates, server_context
from serialfix.lab.cloud import Cloud
from serialfix.lab.gateway import Gateway
from serialfix.lab.guest import PASSWORD, USERNAME
from serialfix.lab.identity import IdentityEndpoint, Tokens
from serialfix.lab.keyvault import Vaults
from serialfix.lab.serialsocket import SerialSocket
from serialfix.lab.switches import ArmDelays, ArmFaults
from serialfix.lab.truth import truth_routes
from serialfix.lab.vm import LabVm


if TYPE_CHECKING:
    from aiohttp import web

SERIAL_PROGRAM = SerialSocket.__module__
CONNECTOR = "/n/connector/{container}/sessions/{session}"
T = TypeVar("T")


class Lab:
    """ARM, gateway, identity and Key Vaults for some VMs, on ephemeral ports of 127.0.0.1.

    `faults` are the global ones; each VM has its own besides. `token_lifetime` is in seconds.
    `serial_sockets` is a folder for the VMs' serial ports, as hypervisors have them.
    """

    def __init__(
        self,
        vms: Sequence[LabVm],
        *,
        faults: ArmFaults | None = None,
        delays: ArmDelays | None = None,
        token_lifetime: float = 86_400,
        page_size: int = 50,
        seed: int = 0,
        serial_sockets: Path | None = None,
    ) -> None:
        self.cloud = Cloud(
            list(vms),
            faults=faults or ArmFaults(),
            delays=delays or ArmDelays(),
            tokens=Tokens(lifetime=token_lifetime),
            page_size=page_size,
            seed=seed,
        )
        self.gateway = Gateway(self.cloud)
        self.identity = IdentityEndpoint(self.cloud.tokens)
        self.vaults = Vaults(self.cloud.tokens)
        self.env: dict[str, str] = {}
        self.truth_url = ""
        self._runners: list[web.AppRunner] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._serial_sockets = serial_sockets
        self.sockets: list[SerialSocket] = []

    @property
    def vms(self) -> list[LabVm]:
        """All of them. More may be added while the lab runs; power their guests on yourself."""
        return self.cloud.vms

    def vm(self, name: str) -> LabVm:
        """The VM of that name. Raises LookupError."""
        for vm in self.vms:
            if vm.name.lower() == name.lower():
                return vm
        raise LookupError(f"the lab has no VM {name!r}")

    async def start(self) -> Self:
        """Open the ports, fill `env`, power on the VMs that are running."""
        try:
            await self._open()
        except BaseException:
            await self.stop()
            raise
        return self

    async def _open(self) -> None:
        from aiohttp import web

        self._folder = tempfile.TemporaryDirectory(prefix="serialfix-lab-")
        chain, bundle = make_certificates(Path(self._folder.name))

        secure = web.Application()
        secure.add_routes(truth_routes(self.cloud, self.gateway))
        secure.router.add_get(CONNECTOR + "/client", self.gateway.client)
        secure.router.add_post(CONNECTOR + "/adminCommand/{command}", self.gateway.admin)
        secure.router.add_route("*", "/{tail:.*}", Arm(self.cloud).handle)
        plain = web.Application()
        plain.add_routes(truth_routes(self.cloud, self.gateway))
        plain.router.add_get("/msi/token", self.identity.token)

        vaults = web.Application()
        vaults.router.add_route("*", "/{tail:.*}", self.vaults.handle)

        self.cloud.base_url = f"https://localhost:{await self._listen(secure, chain)}"
        self.cloud.vault_suffix = f"{VAULTS}:{await self._listen(vaults, chain)}"
        self.vaults.open(self.cloud.vault_suffix, self.vms)
        self.cloud.tokens.audiences.add(self.cloud.base_url)
        http = f"http://127.0.0.1:{await self._listen(plain)}"
        self.truth_url = f"{http}/lab/vms"
        no_proxy = _no_proxy()
        self.env = {
            "SERIALFIX_ARM_ENDPOINT": self.cloud.base_url,
            "SERIALFIX_GUEST_USERNAME": USERNAME,
            "SERIALFIX_GUEST_PASSWORD": PASSWORD,
            "AZURE_SUBSCRIPTION_ID": self.vms[0].subscription if self.vms else "",
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
            "IDENTITY_ENDPOINT": f"{http}/msi/token",
            "IDENTITY_HEADER": self.identity.secret,
            "SSL_CERT_FILE": str(bundle),
            "NO_PROXY": no_proxy,
            "no_proxy": no_proxy,
        }
        for vm in self.vms:
            if vm.power == "running":
                vm.guest.power_on()
        if (folder := self._serial_sockets) is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.sockets = [SerialSocket(vm.guest, folder / vm.name) for vm in self.vms]
            for each in self.sockets:
                await each.start()

    async def stop(self) -> None:
        """Cut all sessions, switch all guests off, close the ports, remove the certificates."""
        for each in self.sockets:
            each.close()
        self.gateway.close()
        self.cloud.close()
        for vm in self.vms:
            vm.guest.listen(None)
            vm.guest.power_off()
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()
        if self._folder is not None:
            self._folder.cleanup()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _listen(self, app: web.Application, chain: Path | None = None) -> int:
        from aiohttp import web

        # the signed addresses of operations are 3.2 kB long (azure.md §7)
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.2, max_line_size=32_768, max_field_size=32_768
        )
        await runner.setup()
        self._runners.append(runner)
        site = web.TCPSite(
            runner, "127.0.0.1", 0, ssl_context=server_context(chain) if chain else None
        )
        await site.start()
        return int(runner.addresses[0][1])


class LabThread:
    """A lab in a background thread with a loop of its own; `with LabThread(make) as thread:`.

    `make` builds the lab; it is called in that thread, with the loop running.
    """

    def __init__(self, make: Callable[[], Lab]) -> None:
        self._make = make
        self._thread = threading.Thread(target=self._run, name="serialfix-lab", daemon=True)
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self.lab: Lab

    def start(self) -> Self:
        """Return when the lab answers. Raises what its start raised."""
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            raise self._error
        return self

    def stop(self) -> None:
        """Stop the lab and end the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def call(self, function: Callable[[Lab], T]) -> T:
        """Do something with the lab in its own thread: read the truth, turn switches."""

        async def work() -> T:
            return function(self.lab)

        return asyncio.run_coroutine_threadsafe(work(), self._loop).result()

    @property
    def env(self) -> dict[str, str]:
        """The environment of the lab's clients."""
        return self.lab.env

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            self.lab = await self._make().start()
        except BaseException as error:  # noqa: BLE001  # it belongs to whoever called start
            self._error = error
            self._ready.set()
            return
        self._ready.set()
        await self._stop.wait()
        await self.lab.stop()


async def serve(lab: Lab, *, echo: Callable[[str], None]) -> None:
    """Run a lab until cancelled; `echo` gets the lines that a shell can evaluate."""
    async with lab:
        for name, value in lab.env.items():
            echo(f"export {name}={shlex.quote(value)}")
        for each in lab.sockets:
            console = shlex.join((sys.executable, "-m", SERIAL_PROGRAM, str(each.path)))
            echo(f"# serial console of {each.path.name}: {console}")
        echo(f"# what really happened, and the switches: curl {lab.truth_url}")
        await asyncio.Event().wait()


def _no_proxy() -> str:
    present = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    names = [name for name in present.split(",") if name]
    return ",".join(dict.fromkeys([*names, "localhost", "127.0.0.1"]))
