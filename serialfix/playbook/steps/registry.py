"""Registry values and keys."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, ValidationInfo, field_validator, model_validator

from serialfix.errors import CommandFailed, UnsafeStep
from serialfix.model import RegistryType, RegistryValue
from serialfix.playbook.steps.wish import (
    Ask,
    NewFile,
    Policy,
    Reading,
    State,
    Value,
    Wish,
    differing,
)
from serialfix.playbook.values import KeyPath, ValueName, registry_value
from serialfix.windows import registry


class RegistryStep(Wish):
    """A registry value with this type and data, or (`state: absent`) no such value."""

    key: KeyPath
    value: ValueName
    state: Literal["present", "absent"] = "present"
    type: Annotated[RegistryType, Field(strict=False)] | None = None
    data: int | str | tuple[str, ...] | None = None
    policy_twin: KeyPath | None = None
    only_if_present: Annotated[
        bool, Field(description="An absent value stays absent: for policies that must not be made.")
    ] = False

    @field_validator("data", mode="after")
    @classmethod
    def _check_data(cls, data: object, info: ValidationInfo) -> object:
        if data is not None and (kind := info.data.get("type")) is not None:
            registry_value(kind, data)
        return data

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = (self.type is not None) + (self.data is not None)
        if self.state == "absent" and given:
            raise ValueError("an absent value has neither type nor data")
        if self.state == "present" and given < 2:
            raise ValueError("a present value needs type and data")
        return self

    @property
    def title(self) -> str:
        """Key and name."""
        return f"{self.key}, {self.value}"

    @property
    def wanted(self) -> RegistryValue | None:
        """What must be there in the end; None means that the value must not exist."""
        return None if self.type is None else registry_value(self.type, self.data)

    @property
    def stored(self) -> tuple[Value, ...]:
        """The value itself."""
        return (Value(self.key, self.value),)

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The value of the same name among the policies."""
        if self.policy_twin is None:
            return ()
        return (Policy(self.policy_twin, self.value, self.wanted),)

    def read(self) -> Reading:
        """The value, or None."""
        found: RegistryValue | None = yield self.stored[0]
        return found

    def distance(self, state: State) -> int:
        """0 or 1."""
        return int(state != self.wanted and not (state is None and self.only_if_present))

    def line(self, state: State) -> str:
        """`reg add` or `reg delete`."""
        if self.wanted is None:
            return registry.delete(self.key, self.value)
        return registry.add(self.key, self.value, self.wanted, known=state is not None)

    def restoring(self, former: State) -> tuple[Wish, ...]:
        """The former value, or none."""
        assert former is None or isinstance(former, RegistryValue)  # noqa: S101 - what it reads
        if former is not None:
            registry.add(self.key, self.value, former)  # may refuse: now, not at the undo
        return (RegistryStep.having(self.key, self.value, former),)

    @classmethod
    def having(cls, key: str, value: str, former: RegistryValue | None) -> RegistryStep:
        """The step that puts `former` there (None: removes the value).

        Raises UnsafeStep when the data cannot be typed on a console.
        """
        try:
            if former is None:
                return cls(key=key, value=value, state="absent")
            data = former.data.hex() if isinstance(former.data, bytes) else former.data
            return cls(key=key, value=value, type=former.type, data=data)
        except ValueError as error:
            raise UnsafeStep(
                f"{key}, value {value}: what is there now could not be put back: {error}",
                remedy="Export the key by hand, then remove the value or change this step.",
            ) from error


class RegistryKeyStep(Wish):
    """No such key; it is removed only when it holds neither values nor keys."""

    key: KeyPath
    state: Literal["absent"]

    @property
    def title(self) -> str:
        """The key."""
        return self.key

    @property
    def wanted(self) -> str:
        """`absent`."""
        return "absent"

    def read(self) -> Reading:
        """`absent`, `empty` or `in use`."""
        there = yield Ask(registry.key_exists(self.key), exit_code_only=True)
        if there.exit_code not in (0, registry.ABSENT):
            raise CommandFailed(f"no clear answer whether {self.key} exists")
        if there.exit_code == registry.ABSENT:
            return "absent"
        content = yield Ask(registry.list_key(self.key))
        empty = content.complete and registry.is_empty(content.output, self.key)
        return "empty" if empty else "in use"

    def distance(self, state: State) -> int:
        """0 when it is absent."""
        return int(state != "absent")

    def line(self, state: State) -> str:
        """`reg delete` of an empty key."""
        if state != "empty":
            raise CommandFailed(
                f"{self.key} is not empty, so it stays",
                remedy="Something else lives there now; remove it by hand if it should go.",
            )
        return registry.delete_key(self.key)

    def restoring(self, former: State) -> tuple[Wish, ...]:
        """Nothing: reg.exe makes a key with the first value in it."""
        return ()


