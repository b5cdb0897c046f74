"""Local accounts: enabled or not, and members of groups."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from serialfix.playbook.steps.wish import Ask, Reading, State, Wish, differing, unclear
from serialfix.playbook.values import AccountName
from serialfix.windows import accounts


class AccountStep(Wish):
    """An account that is enabled or not, or is a member of a local group or not."""

    name: AccountName
    enabled: bool | None = None
    member_of: AccountName | None = None
    member: bool | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.enabled is None) == (self.member is None):
            raise ValueError("say either enabled, or member_of with member")
        if (self.member is None) != (self.member_of is None):
            raise ValueError("member_of and member belong together")
        return self

    @property
    def title(self) -> str:
        """`account NAME`, with the group."""
        return f"account {self.name}" + (f" in {self.member_of}" if self.member_of else "")

    @property
    def wanted(self) -> dict[str, bool]:
        """`enabled` or `member`."""
        if self.enabled is not None:
            return {"enabled": self.enabled}
        return {"member": bool(self.member)}

    def read(self) -> Reading:
        """`enabled` or `member`."""
        if self.member_of is not None:
            answer = yield Ask(accounts.show_group(self.member_of))
            if answer.exit_code:
                raise unclear(
                    answer,
                    f"the guest shows no group {self.member_of}",
                    "Nothing was typed. Names of groups are translated: `net localgroup` lists "
                    "them.",
                )
            return {"member": accounts.is_member(answer.output, self.name)}
        answer = yield Ask(accounts.show_user(self.name))
        active = accounts.is_active(answer.output)
        if answer.exit_code or active is None:
            raise unclear(
                answer,
                f"the guest does not show whether the account {self.name} is enabled",
                "Nothing was typed. `net user` lists the accounts.",
            )
        return {"enabled": active}

    def distance(self, state: State) -> int:
        """0 or 1."""
        return len(differing(self.wanted, state))

    def line(self, state: State) -> str:
        """`net user` or `net localgroup`."""
        if self.member_of is not None:
            return accounts.set_member(self.member_of, self.name, member=bool(self.member))
        return accounts.set_active(self.name, active=bool(self.enabled))

    def restoring(self, former: State) -> tuple[Wish, ...]:
        """As it was."""
        assert isinstance(former, dict)  # noqa: S101 - what it reads
        return (self.model_copy(update=dict(former)),)
