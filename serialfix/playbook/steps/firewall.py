"""The guest's firewall: its profiles, and single rules."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from serialfix.errors import CommandFailed, UnsafeStep
from serialfix.model import RegistryType, RegistryValue
from serialfix.playbook.steps.wish import Policy, Reading, State, Value, Wish, differing
from serialfix.playbook.values import Name, Slug
from serialfix.windows import firewall


Profile = Literal["domain", "private", "public"]
Inbound = Literal["block", "allow", "block_always"]


class FirewallRuleStep(Wish):
    """A rule that is on or off. `name` is its English name; without it PowerShell does the work,
    which takes seconds and knows the rule by its id."""

    rule: Slug
    name: Name | None = None
    enabled: bool

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.name is not None and self.name.casefold() == "all":
            raise ValueError("the name all stands for every rule there is")
        return self

    @property
    def title(self) -> str:
        """`firewall rule RemoteDesktop-UserMode-In-TCP`."""
        return f"firewall rule {self.rule}"

    @property
    def wanted(self) -> State:
        """On or off."""
        return {"enabled": self.enabled}

    @property
    def stored(self) -> tuple[Value, ...]:
        """The text that holds the rule."""
        return (Value(firewall.RULES, self.rule),)

    @property
    def policies(self) -> tuple[Policy, ...]:
        """A group policy may turn local rules off as a whole."""
        root = firewall.GROUP_POLICY
        merge = RegistryValue(RegistryType.DWORD, 1)
        return tuple(
            Policy(firewall.profile_key(profile, root=root), "AllowLocalPolicyMerge", merge)
            for profile in firewall.PROFILES
        )

    def read(self) -> Reading:
        """Whether it is on."""
        found = yield self.stored[0]
        enabled = None if found is None else firewall.rule_enabled(found)
        if enabled is None:
            raise CommandFailed(
                f"the guest's firewall has no rule {self.rule} that says whether it is on",
                remedy="Nothing was typed for this step. `netsh advfirewall reset` brings Windows' "
                "own rules back.",
            )
        return {"enabled": enabled}

    def distance(self, state: State) -> int:
        """0 or 1."""
        return len(differing({"enabled": self.enabled}, state))

    def line(self, state: State) -> str:
        """By its English name, else by its id."""
        if self.name is None:
            return firewall.set_rule_by_id(self.rule, enabled=self.enabled)
        return firewall.set_rule(self.name, enabled=self.enabled)

    def otherwise(self, state: State, exit_code: int) -> Wish | None:
        """By its id: this Windows has translated the name."""
        return None if self.name is None else self.model_copy(update={"name": None})

    @property
    def seconds(self) -> float | None:
        """PowerShell takes its time on a busy guest."""
        return 120.0 if self.name is None else None

    def restoring(self, former: State) -> tuple[Wish, ...]:
        """On or off, as it was."""
        assert isinstance(former, dict)  # noqa: S101 - what it reads
        return (self.model_copy(update={"enabled": former["enabled"]}),)


class FirewallProfileStep(Wish):
    """Profiles in which the firewall is on or off, or does this with what no rule names."""

    profiles: Annotated[tuple[Profile, ...], Field(min_length=1)] = ("domain", "private", "public")
    enabled: bool | None = None
    inbound: Inbound | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.enabled is None and self.inbound is None:
            raise ValueError("say enabled, inbound, or both")
        return self

    @property
    def title(self) -> str:
        """`firewall profiles domain, private, public`."""
        return f"firewall profiles {', '.join(self.profiles)}"

    @property
    def _given(self) -> dict[str, Any]:
        facets = {"enabled": self.enabled, "inbound": self.inbound}
        return {name: value for name, value in facets.items() if value is not None}

    @property
    def wanted(self) -> State:
        """`domain enabled`, `domain inbound`, and so on."""
        return {
            f"{profile} {name}": value
            for profile in self.profiles
            for name, value in self._given.items()
        }

    @property
    def stored(self) -> tuple[Value, ...]:
        """What is stored for each profile."""
        names = ["EnableFirewall"] if self.enabled is not None else []
        if self.inbound is not None:
            names += ["DoNotAllowExceptions", "DefaultInboundAction", "DefaultOutboundAction"]
        return tuple(
            Value(firewall.profile_key(profile), name)
            for profile in self.profiles
            for name in names
        )

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The same switches as group policies (catalogue.md §3.5, §5.2 J3)."""
        harmless: dict[str, int] = {}
        if self.enabled is not None:
            harmless["EnableFirewall"] = int(self.enabled)
        if self.inbound is not None:
            harmless["DoNotAllowExceptions"] = int(self.inbound == "block_always")
        return tuple(
            Policy(
                firewall.profile_key(profile, root=firewall.GROUP_POLICY),
                name,
                RegistryValue(RegistryType.DWORD, number),
            )
            for profile in self.profiles
            for name, number in harmless.items()
        )

    def read(self) -> Reading:
        """The switches of each profile."""
        stored = {}
        for value in self.stored:
            stored[value] = yield value
        found: dict[str, Any] = {}
        for profile in self.profiles:
            key = firewall.profile_key(profile)
            if self.enabled is not None:
                on = stored[Value(key, "EnableFirewall")]
                found[f"{profile} enabled"] = firewall.profile_enabled(on)
            if self.inbound is not None:
                found[f"{profile} inbound"] = firewall.inbound_policy(
                    stored[Value(key, "DoNotAllowExceptions")],
                    stored[Value(key, "DefaultInboundAction")],
                )
                outbound = stored[Value(key, "DefaultOutboundAction")]
                found[f"{profile} outbound"] = firewall.outbound_policy(outbound)
        return found

    def distance(self, state: State) -> int:
        """How many switches differ."""
        assert isinstance(self.wanted, dict)  # noqa: S101 - see there
        return len(differing(self.wanted, state))

    def line(self, state: State) -> str:
        """The first switch that differs."""
        assert isinstance(self.wanted, dict)  # noqa: S101 - see there
        assert isinstance(state, dict)  # noqa: S101 - what it reads
        profile, _, switch = differing(self.wanted, state)[0].partition(" ")
        if switch == "enabled":
            return firewall.set_profile_state(profile, enabled=bool(self.enabled))
        return firewall.set_profile_policy(profile, str(self.inbound), state[f"{profile} outbound"])

    def restoring(self, former: State) -> tuple[Wish, ...]:
        """One wish for each set of profiles that were alike."""
        assert isinstance(former, dict)  # noqa: S101 - what it reads
        alike: dict[tuple[tuple[str, Any], ...], list[Profile]] = {}
        for profile in self.profiles:
            was = tuple((name, former[f"{profile} {name}"]) for name in self._given)
            alike.setdefault(was, []).append(profile)
        try:
            return tuple(
                FirewallProfileStep(profiles=tuple(profiles), **dict(was))
                for was, profiles in alike.items()
            )
        except ValueError as error:
            raise UnsafeStep(f"{self.title}: {error}") from error
