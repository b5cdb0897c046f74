"""serialfix playbook import: a troubleshooting article becomes a playbook.

Every command of the article ends in exactly one way (`Fate`): in a step, in a look, in the offline
part, as something that needs no step, or in the list of what was not understood. Nothing is left
out without being told.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import yaml

from serialfix.errors import PlaybookError
from serialfix.playbook import known
from serialfix.playbook.article import Article, Command, read_article
from serialfix.playbook.commandline import CommandLine, Shell, plain
from serialfix.playbook.lint import article_shells, repaired
from serialfix.playbook.lint_lines import hits, read_by
from serialfix.playbook.load import LoadedPlaybook, parse_playbook
from serialfix.playbook.offline_part import Difference, Sides, differences
from serialfix.playbook.rules import Rule, Severity
from serialfix.playbook.translate import NoStep, Restart, Unknown, Wanted, kebab, translate
from serialfix.printable import printable


class Fate(StrEnum):
    """What became of a command."""

    STEP = "step"
    OFFLINE = "offline"
    NO_STEP = "no step"
    UNKNOWN = "not understood"


@dataclass(frozen=True, slots=True)
class Entry:
    """A command of the article, and what became of it; `note` is a step's id, or the reason."""

    line: int
    text: str
    fate: Fate
    note: str = ""


@dataclass(frozen=True, slots=True)
class Repair:
    """A defect of the article that was repaired."""

    line: int
    rule: Rule | None
    message: str


@dataclass(frozen=True, slots=True)
class Imported:
    """A playbook made of an article, and the account of everything that stood there."""

    text: str
    playbook: LoadedPlaybook
    entries: tuple[Entry, ...]
    repairs: tuple[Repair, ...]
    differences: tuple[Difference, ...]
    compared: str = ""
    """What came of holding the offline part against the other."""

    @property
    def unknown(self) -> list[Entry]:
        """What was not understood."""
        return [entry for entry in self.entries if entry.fate is Fate.UNKNOWN]


@dataclass(slots=True)
class _Draft:
    """A step in the making."""

    wanted: Wanted
    why: str
    lines: list[int]
    states: list[str] = field(default_factory=list)
    """Those that a service is to take one after the other."""
    id: str = ""


_NOT_BLOCKING = ("placeholder", "powershell-in-cmd", "asks-powershell", "sac-command")
_PLACEHOLDER = re.compile(r"<+([^<>]+)>+|(?<=\\)(?:\.\.\.|…)(?=\\|$)|ControlSet00[Xx]\b")
_EXAMPLES = {
    "network": "Ethernet",
    "account": "azureadmin",
    "service": "TermService",
    "registry": "example",
}
_LONGEST = 300
_EVERYWHERE = ("start", "type", "enabled", "object-name", "error-control", "no-start")
"""Values that many keys have: their steps are named after the key, too."""


