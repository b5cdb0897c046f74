"""serialfix playbook import: a troubleshooting article becomes a playbook.

Every command of the article ends in exactly one way (`Fate`): in a step, in the offline part, as
something that needs no step, or in the list of what was not understood. Nothing is left out
without being told.
"""

from __future__ import annotations

import re
from typing import Any

from serialfix.errors import PlaybookError
from serialfix.playbook import drafts as steps
from serialfix.playbook import known
from serialfix.playbook.article import Article, Command, read_article
from serialfix.playbook.commandline import CommandLine, Shell, plain
from serialfix.playbook.drafts import Draft
from serialfix.playbook.imported import (
    Entry,
    Fate,
    Imported,
    Repair,
    description,
    dumped,
    one_line,
    written,
)
from serialfix.playbook.lint import article_shells, repaired
from serialfix.playbook.lint_lines import hits, read_by
from serialfix.playbook.load import parse_playbook
from serialfix.playbook.offline_part import Difference, Sides, differences
from serialfix.playbook.rules import Severity
from serialfix.playbook.translate import translate
from serialfix.playbook.wanted import NoStep, Restart, Unknown, Wanted, kebab
from serialfix.printable import printable


_NOT_BLOCKING = ("placeholder", "powershell-in-cmd", "asks-powershell", "sac-command")
"""Errors of a line that do not matter when what it wants is a step."""
_PLACEHOLDER = re.compile(r"<+([^<>]+)>+|(?<=\\)(?:\.\.\.|…)(?=\\|$)|ControlSet00[Xx]\b")
_EXAMPLES = {"network": "Ethernet", "account": "azureadmin", "service": "TermService"}
_ONLY_OFFLINE = "the article has an offline part only; its values are taken for the running guest"


