from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from serialfix.playbook.library import playbook_files
from serialfix.playbook.load import bind, find_playbook, parse_playbook
from serialfix.playbook.schema import Step
from serialfix.report.pages import RESTARTS, index, page


ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "playbooks"
SHIPPED = {name: find_playbook(name, environ={}) for name in playbook_files({})}
FORMAT = (ROOT / "docs" / "playbooks.md").read_text("utf-8")


def test_the_pages_are_those_of_the_playbooks() -> None:
    wanted = {f"{name}.md": page(loaded) for name, loaded in SHIPPED.items()}
    wanted["README.md"] = index(loaded.playbook for loaded in SHIPPED.values())
    found = {path.name: path.read_text("utf-8") for path in PAGES.glob("*.md")}
    assert found == wanted, "`make pages` writes them"


@pytest.mark.parametrize("name", SHIPPED)
def test_a_page_tells_everything(name: str) -> None:
    loaded, text = SHIPPED[name], page(SHIPPED[name])
    playbook = loaded.playbook
    assert f"\n# {name}\n" in text
    assert RESTARTS[playbook.restart] in text
    for each in (*playbook.symptoms, *playbook.security, *filter(None, [playbook.undo])):
        assert each in text
    assert all(f"<{source}>" in text for source in playbook.sources)
    assert "for Windows Server 2016, 2019, 2022, 2025." in text, "those that are meant"
    assert ("serialfix undo RUN" in text) == any(step.wish.changes for step in playbook.steps)
    for paragraph in playbook.description.strip().split("\n\n"):
        assert paragraph in text
    for step in playbook.steps:
        assert f"| {step.id} |" in text
        assert " ".join(step.why.split()).replace("|", "\\|") in text
        if step.registry is not None:
            assert f"`{step.registry.key}`" in text
            assert f"| `{step.registry.value}` |" in text


@pytest.mark.parametrize("name", SHIPPED)
def test_the_command_lines_of_a_page_are_taken(name: str) -> None:
    lines = re.findall(rf"serialfix (?:check|run) .*--playbook {name}\b.*", page(SHIPPED[name]))
    assert len(lines) >= 2
    for line in lines:
        words = shlex.split(line)
        pairs = [words[at + 1] for at, word in enumerate(words) if word == "--set"]
        bind(SHIPPED[name], dict(pair.split("=", 1) for pair in pairs))


def test_the_index_leads_from_each_symptom_to_its_playbooks() -> None:
    text = (PAGES / "README.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    for name, loaded in SHIPPED.items():
        for symptom in loaded.playbook.symptoms:
            said = symptom.removeprefix("The Remote Desktop client says: ")
            (row,) = (row for row in rows if row.startswith(f"| {said} |"))
            assert f"[{name}]({name}.md)" in row
    targets = re.findall(r"\]\(([^)]+)\)", text)
    assert set(targets) == {f"{name}.md" for name in SHIPPED}


def test_what_has_the_fewest_consequences_is_named_first() -> None:
    def tries(symptom: str, *names: str) -> str:
        text = index(SHIPPED[name].playbook for name in names)
        (row,) = (row for row in text.splitlines() if symptom in row)
        return row.split(" | ")[1]

    drops = tries("then the connection drops", "rdp-reset", "rdp-keep-alive", "rdp-azure-defaults")
    assert drops == (
        "[rdp-keep-alive](rdp-keep-alive.md)"
        "<br>[rdp-azure-defaults](rdp-azure-defaults.md): lowers security"
        "<br>[rdp-reset](rdp-reset.md): restarts the VM, lowers security |"
    )
    silent = tries("gets no answer", "rdp-enable", "termservice-repair", "rdp-listener-check")
    assert silent == (
        "[rdp-listener-check](rdp-listener-check.md): only looks"
        "<br>[termservice-repair](termservice-repair.md)"
        "<br>[rdp-enable](rdp-enable.md): lowers security |"
    )


def test_a_page_of_words_that_markdown_would_read() -> None:
    book = parse_playbook(
        "schema: 1\nname: a\nversion: '1'\ntitle: T\nrestart: never\nsteps:\n"
        '  - {id: s, why: one | two, look: {command: dir | find "x"}}\n'
    )
    text = page(book)
    assert '| s | command `dir \\| find "x"` | one \\| two |' in text
    assert "## When to use it" not in text
    assert "## Parameters" not in text
    limited = parse_playbook(book.text + "applies_to: [ws2019, ws2025]\n")
    assert "for Windows Server 2019, 2025." in page(limited)


# --- docs/playbooks.md --------------------------------------------------------------------------

EXAMPLES = re.findall(r"```yaml\n(.*?)```", FORMAT, re.DOTALL)


def test_the_example_of_the_format_is_a_playbook() -> None:
    (text,) = (each for each in EXAMPLES if "schema: 1" in each)
    loaded = parse_playbook(text, file="docs/playbooks.md")
    assert loaded.needed == ("user",)
    bound = bind(loaded, {"user": "jo", "port": "9000", "strict": "true"}).playbook
    assert bound.applies(bound.steps[1], {})
    assert bound.proofs[1].listener is not None
    assert bound.proofs[1].listener.port == 9000
    assert page(loaded)


def test_every_kind_of_step_is_described_with_an_example_that_loads() -> None:
    described = set()
    for text in EXAMPLES:
        if "schema: 1" not in text:
            body = "".join(f"    {line}\n" for line in text.splitlines())
            head = "schema: 1\nname: a\nversion: '1'\ntitle: T\nrestart: never\nsteps:\n"
            loaded = parse_playbook(f"{head}  - id: s\n    why: because\n{body}")
            described.add(loaded.playbook.steps[0].kind)
    kinds = set(Step.model_fields) - {"id", "why", "when"}
    assert described == kinds
    headings = re.findall(r"^### (.*)$", FORMAT, re.MULTILINE)
    assert {kind for heading in headings for kind in heading.split(", ")} == kinds
