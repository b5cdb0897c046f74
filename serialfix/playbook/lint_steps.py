"""Lint rules about playbooks: what they write, what they leave unsaid, and the lines they hold.

They read the document's tree, not the checked playbook: a file that the loader refuses is still
told about, and repaired, place by place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from serialfix.playbook import known, lint_effects, lint_text
from serialfix.playbook.commandline import LOOKALIKES, CommandLine, plain
from serialfix.playbook.lint_lines import LINE_RULES, hits
from serialfix.playbook.load import Node
from serialfix.playbook.rules import Finding, Hit, Rule, Severity
from serialfix.printable import printable


_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE
_STEP = "  - id: a\n    why: For the test.\n    registry:\n"
_LST = f"      key: {known.LST}\n"
_DWORD = "      type: REG_DWORD\n"

FORMAT = Rule(
    "SF001", "format", _E, "Not a playbook",
    "The loader refuses the file: a key, a type or a name is not as docs/playbooks.md says.",
    "steps: []\n",
)  # fmt: skip
UNSAID = Rule(
    "SF002", "no-source", _W, "No source, or no symptom",
    "Whoever reads it at night must see what it is for, and where it comes from.",
    "schema: 1\n",
)  # fmt: skip
TWIN = Rule(
    "SF090", "policy-twin", _W, "A value that a policy overrides, without policy_twin",
    "Where the policy is set, the value has no effect, and comes back at every refresh. With"
    " policy_twin the plan says so.",
    _STEP + _LST + "      value: MaxIdleTime\n" + _DWORD + "      data: 0\n",
    _STEP + _LST + "      value: MaxIdleTime\n" + _DWORD + "      data: 0\n"
    f"      policy_twin: {known.POL}\n", True,
)  # fmt: skip
PAIR = Rule(
    "SF091", "security-pair", _E, "SecurityLayer 2 with MinEncryptionLevel 1",
    "Win32_TSGeneralSetting.SetSecurityLayer documents this pair as invalid: TLS needs level 2 or"
    " more.",
    _STEP + _LST + "      value: SecurityLayer\n" + _DWORD + "      data: 2\n"
    + _STEP.replace("id: a", "id: b") + _LST + "      value: MinEncryptionLevel\n" + _DWORD
    + "      data: 1\n",
)  # fmt: skip
RESTART = Rule(
    "SF092", "needs-restart", _W, "restart: never, though the value waits for a restart",
    "It reads back as wanted and changes nothing until the service, or the VM, starts anew: use"
    " restart: if_changed, or a service step with restart_if_changed.",
    "restart: never\nsteps:\n" + _STEP + _LST + "      value: PortNumber\n" + _DWORD
    + "      data: 3389\n",
)  # fmt: skip
SILENT = Rule(
    "SF093", "security-unsaid", _E, "Security is lowered, and nothing says so",
    "What a playbook lowers stands in `security`; it is shown before anything is changed.",
    "restart: always\nsteps:\n" + _STEP + _LST + "      value: UserAuthentication\n" + _DWORD
    + "      data: 0\n",
)  # fmt: skip
OFFLINE = Rule(
    "SF094", "offline-key", _E, "A key of a loaded hive",
    "A playbook is for the running Windows. `serialfix playbook show --offline` compiles the same"
    " fix for loaded hives.",
    _STEP + "      key: HKLM\\BROKENSYSTEM\\ControlSet001\\Services\\Acme\n      value: Start\n"
    + _DWORD + "      data: 2\n",
    _STEP + "      key: HKLM\\SYSTEM\\CurrentControlSet\\Services\\Acme\n      value: Start\n"
    + _DWORD + "      data: 2\n", True,
)  # fmt: skip
RULES = (FORMAT, UNSAID, TWIN, PAIR, RESTART, SILENT, OFFLINE)
_BY_ID = {rule.id: rule for rule in LINE_RULES}

_PARAMETER = re.compile(r"\$\{\w+\}")
_QUOTED = re.compile(r"^['\u2018\u2019`\u00b4](.*)['\u2018\u2019`\u00b4]$")
_LINES = {"command": ("check", "run", "undo"), "look": ("command",)}
_VALUE_KINDS = ("registry", "registry_key", "registry_removal", "registry_import")


def at(node: Node, *path: str | int) -> Node | None:
    """What stands at this path."""
    found: Node | None = node
    for part in path:
        found = found.children.get(part) if found is not None else None
    return found


def _data(node: Node | None) -> Any:
    return None if node is None else node.data


class PlaybookLint:
    """Findings in the tree of a playbook."""

    def __init__(self, root: Node, text: str) -> None:
        self.root = root
        self.rows = text.removeprefix("\ufeff").splitlines()
        steps = at(root, "steps")
        self.steps = list(steps.children.values()) if steps is not None else []

    def findings(self) -> Iterator[Finding]:
        yield from self._said()
        facts = at(self.root, "facts")
        for fact in facts.children.values() if facts is not None else ():
            yield from self._registry(at(fact, "registry"))
        for step in self.steps:
            for kind in _VALUE_KINDS:
                yield from self._registry(at(step, kind))
            yield from self._registry_wish(at(step, "registry"))
            for kind, names in _LINES.items():
                for name in names:
                    yield from self._line(at(step, kind, name))
            yield from self._service(at(step, "service"))
            yield from self._names(step)
        yield from self._pair()
        yield from self._restart()
        yield from self._security()

    def _finding(
        self, rule: Rule, node: Node, message: str, fix: str | None = None, offset: int = 0
    ) -> Finding:
        """A finding about a scalar; a fix replaces the whole of it."""
        start, end = node.mark, node.end
        if fix is None or end is None or end.line != start.line:
            return Finding(rule, start.line + 1, start.column + 1 + offset, message)
        width = end.column - start.column
        return Finding(rule, start.line + 1, start.column + 1, message, width, _scalar(fix))

    def _said(self) -> Iterator[Finding]:
        for name in ("symptoms", "sources"):
            if not _data(at(self.root, name)):
                yield Finding(UNSAID, self.root.mark.line + 1, 1, f"no {name} are given")

    def _registry(self, wish: Node | None) -> Iterator[Finding]:
        """The letters of keys, names and data."""
        if wish is None:
            return
        names = at(wish, "values")
        words = {name: at(wish, name) for name in ("key", "value", "data", "policy_twin")}
        nodes = [
            *words.items(),
            *((None, each) for each in (names.children.values() if names else ())),
        ]
        for name, node in nodes:
            if node is None or not isinstance(node.data, str) or node.data == "":
                continue
            yield from self._letters(node, key=name in ("key", "policy_twin"), data=name == "data")
        if (data := words["data"]) is not None:
            yield from self._number(data, str(_data(at(wish, "type"))))
        if (key := words["key"]) is not None and isinstance(key.data, str):
            yield from self._key(key, str(_data(words["value"]) or ""))

    def _letters(self, node: Node, *, key: bool, data: bool) -> Iterator[Finding]:
        text = str(node.data)
        if (found := _QUOTED.match(text)) and not data:
            yield self._finding(_BY_ID["SF010"], node, f"{text} stands in single quotes", found[1])
            return
        if text != text.strip() and not data:
            yield self._finding(
                _BY_ID["SF011"], node, f"a blank at the edge of {text.strip()!r}", text.strip()
            )
        if any(char in LOOKALIKES for char in text) and (key or not data):
            yield self._finding(
                _BY_ID["SF012"], node, "typographic characters in a name", plain(text)
            )
        unseen = [char for char in text if printable(char) != char and char not in LOOKALIKES]
        if unseen:
            seen = "".join(char for char in text if char not in unseen)
            yield self._finding(
                _BY_ID["SF013"], node, f"U+{ord(unseen[0]):04X} cannot be seen, and counts", seen
            )
        if found := lint_text.PLACEHOLDER.search(text):
            yield self._finding(
                _BY_ID["SF021"], node, f"{found[0]} stands for something that must be filled in"
            )
        if key and text.endswith("\\"):
            yield self._finding(
                _BY_ID["SF017"], node, "a backslash at the end of a key", text.rstrip("\\")
            )

    def _number(self, node: Node, kind: str) -> Iterator[Finding]:
        if kind not in ("REG_DWORD", "REG_QWORD"):
            return
        text, size = str(node.data), "f" * (8 if kind == "REG_DWORD" else 16)
        fix = None
        if isinstance(node.data, str) and re.fullmatch(r"(?i)[0-9a-f]+", text):
            fix = text if text.isdigit() else f"0x{text}"
        elif text == "-1":
            fix = f"0x{size}"
        if fix is not None:
            yield self._finding(_BY_ID["SF015"], node, f"{text} is not read as a number", fix)

    def _key(self, node: Node, value: str) -> Iterator[Finding]:
        key = str(node.data)
        if known.loaded_hive(key) is not None:
            yield self._finding(OFFLINE, node, "a key of a loaded hive", known.online(key))
        elif known.CONTROL_SET.search(key):
            fix = known.CONTROL_SET.sub("CurrentControlSet", key)
            yield self._finding(
                _BY_ID["SF050"], node, "the number of a control set may be another", fix
            )
        line = f'reg add "{key}" /v {value} /d'
        for hit in lint_effects.misprints(CommandLine(line)):
            start = hit.start - len('reg add "')
            inside = hit.fix is not None and 0 <= start < len(key)
            text = key[:start] + (hit.fix or "") + key[start + hit.end - hit.start :]
            yield self._finding(_BY_ID["SF052"], node, hit.message, text if inside else None)

    def _registry_wish(self, wish: Node | None) -> Iterator[Finding]:
        """What a value is known for."""
        key, value = (_data(at(wish, name)) if wish else None for name in ("key", "value"))
        if wish is None or not isinstance(key, str) or not isinstance(value, str):
            return
        node = wish.children["value"]
        twin = known.policy_twin(key, value)
        if twin is not None and at(wish, "policy_twin") is None:
            yield self._with_line(wish, node, f"{value} is overridden by {twin}", twin)
        absent = _data(at(wish, "state")) == "absent"
        if known.overrides_local(key, value) and not (_data(at(wish, "only_if_present")) or absent):
            yield self._finding(
                _BY_ID["SF054"], node,
                f"{value} is a policy: without only_if_present it is planted where there is none",
            )  # fmt: skip

    def _with_line(self, wish: Node, node: Node, message: str, twin: str) -> Finding:
        line, column = node.mark.line + 1, node.mark.column + 1
        last = max(wish.children.values(), key=lambda child: (child.mark.line, child.mark.column))
        places = {mark.line for mark in wish.keys.values()}
        if len(places) < len(wish.keys) or last.end is None:  # in braces, or ends with a list
            return Finding(TWIN, line, column, message)
        indent = " " * next(iter(wish.keys.values())).column
        end = (last.end.line + 1, len(self.rows[last.end.line]) + 1)
        return Finding(TWIN, line, column, message, 0, f"\n{indent}policy_twin: {twin}", end)

    def _line(self, node: Node | None) -> Iterator[Finding]:
        """The rules for command lines, for those of a step."""
        if node is None or not isinstance(node.data, str):
            return
        text, mark = node.data, node.mark
        row = self.rows[mark.line][mark.column :]
        shift = next((at for at in (0, 1) if row[at:].startswith(text)), None)
        line = CommandLine(text)
        for rule, hit in hits(line):
            if shift is None:
                yield Finding(rule, mark.line + 1, mark.column + 1, hit.message)
            else:
                yield _moved(rule, hit, mark.line + 1, mark.column + 1 + shift)

    def _service(self, wish: Node | None) -> Iterator[Finding]:
        name = at(wish, "name") if wish else None
        if wish is None or name is None:
            return
        ends = _data(at(wish, "state")) == "stopped" or _data(at(wish, "start")) == "disabled"
        if ends and str(name.data).lower() in ("sacsvr", "sacdrv"):
            yield self._finding(_BY_ID["SF072"], name, f"without {name.data} there is no console")
        elif ends and str(name.data).lower() in lint_effects.NETWORK:
            yield self._finding(
                _BY_ID["SF073"], name, f"without {name.data} the guest has no network"
            )

    def _names(self, step: Node) -> Iterator[Finding]:
        group = at(step, "account", "member_of")
        if group is not None and isinstance(group.data, str) and not _PARAMETER.search(group.data):
            yield self._finding(
                _BY_ID["SF063"], group, f"the group {group.data} is called otherwise elsewhere"
            )

    def _values(self) -> Iterator[tuple[str, str, Any, Node]]:
        """Key, name, data and place of every value that is written."""
        for step in self.steps:
            wish = at(step, "registry")
            key, value, data = (
                at(wish, part) if wish else None for part in ("key", "value", "data")
            )
            if key and value and data and isinstance(key.data, str) and isinstance(value.data, str):
                yield key.data, value.data, data.data, value

    def _pair(self) -> Iterator[Finding]:
        found = {(known.online(k).lower(), v.lower()): (d, n) for k, v, d, n in self._values()}
        for key in (known.LST.lower(), known.POL.lower()):
            layer, level = found.get((key, "securitylayer")), found.get((key, "minencryptionlevel"))
            if layer and level and layer[0] == 2 and level[0] == 1:
                yield self._finding(PAIR, level[1], "TLS (SecurityLayer 2) needs level 2 or more")

    def _restart(self) -> Iterator[Finding]:
        if _data(at(self.root, "restart")) != "never":
            return
        services = [at(step, "service") for step in self.steps]
        restarted = {
            str(_data(at(each, "name"))).lower()
            for each in services
            if each and (at(each, "restart") or at(each, "restart_if_changed"))
        }
        for key, value, _, node in self._values():
            low = known.online(key).lower()
            terminal = low.startswith((known.TS.lower(), known.POL.lower()))
            if known.needs_restart(key, value) and not (terminal and "termservice" in restarted):
                yield self._finding(RESTART, node, f"{value} waits for a restart")

    def _security(self) -> Iterator[Finding]:
        said = _data(at(self.root, "security"))
        for key, value, data, node in self._values():
            if (why := known.lowered(key, value, data)) and not said:
                yield self._finding(SILENT, node, why)
        for step in self.steps:
            profile = at(step, "firewall_profile", "enabled")
            if profile is not None and profile.data is False and not said:
                yield self._finding(SILENT, profile, "the guest's firewall is switched off")


def _moved(rule: Rule, hit: Hit, line: int, column: int) -> Finding:
    """A hit in a line of a file. A line break cannot stand within a scalar."""
    fix = None if hit.fix == "\n" else hit.fix
    return Finding(rule, line, column + hit.start, hit.message, hit.end - hit.start, fix)


def _scalar(text: str) -> str:
    """A text as YAML writes it on one line; a number in hexadecimal as it is."""
    if re.fullmatch(r"\d+|0x[0-9a-fA-F]+", text):
        return text
    return yaml.safe_dump(text, width=10_000, allow_unicode=True).removesuffix("\n...\n").strip()