class _Import:
    def __init__(self, text: str, source: str) -> None:
        self.source = source
        self.article = read_article(_without_secrets(text))
        self.entries: list[Entry] = []
        self.repairs: list[Repair] = []
        self.drafts: dict[tuple[str, ...], Draft] = {}
        self.looks: list[Draft] = []
        self.offline: list[tuple[Wanted, str]] = []
        self.parameters: dict[str, dict[str, Any]] = {}
        self.named: dict[str, Repair] = {}
        self.restart = False
        self.taken = False
        """There is an offline part only, and its values are taken."""

    def run(self, name: str) -> Imported:
        commands, sides = self.article.commands, Sides(self.article)
        self.taken = bool(commands) and all(map(sides.offline, commands))
        for command, shell in zip(commands, article_shells(commands), strict=True):
            self._command(command, shell, offline=sides.offline(command) and not self.taken)
        for mention in self.article.keys:
            why = "a registry path, with no command around it"
            self.entries.append(Entry(mention.line, mention.text, Fate.UNKNOWN, why))
        self.entries.sort(key=lambda entry: entry.line)
        self._leave_out()
        if self.taken and self.drafts:
            self.repairs.append(Repair(commands[0].line, None, _ONLY_OFFLINE))
        differing: tuple[Difference, ...] = ()
        if self.offline:
            wanted = [draft.wanted for draft in self.drafts.values()]
            differing = tuple(differences(wanted, self.offline))
        text = self._text(name, differing)
        for entry in self.entries:
            if entry.draft is not None:
                entry.note = entry.draft.id
        compared = "they write no registry values"
        if self.offline:
            compared = "that part differs" if differing else "that part says the same, corrected"
        return Imported(
            text,
            parse_playbook(text, file=self.source),
            tuple(self.entries),
            tuple(self.repairs),
            differing,
            compared,
        )

    def _entry(self, command: Command, text: str, fate: Fate, note: str) -> None:
        self.entries.append(Entry(command.line, text, fate, note))

    def _command(self, command: Command, shell: Shell, *, offline: bool) -> None:
        if not command.recognised and not command.comment:
            self._entry(command, command.text, Fate.UNKNOWN, "it begins as no command does")
            return
        if command.mention:
            self._entry(command, command.text, Fate.UNKNOWN, "the text names it, with no arguments")
            return
        lines, done = repaired(command.text, shell)
        self.repairs += [Repair(command.line, rule, message) for rule, message in done]
        for text in lines:
            line = CommandLine(text, read_by(text, shell))
            if not offline:
                self._online(command, line)
                continue
            for result in translate(line):
                if isinstance(result, Wanted) and result.kind == "registry":
                    self.offline.append((result, plain(text)))
            self._entry(command, text, Fate.OFFLINE, "")

    def _online(self, command: Command, line: CommandLine) -> None:
        results = translate(line)
        if not all(isinstance(result, NoStep | Restart) for result in results):
            for rule, hit in hits(line):
                if rule.severity is Severity.ERROR and rule.name not in _NOT_BLOCKING:
                    why = f"{rule.id}: {hit.message}"
                    self._entry(command, line.text, Fate.UNKNOWN, why)
                    return
        for result in results:
            match result:
                case Wanted():
                    self._wanted(command, line.text, self._filled(command, result))
                case Restart():
                    self.restart = True
                    self._entry(command, line.text, Fate.STEP, "restart")
                case NoStep(why):
                    self._entry(command, line.text, Fate.NO_STEP, why)
                case Unknown(why):
                    self._entry(command, line.text, Fate.UNKNOWN, why)

    def _wanted(self, command: Command, text: str, wanted: Wanted) -> None:
        """A step, or another command about one that is there."""
        if why := self._refusal(wanted):
            self._entry(command, text, Fate.UNKNOWN, why)
            return
        if wanted.kind == "look":
            draft = Draft(wanted, self._why(command), [command.line])
            self.looks.append(draft)
            self.entries.append(Entry(command.line, text, Fate.STEP, draft=draft))
            return
        known_draft = self.drafts.get(wanted.end)
        if known_draft is None:
            for other in self.drafts.values():
                if parameter := other.example(wanted):
                    self.parameters[parameter]["example"] = next(
                        value for value in wanted.body.values() if value not in other.body.values()
                    )
                    why = f"an example of line {other.lines[0]}"
                    self._entry(command, text, Fate.NO_STEP, why)
                    return
            if wanted.body.get("only_if_present"):
                said = f"{wanted.body['value']} is a policy: it is only changed where it exists"
                self.repairs.append(Repair(command.line, None, said))
        elif not known_draft.takes(wanted):
            why = f"line {known_draft.lines[0]} wants it otherwise"
            self._entry(command, text, Fate.UNKNOWN, why)
            return
        draft = known_draft or Draft(
            Wanted(wanted.kind, dict(wanted.body), wanted.id), self._why(command)
        )
        self.drafts[wanted.end] = draft
        draft.add(wanted, line=command.line, section=command.section)
        self.entries.append(Entry(command.line, text, Fate.STEP, draft=draft))

    def _refusal(self, wanted: Wanted) -> str | None:
        """Why the format does not take a step; None when it does."""
        if wanted.kind == "look" and _PLACEHOLDER.search(str(wanted.body)):
            return "a placeholder stands in it"
        data = {
            **{"schema": 1, "name": "a", "version": "1", "title": "a", "restart": "never"},
            "parameters": self.parameters,
            "steps": [{"id": "a", "why": "a", wanted.kind: wanted.body}],
        }
        try:
            parse_playbook(dumped(data))
        except PlaybookError as error:
            return str(error).splitlines()[0].partition(" ")[2]
        return None

    def _filled(self, command: Command, wanted: Wanted) -> Wanted:
        """The step with parameters in place of placeholders, for the running guest."""
        body: dict[str, Any] = {}
        number = wanted.body.get("type") in ("REG_DWORD", "REG_QWORD")
        for name, value in wanted.body.items():
            given = known.online(value) if self.taken and name == "key" else value
            if isinstance(given, str):
                whole = number and name == "data"
                body[name] = self._parameters(command, given, wanted.kind, number=whole)
            elif isinstance(given, list):
                body[name] = [self._parameters(command, each, wanted.kind) for each in given]
            else:
                body[name] = given
        return Wanted(wanted.kind, body, wanted.id)

    def _parameters(self, command: Command, text: str, kind: str, *, number: bool = False) -> str:
        text = text.replace("${", "$${")
        while kind != "look" and (found := _PLACEHOLDER.search(text)) is not None and found[1]:
            slug = self._parameter(found[1], kind, number=number, command=command)
            text = f"{text[: found.start()]}${{{slug}}}{text[found.end() :]}"
        return text

    def _parameter(self, name: str, kind: str, *, number: bool, command: Command) -> str:
        slug = kebab(name.strip()).replace("-", "_")[:40]
        if not re.match(r"[a-z]", slug) or not name.isascii():
            slug = "interface" if kind == "network" else f"{kind}_value"
        if slug not in self.parameters:
            self.parameters[slug] = {
                "type": "integer" if number else "text",
                "example": 1 if number else _EXAMPLES.get(kind, "example"),
                "why": one_line(f"<{name}> in the article. {self._why(command)}"),
            }
            self.named[slug] = Repair(command.line, None, f"<{name}> is the parameter {slug}")
        return slug

    def _why(self, command: Command) -> str:
        """What introduces a command: the text before it, else its heading, else its place."""
        section = command.section
        heading = self.article.headings[section].text if section >= 0 else ""
        place = f"{self.source}, line {command.line}."
        return one_line(command.lead) or one_line(heading) or place

    def _leave_out(self) -> None:
        """Steps that a later one overtakes, looks at what a step reads, and looks made before."""
        left = {
            draft: f"line {service.lines[0]} sets it otherwise, afterwards"
            for draft, service in steps.overtaken(self.drafts)
        }
        seen: set[str] = set()
        for look in self.looks:
            asked = steps.asked_for(look.body["command"])
            if steps.reads_already(self.drafts.values(), look):
                left[look] = "a step reads this"
            elif asked in seen:
                left[look] = "the same look stands there before"
            seen.add(asked)
        for entry in self.entries:
            if entry.draft in left:
                entry.fate, entry.note, entry.draft = Fate.NO_STEP, left[entry.draft], None
        self.looks = [look for look in self.looks if look not in left]
        self.drafts = {end: draft for end, draft in self.drafts.items() if draft not in left}

    def _text(self, name: str, differing: tuple[Difference, ...]) -> str:
        drafts = sorted([*self.drafts.values(), *self.looks], key=lambda draft: draft.lines[0])
        if not drafts:
            read = (
                f"line {each.line}: {printable(each.text[:70])}: {each.note}"
                for each in self.entries
            )
            raise PlaybookError(
                "no command in it could be made a step",
                file=self.source,
                remedy="\n".join(read) or "There is no command in it.",
            )
        steps.name_all(drafts)
        made = [
            {
                "id": draft.id,
                "why": draft.why.replace("${", "$${"),
                draft.wanted.kind: steps.finished(draft, drafts),
            }
            for draft in drafts
        ]
        used = [slug for slug in self.parameters if f"${{{slug}}}" in str(made)]
        self.repairs += [self.named[slug] for slug in used]
        self.repairs.sort(key=lambda repair: repair.line)
        title = one_line(self.article.title)
        offline = ["differs:" if differing else "says the same.", *map(str, differing)]
        said = description(title, self.source, self.repairs, offline if self.offline else ())
        waits = self.restart or steps.waits_for_restart(drafts)
        data: dict[str, Any] = {
            "schema": 1,
            "name": name,
            "version": "1.0",
            "title": title or name,
            "description": said,
            "symptoms": [_symptom(self.article)],
            "sources": [self.source],
            "security": steps.lowered(drafts),
            "restart": "if_changed" if waits else "never",
            "parameters": {slug: self.parameters[slug] for slug in used},
            "steps": made,
        }
        return written(data, self.entries, self.source)


def _without_secrets(text: str) -> str:
    """The article with stars for passwords on command lines, so that nobody copies them on."""
    secrets = set()
    for command in read_article(text).commands:
        for rule, hit in hits(CommandLine(command.text)):
            if rule.name == "secret":
                given = re.sub(r"^[/-]\w+[:=]", "", command.text[hit.start : hit.end])
                if re.match(r"[^<%$\s]", given):  # a placeholder is no secret
                    secrets.add(given.strip("'\""))
    for secret in sorted(secrets, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", text)
    return text


def _symptom(article: Article) -> str:
    """The first paragraph behind the second heading, or that of the whole article."""
    commands = article.commands
    until = commands[0].section if commands else len(article.headings)
    for section in (1, 0, -1):
        text = one_line(article.paragraphs.get(section, ""))
        if section <= until and text and text[-1] not in ":\uff1a":
            return text
    return one_line(article.title) or "See the article."


def import_article(text: str, *, source: str, name: str) -> Imported:
    """A playbook out of an article; `source` is what the article is called.

    Raises PlaybookError when nothing in it could be made a step.
    """
    return _Import(text, source).run(name)