class _Import:
    def __init__(self, text: str, source: str) -> None:
        self.source = source
        self.article = read_article(text)
        self.entries: list[Entry] = []
        self.repairs: list[Repair] = []
        self.drafts: dict[tuple[str, ...], _Draft] = {}
        self.offline: list[tuple[Wanted, str]] = []
        self.looks: list[_Draft] = []
        self.parameters: dict[str, dict[str, Any]] = {}
        self.named: dict[str, Repair] = {}
        self.restart = False

    def run(self, name: str) -> Imported:
        commands = self.article.commands
        shells = article_shells(commands)
        sides = Sides(self.article)
        only_offline = bool(commands) and all(sides.offline(each) for each in commands)
        for command, shell in zip(commands, shells, strict=True):
            self._command(command, shell, offline=sides.offline(command), taken=only_offline)
        for mention in self.article.keys:
            why = "a registry path, with no command around it"
            self.entries.append(Entry(mention.line, mention.text, Fate.UNKNOWN, why))
        self._drop_overtaken()
        self._drop_looks()
        if only_offline and self.drafts:
            said = (
                "the article has an offline part only; its values are taken for the running guest"
            )
            self.repairs.append(Repair(commands[0].line, None, said))
        differing = tuple(
            differences([draft.wanted for draft in self.drafts.values()], self.offline)
            if self.offline and not only_offline
            else ()
        )
        text = self._written(name, differing)
        self.entries.sort(key=lambda entry: entry.line)
        playbook = parse_playbook(text, file=self.source)
        compared = "they write no registry values"
        if self.offline:
            compared = "that part differs" if differing else "that part says the same, corrected"
        return Imported(
            text, playbook, tuple(self.entries), tuple(self.repairs), differing, compared
        )

    def _entry(self, command: Command, text: str, fate: Fate, note: str) -> None:
        self.entries.append(Entry(command.line, text, fate, note))

    def _command(self, command: Command, shell: Shell, *, offline: bool, taken: bool) -> None:
        if not command.recognised and not command.comment:
            self._entry(command, command.text, Fate.UNKNOWN, "it begins as no command does")
            return
        if command.mention:
            self._entry(command, command.text, Fate.UNKNOWN, "the text names it, with no arguments")
            return
        lines, done = repaired(command.text, shell)
        self.repairs += [Repair(command.line, rule, message) for rule, message in done]
        for text in lines:
            if offline and not taken:
                self._offline(command, text, read_by(text, shell))
            else:
                self._online(command, text, read_by(text, shell), taken=taken)

    def _offline(self, command: Command, text: str, shell: Shell) -> None:
        for result in translate(CommandLine(text, shell)):
            if isinstance(result, Wanted) and result.kind == "registry":
                self.offline.append((result, plain(text)))
        self._entry(command, text, Fate.OFFLINE, "")

    def _online(self, command: Command, text: str, shell: Shell, *, taken: bool) -> None:
        line = CommandLine(text, shell)
        results = translate(line)
        for rule, hit in hits(line):
            if all(isinstance(result, NoStep | Restart) for result in results):
                break
            if rule.severity is Severity.ERROR and rule.name not in _NOT_BLOCKING:
                self._entry(command, text, Fate.UNKNOWN, f"{rule.id}: {hit.message}")
                return
        for result in results:
            match result:
                case Wanted():
                    self._wanted(command, text, result, taken=taken)
                case Restart():
                    self.restart = True
                    self._entry(command, text, Fate.STEP, "restart")
                case NoStep(why):
                    self._entry(command, text, Fate.NO_STEP, why)
                case Unknown(why):
                    self._entry(command, text, Fate.UNKNOWN, why)

    def _wanted(self, command: Command, text: str, wanted: Wanted, *, taken: bool) -> None:
        if taken and wanted.kind == "registry":
            body = {**wanted.body, "key": known.online(wanted.body["key"])}
            wanted = Wanted(wanted.kind, body, wanted.id)
        wanted = self._filled(command, wanted)
        if wanted.kind == "look":
            if _PLACEHOLDER.search(str(wanted.body)):
                self._entry(command, text, Fate.UNKNOWN, "a placeholder stands in it")
                return
            if why := self._refusal(wanted):
                self._entry(command, text, Fate.UNKNOWN, why)
                return
            self.looks.append(_Draft(wanted, self._why(command), [command.line]))
            self._entry(command, text, Fate.STEP, "look")  # its id is not known yet
            return
        draft = self.drafts.get(wanted.end)
        if draft is None and (other := self._example_of(wanted)) is not None:
            self._entry(command, text, Fate.NO_STEP, f"an example of line {other.lines[0]}")
            return
        if why := self._refusal(wanted):
            self._entry(command, text, Fate.UNKNOWN, why)
            return
        if draft is None:
            draft = self.drafts[wanted.end] = _Draft(wanted, self._why(command), [])
            if wanted.body.get("only_if_present"):
                said = f"{wanted.body['value']} is a policy: it is only changed where it exists"
                self.repairs.append(Repair(command.line, None, said))
        elif wanted.kind == "service" or self._agrees(draft, wanted):
            draft.wanted.body.update(wanted.body)
        else:
            why = f"line {draft.lines[0]} wants it otherwise"
            self._entry(command, text, Fate.UNKNOWN, why)
            return
        draft.lines.append(command.line)
        if wanted.kind == "service" and "state" in wanted.body:
            draft.states.append(wanted.body["state"])
        self._entry(command, text, Fate.STEP, "|".join(wanted.end))

    def _refusal(self, wanted: Wanted) -> str | None:
        """Why the format does not take a step; None when it does."""
        data = {
            **{"schema": 1, "name": "a", "version": "1", "title": "a", "restart": "never"},
            "parameters": self.parameters,
            "steps": [{"id": "a", "why": "a", wanted.kind: wanted.body}],
        }
        try:
            parse_playbook(_dump(data))
        except PlaybookError as error:
            return str(error).splitlines()[0].partition(" ")[2]
        return None

    def _example_of(self, wanted: Wanted) -> _Draft | None:
        """The step that this is one instance of: the same, with a name for a parameter."""
        for draft in self.drafts.values():
            here, there = draft.wanted.body, wanted.body
            if draft.wanted.kind != wanted.kind or here.keys() != there.keys():
                continue
            names = [name for name in here if here[name] != there[name]]
            if len(names) == 1 and (found := re.fullmatch(r"\$\{(\w+)\}", str(here[names[0]]))):
                self.parameters[found[1]]["example"] = there[names[0]]
                return draft
        return None

    @staticmethod
    def _agrees(draft: _Draft, wanted: Wanted) -> bool:
        here, there = draft.wanted.body, wanted.body
        return all(here.get(name, value) == value for name, value in there.items())

    def _filled(self, command: Command, wanted: Wanted) -> Wanted:
        """The step with parameters in place of placeholders."""
        body = {}
        for name, value in wanted.body.items():
            body[name] = value
            if wanted.kind == "look":
                continue
            number = name == "data" and wanted.body.get("type") in ("REG_DWORD", "REG_QWORD")
            if isinstance(value, str):
                body[name] = self._with_parameters(command, value, wanted.kind, number=number)
            elif isinstance(value, list):
                body[name] = [self._with_parameters(command, each, wanted.kind) for each in value]
        return Wanted(wanted.kind, body, wanted.id)

    def _with_parameters(
        self, command: Command, text: str, kind: str, *, number: bool = False
    ) -> str:
        found = _PLACEHOLDER.search(text)
        while found is not None and found[1]:
            slug = self._parameter(found[1], kind, number=number, command=command)
            text = f"{text[: found.start()]}${{{slug}}}{text[found.end() :]}"
            found = _PLACEHOLDER.search(text)
        return text

    def _parameter(self, name: str, kind: str, *, number: bool, command: Command) -> str:
        slug = kebab(name.strip()).replace("-", "_")
        if not re.match(r"[a-z]", slug) or not name.isascii():
            slug = "interface" if kind == "network" else f"{kind}_value"
        if slug not in self.parameters:
            example: Any = 1 if number else _EXAMPLES.get(kind, "example")
            self.parameters[slug] = {
                "type": "integer" if number else "text",
                "example": example,
                "why": _one_line(f"<{name}> in the article. {self._why(command)}"),
            }
            self.named[slug] = Repair(command.line, None, f"<{name}> is the parameter {slug}")
        return slug

    def _why(self, command: Command) -> str:
        """What introduces a command: the text before it, else its heading, else its place."""
        if text := _one_line(command.lead):
            return text
        if command.section >= 0 and (
            text := _one_line(self.article.headings[command.section].text)
        ):
            return text
        return f"{self.source}, line {command.line}."

    def _drop_overtaken(self) -> None:
        """Leave out a start type that a service step behind it changes again."""
        for end, draft in list(self.drafts.items()):
            body = draft.wanted.body
            found = re.fullmatch(r"(?i).*\\Services\\([^\\]+)", body.get("key", ""))
            if draft.wanted.kind != "registry" or not found or body["value"].lower() != "start":
                continue
            service = self.drafts.get(("service", found[1].lower()))
            if service is not None and service.wanted.body.get("start"):
                del self.drafts[end]
                why = f"line {service.lines[0]} sets it otherwise, afterwards"
                for at, entry in enumerate(self.entries):
                    if entry.note == "|".join(end):
                        self.entries[at] = Entry(entry.line, entry.text, Fate.NO_STEP, why)

    def _drop_looks(self) -> None:
        """Leave out looks at what a step reads anyway, and looks that stand there twice."""
        covered = set()
        for draft in self.drafts.values():
            body = draft.wanted.body
            match draft.wanted.kind:
                case "registry":
                    covered.add(f"reg query {body['key']} /v {body['value']}".lower())
                case "service":
                    covered |= {
                        f"sc {verb} {body['name']}".lower() for verb in ("query", "qc", "queryex")
                    }
                case "firewall_rule":
                    covered.add(f"rule name={body.get('name')}".lower())
                case "account":
                    covered |= {f"net user {body['name']}".lower()}
                    covered |= {f"net localgroup {body.get('member_of')}".lower()}
        kinds = {draft.wanted.kind for draft in self.drafts.values()}
        seen: set[str] = set()
        kept = []
        for draft in self.looks:
            said = known_query(draft.wanted.body["command"])
            reads = (
                said in covered
                or any(said.endswith(each) for each in covered if each.startswith("rule "))
                or any(said.startswith(f"{each} |") for each in covered)
                or ("bcd" in kinds and said.startswith("bcdedit"))
                or ("network" in kinds and re.match(r"netsh int\w* .*show", said))
                or ("firewall_profile" in kinds and said.startswith("netsh advfirewall show"))
            )
            if reads or said in seen:
                why = "a step reads this" if reads else "the same look stands there before"
                self._looked(draft, Fate.NO_STEP, why)
                continue
            seen.add(said)
            kept.append(draft)
        self.looks = kept

    def _looked(self, draft: _Draft, fate: Fate, note: str) -> None:
        for at, entry in enumerate(self.entries):
            if entry.note == "look" and entry.line == draft.lines[0]:
                self.entries[at] = Entry(entry.line, entry.text, fate, note)
                return

    # What is written.

    def _written(self, name: str, differing: tuple[Difference, ...]) -> str:
        drafts = [*self.drafts.values(), *self.looks]
        drafts.sort(key=lambda draft: draft.lines[0])
        if not drafts:
            raise PlaybookError(
                "no command in it could be made a step",
                file=self.source,
                remedy="\n".join(
                    f"line {each.line}: {printable(each.text[:70])}: {each.note}"
                    for each in self.entries
                )
                or "There is no command in it.",
            )
        self._name(drafts)
        steps = [self._step(draft, drafts) for draft in drafts]
        used = [name for name in self.parameters if f"${{{name}}}" in str(steps)]
        parameters = {name: self.parameters[name] for name in used}
        self.repairs += [self.named[name] for name in used]
        self.repairs.sort(key=lambda repair: repair.line)
        article = self.article
        restart = self._restart(drafts)
        data: dict[str, Any] = {
            "schema": 1,
            "name": name,
            "version": "1.0",
            "title": _one_line(article.title) or name,
            "description": self._description(differing),
            "symptoms": [_symptom(article)],
            "sources": [self.source],
            "security": list(_lowered(drafts)),
            "restart": restart,
            "parameters": parameters,
            "steps": steps,
        }
        head = (
            "# yaml-language-server: $schema=schema/playbook-v1.json\n"
            "# $schema: schema/playbook-v1.json\n"
        )
        body = "".join(_dump({key: value}) for key, value in data.items() if value not in ([], {}))
        return head + body + "".join(f"# {row}\n".replace("# \n", "#\n") for row in self._listed())

    def _name(self, drafts: Iterable[_Draft]) -> None:
        """Give each step an id of its own."""
        drafts = list(drafts)
        wished = [draft.wanted.id for draft in drafts]
        taken: set[str] = set()
        for draft in drafts:
            body, given = draft.wanted.body, draft.wanted.id
            alike = wished.count(given) > 1 or given in _EVERYWHERE
            if draft.wanted.kind == "registry" and alike:
                parts = [p for p in body["key"].split("\\") if p not in ("Server", "Parameters")]
                given = f"{kebab(parts[-1])}-{given}"
            number, plain_id = 2, given
            while given in taken:
                given, number = f"{plain_id}-{number}", number + 1
            taken.add(given)
            draft.id = given
            for at, entry in enumerate(self.entries):
                looked = entry.note == "look" and entry.line == draft.lines[0]
                if entry.note == "|".join(draft.wanted.end) or (looked and draft in self.looks):
                    self.entries[at] = Entry(entry.line, entry.text, entry.fate, given)

    def _step(self, draft: _Draft, drafts: list[_Draft]) -> dict[str, Any]:
        body = dict(draft.wanted.body)
        states = draft.states
        if draft.wanted.kind == "service" and states:
            body["state"] = states[-1]
            if body["state"] == "stopped":
                body.pop("restart", None)
            elif "stopped" in states or body.get("restart"):
                settings = {"start", "account", "type"} & set(body)
                body.pop("restart", None)
                terminal = str(body["name"]).lower() == "termservice"
                depends = [
                    other.id
                    for other in drafts
                    if other.wanted.kind == "registry"
                    and terminal
                    and known.online(other.wanted.body["key"]).startswith(known.TS)
                ]
                if depends:
                    body["restart_if_changed"] = depends
                elif not settings:
                    body["restart"] = True
        return {"id": draft.id, "why": draft.why, draft.wanted.kind: body}

    def _restart(self, drafts: Iterable[_Draft]) -> str:
        """Whether the VM restarts: its values tell; the article's words are not read."""
        waits = any(
            (
                draft.wanted.kind == "registry"
                and known.needs_restart(draft.wanted.body["key"], draft.wanted.body["value"])
            )
            or draft.wanted.body.get("entry", "{bootmgr}") != "{bootmgr}"
            for draft in drafts
        )
        return "if_changed" if self.restart or waits else "never"

    def _description(self, differing: tuple[Difference, ...]) -> str:
        rows = [f"Imported from {self.source}: {_one_line(self.article.title)}", ""]
        counts: dict[str, list[int]] = {}
        for repair in self.repairs:
            name = f"{repair.rule.id} {repair.rule.title}" if repair.rule else repair.message
            counts.setdefault(name, []).append(repair.line)
        if counts:
            rows.append("Repaired against the article:")
            rows += [f"- {what} ({_lines_of(lines)})" for what, lines in counts.items()]
        else:
            rows.append("Nothing had to be repaired.")
        if self.offline:
            said = "differs:" if differing else "says the same."
            rows += ["", f"The article's offline part, corrected, {said}"]
            rows += [f"- {each}" for each in differing]
        return "".join(f"{_wrapped(row)}\n" for row in rows)

    def _listed(self) -> Iterator[str]:
        """The comments at the end of the file."""
        offline = [entry.line for entry in self.entries if entry.fate is Fate.OFFLINE]
        if offline:
            yield f"Offline part of {self.source}, for a disk that is attached elsewhere:"
            yield from _wrapped(f"  {_lines_of(offline)}").splitlines()
        unknown = sorted(
            (entry for entry in self.entries if entry.fate is Fate.UNKNOWN),
            key=lambda entry: entry.line,
        )
        if unknown:
            yield f"Not understood, by line of {self.source}:"
        for entry in unknown:
            yield f"  {entry.line}: {printable(entry.text)}"
            yield f"      {printable(entry.note)}"


