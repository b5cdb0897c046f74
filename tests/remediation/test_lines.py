"""Command lines and their whole output, on both renderers."""

from __future__ import annotations

from typing import Any

import pytest

from serialfix.console.cmd import CommandResult
from serialfix.errors import CommandFailed, UnsafeStep
from serialfix.lab.faults import Faults
from serialfix.lab.profiles import Renderer
from serialfix.remediation.lines import Lines
from serialfix.secrets import Secret
from serialfix.session import Credentials
from tests.support.rig import LST, PASSWORD, RENDERERS, USERNAME, Rig, scene


both = pytest.mark.parametrize("renderer", RENDERERS)
WHO = Credentials(USERNAME, Secret(PASSWORD, "guest_password"))


async def lines(stage: Rig) -> Lines:
    """Logged in."""
    outing = stage.work()
    session = outing.work.session
    await session.connect()
    await session.open_channel()
    await session.login(WHO)
    return Lines(session, WHO, outing.journal, outing.watcher)


def whole(renderer: Renderer, line: str, **faults: Any) -> CommandResult:
    async def script(stage: Rig) -> CommandResult:
        stage.guest.files[r"c:\windows\temp\given.txt"] = GIVEN
        stage.guest.files[r"c:\windows\temp\lines.txt"] = NUMBERED
        asked = await lines(stage)
        result = await asked.whole(line)
        assert not [name for name in stage.guest.files if "sf-" in name]  # nothing stays behind
        assert not await asked.session.leave()
        return result

    return scene(renderer, script, faults=Faults(**faults))


NUMBERED = "".join(f"line {number} Größe 東\r\n" for number in range(1, 501))
GIVEN = "\r\n".join(
    [
        "",
        "[x] ] [12]",
        "]]",
        ";eol 100% %PATH% a & b | c > d ^ ! \"q\" 'q'",
        "blanks at both ends   ",
        "ÄÖÜ ß é 東京 漢字" * 20,
        "x" * 77,
        "y" * 300 + " " + "漢" * 150,
        "no end of line",
    ]
)


@both
def test_500_lines(renderer: Renderer) -> None:
    result = whole(renderer, r"type %temp%\lines.txt")
    assert list(result.output) == NUMBERED.splitlines()
    assert (result.complete, result.exit_code) == (True, 0)


@both
@pytest.mark.parametrize("faults", [{}, {"lose_keys": 0.003, "split_writes": True}])
def test_whatever_a_line_holds(renderer: Renderer, faults: dict[str, Any]) -> None:
    result = whole(renderer, r"type %temp%\given.txt", **faults)
    assert list(result.output) == GIVEN.split("\r\n")


@both
def test_no_output_and_an_exit_code(renderer: Renderer) -> None:
    result = whole(renderer, "cmd /c exit 7")
    assert (result.output, result.exit_code) == ((), 7)


@both
def test_messages_of_an_error_are_output_too(renderer: Renderer) -> None:
    result = whole(renderer, r"reg query HKLM\SOFTWARE\Nowhere")
    assert result.exit_code == 1
    assert any("ERROR" in row for row in result.output)


@both
def test_a_question_is_answered_by_the_end_of_the_input(renderer: Renderer) -> None:
    """It does not hang, and nothing was changed. What is known to ask is not even typed."""
    line = rf'reg add "{LST}" /v Shadow /d 7'
    with pytest.raises(UnsafeStep, match="/f"):
        whole(renderer, line)
    line = f"cmd /c {line}"

    async def script(stage: Rig) -> tuple[CommandResult, bool]:
        before = stage.guest.registry.dump()
        asked = await lines(stage)
        result = await asked.whole(line)
        await asked.session.leave()
        return result, stage.guest.registry.dump() == before

    result, same = scene(renderer, script)
    assert any("overwrite" in row for row in result.output)
    assert same


@both
def test_a_line_too_long_for_the_screen_is_an_error(renderer: Renderer) -> None:
    async def script(stage: Rig) -> None:
        stage.guest.files[r"c:\windows\temp\long.txt"] = "z" * 3000 + "\r\n"
        asked = await lines(stage)
        with pytest.raises(CommandFailed, match="line 1 of the output"):
            await asked.whole(r"type %temp%\long.txt")

    scene(renderer, script)


@both
def test_an_answer_longer_than_the_screen_is_asked_for_in_pages(renderer: Renderer) -> None:
    async def script(stage: Rig) -> CommandResult:
        asked = await lines(stage)
        return await asked.ask(f'reg query "{LST}"')

    result = scene(renderer, script)
    assert len(result.output) > 60
    assert result.output[1].endswith("RDP-Tcp")
    assert result.complete


@both
@pytest.mark.parametrize("after", range(0, 500, 37))
def test_a_drop_in_the_middle(renderer: Renderer, after: int) -> None:
    """Also where another shell, which has another code page, goes on."""

    async def script(stage: Rig) -> tuple[str, ...]:
        stage.guest.files[r"c:\windows\temp\lines.txt"] = NUMBERED[:500]
        asked = await lines(stage)
        stage.wired.drop_after = len(stage.wired.typed) + after
        result = await asked.whole(r"type %temp%\lines.txt")
        await asked.session.leave()
        return result.output

    assert scene(renderer, script) == tuple(NUMBERED[:500].splitlines())


@both
def test_a_long_key_becomes_a_variable_once_it_is_used_often(renderer: Renderer) -> None:
    async def script(stage: Rig) -> list[str]:
        asked = await lines(stage)
        for _ in range(5):
            result = await asked.ask(f'reg query "{LST}" /v Shadow')
            assert any("Shadow" in row for row in result.output)
        return [e.line for e in stage.guest.entered if e.where.startswith("Cmd")]

    entered = scene(renderer, script)
    assert entered.count(f'set "k1={LST}"') == 1
    assert entered.count('reg query "%k1%" /v Shadow') == 3
