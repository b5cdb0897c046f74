"""The registry of one guest: keys and values that keep their spelling and are found in any case."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from serialfix.model import RegistryValue


ROOTS = {
    "HKLM": "HKEY_LOCAL_MACHINE",
    "HKCU": "HKEY_CURRENT_USER",
    "HKCR": "HKEY_CLASSES_ROOT",
    "HKU": "HKEY_USERS",
    "HKCC": "HKEY_CURRENT_CONFIG",
}
_CONTROL_SET = ("hkey_local_machine", "system", "currentcontrolset")


@dataclass(slots=True)
class Key:
    """One key: its spelling, its values and subkeys by lower-case name, in order of creation."""

    name: str
    values: dict[str, tuple[str, RegistryValue]] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)

    def get(self, name: str) -> RegistryValue | None:
        """The value of that name; "" is the default value."""
        found = self.values.get(name.lower())
        return found[1] if found else None

    def set(self, name: str, value: RegistryValue) -> None:
        """Write a value; one that exists keeps its spelling."""
        spelling = self.values.get(name.lower(), (name,))[0]
        self.values[name.lower()] = (spelling, value)

    def dump(self) -> dict[str, object]:
        """Values as data, subkeys as dicts whose name ends in a backslash."""
        shown: dict[str, object] = dict(self.values.values())
        return shown | {f"{key.name}\\": key.dump() for key in self.keys.values()}


class Registry:
    """A tree of keys. `CurrentControlSet` is another name of the set that Select\\Current names."""

    def __init__(self) -> None:
        self._root = Key("")
        for name in ROOTS.values():
            self._root.keys[name.lower()] = Key(name)

    def _resolve(self, path: str) -> list[str]:
        parts = [part for part in path.split("\\") if part]
        if parts:
            parts[0] = ROOTS.get(parts[0].upper(), parts[0])
        if tuple(part.lower() for part in parts[:3]) == _CONTROL_SET:
            current = self.get("HKLM\\SYSTEM\\Select", "Current")
            number = current.data if current and isinstance(current.data, int) else 1
            parts[2] = f"ControlSet{number:03d}"
        return parts

    def key(self, path: str, *, create: bool = False) -> Key | None:
        """The key at a path such as `HKLM\\SYSTEM\\Select`, or None. Unknown roots are None."""
        key = self._root
        for depth, part in enumerate(self._resolve(path)):
            child = key.keys.get(part.lower())
            if child is None:
                if not create or depth == 0:
                    return None
                child = key.keys[part.lower()] = Key(part)
            key = child
        return key

    def get(self, path: str, name: str) -> RegistryValue | None:
        """A value, or None when it or its key is absent."""
        key = self.key(path)
        return key.get(name) if key else None

    def set(self, path: str, name: str, value: RegistryValue) -> None:
        """Write a value; its key is made when absent. KeyError for an unknown root."""
        key = self.key(path, create=True)
        if key is None:
            raise KeyError(path)
        key.set(name, value)

    def delete(self, path: str, name: str) -> bool:
        """Remove a value; whether it was there."""
        key = self.key(path)
        return key is not None and key.values.pop(name.lower(), None) is not None

    def delete_key(self, path: str) -> bool:
        """Remove a key with all below it; whether it was there."""
        parts = self._resolve(path)
        parent = self.key("\\".join(parts[:-1]))
        return parent is not None and parent.keys.pop(parts[-1].lower(), None) is not None

    def walk(self, path: str) -> Iterator[tuple[str, Key]]:
        """The key at `path` and all below it, each with its path."""
        key = self.key(path)
        if key is not None:
            yield path, key
            for child in key.keys.values():
                yield from self.walk(f"{path}\\{child.name}")

    def dump(self) -> dict[str, object]:
        """The whole tree as plain dicts, to compare two states."""
        return self._root.dump()
