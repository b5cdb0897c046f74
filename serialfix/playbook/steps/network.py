"""Network adapters: enabled or not, and where their addresses come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import StringConstraints, model_validator

from serialfix.errors import CommandFailed, UnsafeStep
from serialfix.model import RegistryValue
from serialfix.playbook.steps.wish import Ask, Reading, State, Value, Wish, differing, unclear
from serialfix.playbook.values import Name
from serialfix.windows import network


AUTO = "auto"
"""The only adapter there is."""
Address = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){3}$")]


class NetworkStep(Wish):
    """An adapter that is enabled, that asks for its address, or that has a fixed one."""

    interface: Name = AUTO
    enabled: bool | None = None
    dhcp: bool | None = None
    address: Address | None = None
    mask: Address | None = None
    gateway: Address | None = None
    dns: tuple[Address, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.enabled is None) == (self.dhcp is None):
            raise ValueError("say either enabled or dhcp")
        fixed = (self.address, self.mask, self.gateway)
        if self.dhcp is False and (self.address is None or self.mask is None):
            raise ValueError("without DHCP there must be an address and a mask")
        if self.dhcp is not False and any(fixed):
            raise ValueError("an address, a mask and a gateway go with `dhcp: false`")
        return self

    @property
    def title(self) -> str:
        """`network interface Ethernet`."""
        return f"network interface {self.interface}"

    @property
    def wanted(self) -> Mapping[str, Any]:
        """What is named."""
        if self.enabled is not None:
            return {"enabled": self.enabled}
        fixed = {"address": self.address, "mask": self.mask, "gateway": self.gateway or ""}
        return {"dhcp": self.dhcp, **({} if self.dhcp else fixed), "dns": list(self.dns)}

    def read(self) -> Reading:
        """The adapter's name, and what the wish is about."""
        answer = yield Ask(network.connection_names())
        guids = network.guids(answer.output)
        shown = yield Ask(network.all_interfaces())
        there = network.named(shown.output, guids)
        name = next((each for each in there if each.casefold() == self.interface.casefold()), None)
        if name is None and self.interface == AUTO and len(there) == 1:
            name = there[0]
        if name is None:
            many = "has several network adapters" if self.interface == AUTO else "has no such one"
            raise CommandFailed(
                f"{self.title}: the guest {many}; it has: {', '.join(there) or 'none'}",
                screen="\n".join(shown.output),
                remedy="Nothing was typed. Name one of them: --set nic=NAME.",
            )
        if self.enabled is not None:
            active = yield Ask(network.active_interfaces())
            if active.exit_code:
                raise unclear(active, "the active network adapters are not shown")
            return {"interface": name, "enabled": bool(network.named(active.output, [name]))}
        guid, *others = guids[name]
        if others:
            raise CommandFailed(
                f"{self.title}: the guest knows {len(guids[name])} adapters of the name {name}, "
                "and does not say which of them is there",
                screen="\n".join(answer.output),
                remedy="Nothing was typed. Rename it, or remove the hidden ones in the Device "
                "Manager.",
            )
        return {
            "interface": name,
            **(yield from self._addresses(network.interface_key(guid))),
        }

    def _addresses(self, key: str) -> Any:
        dhcp: RegistryValue | None = yield Value(key, "EnableDHCP")
        dns: RegistryValue | None = yield Value(key, "NameServer")
        servers = str(dns.data).replace(",", " ").split() if dns is not None else []
        if dhcp is None:
            raise CommandFailed(f"{self.title}: the guest does not say whether it uses DHCP")
        if dhcp.data:
            return {"dhcp": True, "dns": servers}
        fixed = {}
        for name, stored in {
            "address": "IPAddress",
            "mask": "SubnetMask",
            "gateway": "DefaultGateway",
        }.items():
            value: RegistryValue | None = yield Value(key, stored)
            texts = value.data if value is not None and isinstance(value.data, tuple) else ()
            fixed[name] = " ".join(texts)
        return {"dhcp": False, **fixed, "dns": servers}

    def distance(self, state: State) -> int:
        """What differs; each DNS server counts."""
        wrong = differing(self.wanted, state)
        if "dns" not in wrong:
            return len(wrong)
        return len(wrong) - 1 + max(1, len(self.dns) - self._known_servers(state))

    def _known_servers(self, state: State) -> int:
        servers = state["dns"] if isinstance(state, dict) else []
        return len(servers) if servers == list(self.dns)[: len(servers)] else 0

    def line(self, state: State) -> str:
        """Adapter or address first, then DNS (catalogue.md §4.12 W1)."""
        assert isinstance(state, dict)  # noqa: S101 - what it reads
        name, wrong = state["interface"], differing(self.wanted, state)
        if self.enabled is not None:
            return network.enable(name, enabled=self.enabled)
        if self.dhcp and "dhcp" in wrong:
            return network.address_by_dhcp(name)
        if wrong != ["dns"]:
            assert self.address is not None  # noqa: S101 - _check holds it
            assert self.mask is not None  # noqa: S101
            return network.fixed_address(name, self.address, self.mask, self.gateway or "")
        if not self.dns:
            return network.dns_by_dhcp(name)
        return network.fixed_dns(name, self.dns, self._known_servers(state))

    def restoring(self, former: State) -> tuple[Wish, ...]:
        """As it was, for the adapter that it was."""
        assert isinstance(former, dict)  # noqa: S101 - what it reads
        was = {name: value for name, value in former.items() if value != ""}
        try:
            return (NetworkStep(**{**was, **({"dns": tuple(was["dns"])} if "dns" in was else {})}),)
        except ValueError as error:
            raise UnsafeStep(
                f"{self.title}: its present addresses could not be put back: {former}",
                remedy="Nothing was changed. Change this adapter by hand.",
            ) from error
