"""What a playbook wants to be proven besides its steps: services and listeners."""

from __future__ import annotations

import asyncio

from serialfix.errors import CommandFailed
from serialfix.model import Outcome, ProofResult
from serialfix.playbook.schema import ListenerProof, Proof, ServiceProof
from serialfix.remediation.events import Observer
from serialfix.remediation.guest import GuestPatience
from serialfix.remediation.lines import Lines
from serialfix.windows import network, services


class Proofs:
    """Looks at services and listeners over a session's command lines."""

    def __init__(self, lines: Lines, observer: Observer, patience: GuestPatience) -> None:
        self._lines = lines
        self._observer = observer
        self._patience = patience

    async def prove(self, proof: Proof) -> ProofResult:
        """A service or listener, waited for while the guest comes up."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience.proof
        while True:
            outcome, text = await self._look_at(proof)
            if outcome is not Outcome.FAILED or loop.time() >= deadline:
                return ProofResult(proof.id, outcome, text)
            self._observer.progress(text)
            await asyncio.sleep(self._patience.proof_pause)

    async def _look_at(self, proof: Proof) -> tuple[Outcome, str]:
        if proof.service is not None:
            return await self._service(proof.service)
        assert proof.listener is not None  # noqa: S101 - one of them is given
        return await self._listener(proof.listener)

    async def _service(self, proof: ServiceProof) -> tuple[Outcome, str]:
        found = services.state((await self._lines.ask(services.query(proof.name))).output)
        right = found == proof.state.upper()
        text = f"service {proof.name} is {found or 'unknown to the guest'}"
        return (Outcome.OK if right else Outcome.FAILED), text

    async def _listener(self, proof: ListenerProof) -> tuple[Outcome, str]:
        port, service = proof.port, proof.service
        asked = network.listening_processes if service else network.listeners
        try:
            result = await self._lines.sure(asked(port))
        except CommandFailed as error:
            return Outcome.UNKNOWN, f"not shown: {error}"
        if any("netstat" in row for row in result.output):  # unknown program, in any language
            return Outcome.UNKNOWN, "not shown: the guest has no netstat"
        if not network.listens(result.output, port):
            return Outcome.FAILED, f"nothing listens on TCP port {port}"
        if service is None:
            return Outcome.OK, f"something listens on TCP port {port}"
        return await self._owner(port, service, network.listening_process(result.output, port))

    async def _owner(self, port: int, service: str, process: int | None) -> tuple[Outcome, str]:
        """Whether the process on a port is that of the service."""
        own = services.process((await self._lines.ask(services.query_process(service))).output)
        if process is None or own is None:
            return Outcome.UNKNOWN, f"which process listens on TCP port {port} is not shown"
        if process == own:
            return Outcome.OK, f"{service} listens on TCP port {port}"
        listed = (await self._lines.ask(network.services_in(process))).output
        found = " ".join(" ".join(listed).split()) or "no name shown"
        return (
            Outcome.FAILED,
            f"TCP port {port} is held by process {process}, not by {service}: {found}",
        )
