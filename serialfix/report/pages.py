"""Pages about playbooks, in Markdown: one for each, and an index by what somebody sees.

All that they say stands in the playbooks; `make pages` writes them into docs/playbooks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from serialfix.playbook.load import LoadedPlaybook, as_written
from serialfix.playbook.schema import Parameter, Playbook


MADE = "<!-- Made from the playbook by `make pages`: change that, not this. -->"
RESTARTS: Mapping[str, str] = {
    "never": "The VM does not restart.",
    "if_changed": "The VM restarts when something had to be changed.",
    "always": "The VM restarts.",
}
_GUESTS = {"ws2016": "2016", "ws2019": "2019", "ws2022": "2022", "ws2025": "2025"}
_CORRECTED = "Corrected"
"""How the paragraph of a description begins that names the defects of the sources."""
_HEADINGS: Mapping[str, str] = {
    "registry_key": "Keys",
    "registry_removal": "Values that are removed, and kept in an export",
    "registry_import": "Values that are imported",
    "service": "Services",
    "firewall_rule": "Rules of the guest's firewall",
    "firewall_profile": "Profiles of the guest's firewall",
    "bcd": "Boot configuration",
    "network": "Network adapters",
    "account": "Accounts",
    "command": "Commands",
    "look": "Only looked at, for the report",
}
_SAYS = "The Remote Desktop client says: "
_SECTIONS: tuple[tuple[str, str], ...] = (
    ("The Remote Desktop client says", f"^{_SAYS}"),
    ("Remote Desktop", "Remote Desktop|RD Licensing"),
    ("Signing in", "[Ss]ign(ing)? in|sign-in|Authentication"),
    ("Network and firewall", "[Nn]etwork|firewall|address|DHCP|Netlogon"),
    ("Starting, and the console", "boot|Boot|console|SAC"),
    ("Everything else", ""),
)
"""Headings of the index; a symptom stands under the first whose words it has."""


def page(loaded: LoadedPlaybook) -> str:
    """The page of a playbook."""
    playbook = loaded.playbook
    paragraphs = playbook.description.strip().split("\n\n")
    corrected = [text for text in paragraphs if text.startswith(_CORRECTED)]
    parts = [
        MADE,
        f"# {playbook.name}",
        playbook.title + ".",
        *(text for text in paragraphs if text not in corrected),
        *_section("When to use it", _bullets(playbook.symptoms)),
        "## What it does",
        *_steps(loaded),
        *_section("What it lowers in security", _bullets(playbook.security) or "Nothing."),
        *_section("Restart", " ".join((RESTARTS[playbook.restart], *_restarted(playbook)))),
        *_section("Parameters", _parameters(loaded)),
        *_section("Check, run, undo", _command_lines(playbook)),
        *([playbook.undo] if playbook.undo else []),
        *_section("Proven at the end", _proofs(loaded)),
        *_section("Corrected against the sources", "\n\n".join(corrected)),
        *_section("Sources", _bullets(map(_link, playbook.sources))),
        f"Version {playbook.version}, for Windows Server "
        + ", ".join(_GUESTS[guest] for guest in playbook.applies_to or _GUESTS)
        + f". The playbook: `serialfix playbook show {playbook.name}`. [All playbooks](README.md)",
    ]
    return "\n\n".join(parts) + "\n"


def index(playbooks: Iterable[Playbook]) -> str:
    """What to try for what somebody sees; then all playbooks by name."""
    known = sorted(playbooks, key=lambda each: each.name)
    by_symptom: dict[str, list[Playbook]] = {}
    for playbook in known:
        for symptom in playbook.symptoms:
            by_symptom.setdefault(symptom, []).append(playbook)
    parts = [
        MADE,
        "# Which playbook?",
        "Find what you see; what is named first has the fewest consequences. `serialfix check` "
        "shows what a playbook would do and changes nothing.",
    ]
    left = dict(by_symptom)
    for heading, words in _SECTIONS:
        here = [symptom for symptom in left if re.search(words, symptom)]
        rows = [(each.removeprefix(_SAYS), _tries(left.pop(each))) for each in sorted(here)]
        if rows:
            parts += [f"## {heading}", _table(("what you see", "try"), rows)]
    names = (
        (_to_page(each), each.title, each.restart.replace("_", " "), ", ".join(_needed(each)))
        for each in known
    )
    head = ("name", "does", "restarts the VM", "must be told")
    parts += ["## All playbooks", _table(head, names)]
    return "\n\n".join(parts) + "\n"


def _section(heading: str, text: str) -> list[str]:
    return [f"## {heading}", text] if text else []


def _bullets(texts: Iterable[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _link(source: str) -> str:
    return f"<{source}>" if source.startswith("http") else source


def _code(data: Any) -> str:
    """Data as it stands in the playbook."""
    if isinstance(data, list | tuple):
        return ", ".join(_code(each) for each in data)
    text = str(data).lower() if isinstance(data, bool) else str(data)
    return f"`{text}`"


# --- steps -------------------------------------------------------------------------------------


def _steps(loaded: LoadedPlaybook) -> Iterator[str]:
    """Tables of the steps in their order: registry values by key, other steps by kind."""
    written = as_written(loaded)
    for place, group in groupby(written["steps"], _place):
        steps = list(group)
        if "registry" in steps[0]:
            yield f"`{place}`"
            yield _table(
                ("step", "value", "wanted", "why"),
                (
                    (step["id"], _code(step["registry"]["value"]), _wanted(step), step["why"])
                    for step in steps
                ),
            )
        else:
            yield _HEADINGS[place] + ":"
            rows = ((step["id"], _wanted(step), step["why"]) for step in steps)
            yield _table(("step", "wanted", "why"), rows)
    if facts := written.get("facts"):
        values = ((each["id"], each["registry"]) for each in facts)
        yield "Read before anything is changed: " + "; ".join(
            f"{name} is `{value['key']}`, `{value['value']}`" for name, value in values
        )


def _kind(step: Mapping[str, Any]) -> str:
    return next(name for name in step if name not in ("id", "why", "when"))


def _place(step: Mapping[str, Any]) -> str:
    kind = _kind(step)
    return str(step[kind]["key"]) if kind == "registry" else kind


def _wanted(step: Mapping[str, Any]) -> str:
    """The wanted end and its conditions, with the names of parameters in it."""
    kind = _kind(step)
    said = _registry_words(step[kind]) if kind == "registry" else list(_words(step[kind]))
    if condition := step.get("when"):
        about = condition.get("fact") or condition.get("parameter")
        word, values = ("is", condition["is"]) if "is" in condition else ("is not", None)
        among = " or ".join(_code(each) for each in values or condition["is_not"])
        said.append(f"only when {about} {word} {among.replace('``', 'empty')}")
    return "<br>".join(said)


def _registry_words(step: Mapping[str, Any]) -> list[str]:
    if step.get("state") == "absent":
        said = ["no such value"]
    else:
        said = [f"{step['type']} {_code(step['data'])}"]
    if step.get("only_if_present"):
        said.append("only where it is there")
    if twin := step.get("policy_twin"):
        said.append(f"a policy may override it: `{twin}`")
    return said


def _words(step: Mapping[str, Any]) -> Iterator[str]:
    for name, value in step.items():
        if name == "start_failures":
            yield from map(_failure, value)
        elif name in ("no_undo", "minutes"):
            yield f"{name.replace('_', ' ')}: {value}"
        else:
            yield f"{name.replace('_', ' ')} {_code(value)}"


def _failure(branch: Mapping[str, Any]) -> str:
    errors = "on error " + ", ".join(map(str, branch["codes"]))
    if "advice" in branch:
        return f"{errors}: {branch['advice']}"
    settings = (f"{name} {_code(value)}" for name, value in branch["set"].items())
    return f"{errors}: {', '.join(settings)}, then again"


# --- parameters, command lines, proofs ----------------------------------------------------------


def _parameters(loaded: LoadedPlaybook) -> str:
    parameters = loaded.playbook.parameters
    if not parameters:
        return ""
    rows = (
        (
            name,
            each.why,
            "must be given" if each.default is None else _code(each.default),
            _may(each),
        )
        for name, each in parameters.items()
    )
    said = [_table(("name", "what", "default", "may be"), rows)]
    if typed := [f"${{{name}}}" for name in parameters if f"${{{name}}}" in loaded.text]:
        said.append(f"Above, {_code(typed)} {'stands' if len(typed) == 1 else 'stand'} for that.")
    return "\n\n".join(said)


def _may(parameter: Parameter) -> str:
    """What the values of a parameter may be."""
    if parameter.choices:
        return _code(parameter.choices)
    if parameter.minimum is not None and parameter.maximum is not None:
        return f"{parameter.minimum} to {parameter.maximum}"
    if parameter.pattern is not None:
        return f"{parameter.type} like {_code(parameter.pattern)}"
    return "`true`, `false`" if parameter.type == "boolean" else parameter.type


def _restarted(playbook: Playbook) -> Iterator[str]:
    """The services that the playbook may restart."""
    for step in playbook.steps:
        if step.service is not None and step.service.restart_if_changed:
            yield (
                f"The service {step.service.name} does when its settings had to be changed: who "
                "uses it is cut off."
            )


def _needed(playbook: Playbook) -> list[str]:
    return [name for name, each in playbook.parameters.items() if each.default is None]


def _given(name: str, parameter: Parameter) -> str:
    text = parameter.shown
    if parameter.type == "boolean":  # the default needs no option
        text = "false" if parameter.value else "true"
    pair = f"{name}={text}"
    return f"--set {pair}" if re.fullmatch(r"[\w=.:,-]+", pair) else f"--set '{pair}'"


def _command_lines(playbook: Playbook) -> str:
    """What is typed, with what must be given; then the same with everything that may be."""
    must = "".join(f" {_given(name, playbook.parameters[name])}" for name in _needed(playbook))
    every = "".join(f" {_given(name, each)}" for name, each in playbook.parameters.items())
    lines = [
        f"serialfix check --vm myvm --playbook {playbook.name}{must}",
        f"serialfix run   --vm myvm --playbook {playbook.name}{must}",
        *(
            [f"serialfix run   --vm myvm --playbook {playbook.name}{every}"]
            if every != must
            else []
        ),
        *([] if _only_looks(playbook) else ["serialfix undo RUN"]),
    ]
    return "\n".join(("```", *lines, "```"))


def _proofs(loaded: LoadedPlaybook) -> str:
    said = [] if _only_looks(loaded.playbook) else ["All steps are read again."]
    for proof in as_written(loaded).get("proofs", ()):
        if service := proof.get("service"):
            said.append(f"The service {service['name']} is {service['state']}.")
        else:
            listener = proof["listener"]
            who = f"The service {listener['service']}" if "service" in listener else "Something"
            said.append(f"{who} listens on TCP port `{listener['port']}`.")
    return _bullets(said)


def _only_looks(playbook: Playbook) -> bool:
    return not any(step.wish.changes for step in playbook.steps)


def _to_page(playbook: Playbook) -> str:
    return f"[{playbook.name}]({playbook.name}.md)"


def _tries(playbooks: list[Playbook]) -> str:
    """The playbooks for a symptom, those with the fewest consequences first."""

    def consequences(playbook: Playbook) -> list[str]:
        said = ["only looks"] if _only_looks(playbook) else []
        said += ["restarts the VM"] if playbook.restart != "never" else []
        return [*said, *(["lowers security"] if playbook.security else [])]

    def rank(playbook: Playbook) -> tuple[bool, int, str]:
        return not _only_looks(playbook), len(consequences(playbook)), playbook.name

    ranked = sorted(playbooks, key=rank)
    return "<br>".join(
        _to_page(each) + (f": {', '.join(said)}" if (said := consequences(each)) else "")
        for each in ranked
    )