_EXPORT = r"^%SystemRoot%\\Temp\\serialfix-[a-z0-9]{1,40}\.reg$"
ExportFile = Annotated[str, StringConstraints(pattern=_EXPORT)]


class RegistryRemovalStep(Wish):
    """Values that are removed unread, because they are long, and kept in an export of their key.

    Windows may write them anew when it starts: they need not be absent after a restart.
    """

    key: KeyPath
    values: Annotated[tuple[ValueName, ...], Field(min_length=1)]
    file: ExportFile | None = None

    @property
    def title(self) -> str:
        """Key and names."""
        return f"{self.key}, {', '.join(self.values)}"

    @property
    def wanted(self) -> State:
        """None of the values is there."""
        return {"present": []}

    @property
    def lasts(self) -> bool:
        """Windows may write them anew."""
        return False

    def read(self) -> Reading:
        """Which are there, where the key is exported to, and whether it is."""
        there = yield from _present(self.key, self.values)
        if not there and self.file is None:
            return {"present": []}
        file = self.file or (yield NewFile())
        kept = yield Ask(f'type "{file}" >nul 2>nul', exit_code_only=True)
        return {"present": there, "file": file, "exported": kept.exit_code == 0}

    def distance(self, state: State) -> int:
        """One for each that is there, one more while the key is not exported."""
        assert isinstance(state, dict)  # noqa: S101 - what it reads
        return len(state["present"]) + (bool(state["present"]) and not state["exported"])

    def line(self, state: State) -> str:
        """First the export, then one value after the other."""
        assert isinstance(state, dict)  # noqa: S101 - what it reads
        if not state["exported"]:
            return registry.export(self.key, state["file"])
        return registry.delete(self.key, state["present"][0])

    def prepared(self, former: State, *, restart: bool = False) -> Self:
        """With the file that was chosen when the plan was made."""
        file = former.get("file") if isinstance(former, dict) else None
        return self.model_copy(update={"file": file}) if file else self

    def restoring(self, former: State) -> tuple[Wish, ...]:
        """The import of the export."""
        assert isinstance(former, dict)  # noqa: S101 - what it reads
        if not former["present"]:
            return ()
        return (
            RegistryImportStep(key=self.key, file=former["file"], values=tuple(former["present"])),
        )


class RegistryImportStep(Wish):
    """Values that come back out of an export in the guest: what undoes a removal."""

    key: KeyPath
    file: ExportFile
    values: Annotated[tuple[ValueName, ...], Field(min_length=1)]

    @property
    def title(self) -> str:
        """Key and names."""
        return f"{self.key}, {', '.join(self.values)}"

    @property
    def wanted(self) -> State:
        """The file was imported and all of the values are there."""
        return {"imported": True, "present": list(self.values)}

    def read(self) -> Reading:
        """Which are there, and whether the file was imported: it has another name then.

        That they are there does not tell: Windows may have written them anew.
        """
        there = yield from _present(self.key, self.values)
        done = yield Ask(f'type "{registry.imported(self.file)}" >nul 2>nul', exit_code_only=True)
        if done.exit_code != 0:
            kept = yield Ask(f'type "{self.file}" >nul 2>nul', exit_code_only=True)
            if kept.exit_code != 0:
                raise CommandFailed(
                    f"the export {self.file} is not in the guest any more",
                    remedy="Nothing was typed for this step. Bring the file back, then undo again.",
                )
        return {"imported": done.exit_code == 0, "present": there}

    def distance(self, state: State) -> int:
        """0 or 1."""
        return int(bool(differing({"imported": True, "present": list(self.values)}, state)))

    def line(self, state: State) -> str:
        """`reg import`, and the other name."""
        return registry.import_file(self.file)

    def restoring(self, former: State) -> tuple[Wish, ...]:
        """The removal, which keeps an export of its own."""
        return (RegistryRemovalStep(key=self.key, values=self.values),)


def _present(key: str, names: tuple[str, ...]) -> Any:
    """Those of the names that are there; the data is not shown."""
    there = []
    for name in names:
        found = yield Ask(registry.value_exists(key, name), exit_code_only=True)
        if found.exit_code not in (0, registry.ABSENT):
            raise CommandFailed(f"no clear answer whether {key}, {name} exists")
        if found.exit_code == 0:
            there.append(name)
    return there