def known_query(command: str) -> str:
    """A look in the one form in which looks are compared."""
    line = CommandLine(command)
    words = [word.text for word in line.first.words]
    if line.first.program == "reg" and len(words) > 2:
        words[2] = known.spelled(words[2])
    words = [line.first.program, *words[1:]] if words else []
    tail = command[line.first.end :] if line.parts else ""
    text = " ".join(words).lower()
    return f"{text} |{tail.partition('|')[2].lower()}" if "|" in tail else text


def _symptom(article: Article) -> str:
    """The first paragraph behind the second heading, or that of the whole article."""
    commands = article.commands
    until = commands[0].section if commands else len(article.headings)
    for section in (1, 0, -1):
        text = _one_line(article.paragraphs.get(section, ""))
        if section <= until and text and text[-1] not in ":\uff1a":
            return text
    return _one_line(article.title) or "See the article."


def _lowered(drafts: Iterable[_Draft]) -> Iterator[str]:
    seen: set[str] = set()
    for draft in drafts:
        body, why = draft.wanted.body, None
        if draft.wanted.kind == "registry":
            why = known.lowered(body["key"], body["value"], body.get("data"))
        elif draft.wanted.kind == "firewall_profile" and body.get("enabled") is False:
            why = "The guest's firewall is off until it is switched on again, also over a restart."
        if why and why not in seen:
            seen.add(why)
            yield why


def _one_line(text: str) -> str:
    text = re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in text)).strip()
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1].rstrip() + "…"


def _lines_of(lines: Iterable[int]) -> str:
    """`lines 3-5, 9`."""
    runs: list[list[int]] = []
    for line in sorted(set(lines)):
        if runs and line == runs[-1][-1] + 1:
            runs[-1].append(line)
        else:
            runs.append([line])
    said = ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
    return f"line{'s' if len(runs) > 1 or len(runs[0]) > 1 else ''} {said}"


def _wrapped(row: str) -> str:
    return textwrap.fill(
        row, 96, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


class _Dumper(yaml.SafeDumper):
    """Steps apart by their dashes; texts of several lines as they are."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", data, style="|" if "\n" in data else None
    )


_Dumper.add_representer(str, _text)


def _dump(data: Mapping[str, Any]) -> str:
    return yaml.dump(dict(data), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def import_article(text: str, *, source: str, name: str) -> Imported:
    """A playbook out of an article; `source` is what the article is called.

    Raises PlaybookError when nothing in it could be made a step.
    """
    return _Import(text, source).run(name)
