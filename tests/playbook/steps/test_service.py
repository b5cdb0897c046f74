"""Services."""

from __future__ import annotations

from typing import Any

import pytest

from serialfix.errors import CommandFailed, UnsafeStep
from serialfix.lab.profiles import dword
from serialfix.model import RegistryType, RegistryValue
from serialfix.playbook.steps.service import ServiceSettings, ServiceStep, StartFailure
from serialfix.playbook.steps.wish import State
from tests.playbook.steps.asked import read


RUNNING = """
SERVICE_NAME: TermService
        TYPE               : 20  WIN32_SHARE_PROCESS
        STATE              : 4  RUNNING
                                (STOPPABLE, NOT_PAUSABLE, ACCEPTS_SHUTDOWN)
        WIN32_EXIT_CODE    : 0  (0x0)
        PID                : 1234
        FLAGS              :
"""
CRASHED = """
SERVICE_NAME: TermService
        STATE              : 1  STOPPED
        WIN32_EXIT_CODE    : 1067  (0x42b)
        PID                : 0
"""
DEPENDENTS = """
Enum: entriesread = 2

SERVICE_NAME: UmRdpService
DISPLAY_NAME: Remote Desktop Services UserMode Port Redirector
        STATE              : 4  RUNNING

SERVICE_NAME: Other
        STATE              : 1  STOPPED
"""


def text(word: str) -> RegistryValue:
    return RegistryValue(RegistryType.SZ, word)


def stored(start: int = 3, kind: int = 32, account: str = r"NT Authority\NetworkService") -> Any:
    return {"Start": dword(start), "Type": dword(kind), "ObjectName": text(account)}


def wish(**settings: Any) -> ServiceStep:
    return ServiceStep(name="TermService", **settings)


def state_of(what: ServiceStep, answer: str = RUNNING, **settings: Any) -> State:
    answers = {"sc query": (answer, 0), "enumdepend": (DEPENDENTS, 0)}
    return read(what, stored(**settings), answers)[0]


def test_settings_come_from_the_registry_and_the_state_from_words_of_every_language() -> None:
    assert state_of(wish(state="running")) == {
        "start": "demand",
        "account": r"NT Authority\NetworkService",
        "type": "share",
        "state": "running",
        "ended": 0,
    }
    assert state_of(wish(start="auto")) == {"start": "demand"}


def test_an_unknown_service_is_told() -> None:
    with pytest.raises(CommandFailed, match="no service TermService"):
        read(wish(state="running"))


def test_a_delayed_start_is_automatic() -> None:
    values = {**stored(start=2), "DelayedAutostart": dword(1)}
    found, _ = read(wish(start="auto"), values)
    assert found == {"start": "delayed-auto"}
    assert wish(start="auto").distance(found) == 0
    assert wish(start="demand").distance(found) == 1


def test_an_accepted_start_type_is_left_alone() -> None:
    one = wish(start="auto", start_accepts=("demand",))
    assert [one.distance({"start": word}) for word in ("auto", "demand", "disabled")] == [0, 0, 1]


def test_settings_first_then_the_state() -> None:
    one = wish(start="demand", type="own", state="running")
    found = state_of(one, CRASHED, start=4)
    assert one.distance(found) == 3
    assert one.line(found) == "sc config TermService start= demand"
    found = state_of(one, CRASHED)
    assert one.line(found) == "sc config TermService type= own"
    found = state_of(one, CRASHED, kind=16)
    assert one.line(found) == "sc start TermService"


def test_what_is_stopped_takes_its_dependents_along() -> None:
    one = wish(state="stopped")
    found = state_of(one)
    assert isinstance(found, dict)
    assert found["dependents"] == ["UmRdpService"]
    assert one.line(found) == "net stop TermService /y"
    back, dependent = one.restoring(found)
    assert back == wish(state="running")
    assert dependent == ServiceStep(name="UmRdpService", state="running")


@pytest.mark.parametrize("already", [0, 1056])
def test_running_already_is_no_failure(already: int) -> None:
    assert wish(state="running").accepts(already)
    assert not wish(state="running").accepts(1058)


def test_a_restart_is_proven_by_another_process() -> None:
    one = wish(state="running", restart_if_changed=("port",))
    former = state_of(one)
    assert one.prepared(former).distance(former) == 0
    restarting = one.prepared(former, restart=True)
    assert restarting.wanted == {"state": "running", "restarted": True}
    assert restarting.distance(former) == 3  # stop, start, start what needs it
    assert restarting.line(former) == "net stop TermService /y"
    stopped = state_of(one, CRASHED)
    assert isinstance(stopped, dict)
    assert restarting.distance({**stopped, "dependents": []}) == 2
    assert restarting.line(stopped) == "sc start TermService"
    anew = state_of(one, RUNNING.replace("1234", "1240"))
    assert restarting.distance(anew) == 0
    assert isinstance(anew, dict)
    alone = {**anew, "dependents": []}
    assert restarting.distance(alone) == 1
    assert restarting.line(alone) == "sc start UmRdpService"


def test_a_restart_in_a_shared_process_ends_once_the_service_was_seen_without_it() -> None:
    """Before Windows 10 1703 a restarted service is in the same svchost again."""
    one = wish(state="running", restart=True)
    former = state_of(one)
    restarting = one.prepared(former)
    assert restarting.seen(former) == restarting
    going = restarting.seen(state_of(one, CRASHED))
    assert restarting.distance(former) == 3
    assert going.distance(former) == 0


def test_a_list_of_dependents_that_is_not_whole_is_not_believed() -> None:
    answers = {"sc query": (RUNNING, 0), "enumdepend": (DEPENDENTS, 234)}
    with pytest.raises(CommandFailed, match="which services need TermService"):
        read(wish(state="stopped"), stored(), answers)


def test_what_needs_it_and_still_starts_is_waited_for() -> None:
    one = wish(state="running", restart=True)
    former = state_of(one)
    restarting = one.prepared(former).seen(state_of(one, CRASHED))
    coming = DEPENDENTS.replace("4  RUNNING", "2  START_PENDING")
    answers = {"sc query": (RUNNING.replace("1234", "1240"), 0), "enumdepend": (coming, 0)}
    state, _ = read(one, stored(), answers)
    assert (restarting.distance(state), restarting.pending(state)) == (1, True)
    assert one.prepared(state).former_dependents == ("UmRdpService",)


def test_the_way_back_of_a_restart_has_what_was_stopped_with_it() -> None:
    """The run may end between the stop and the start."""
    one = wish(state="running", restart=True)
    back, dependent = one.restoring(state_of(one))
    assert back == wish(state="running")
    assert dependent == ServiceStep(name="UmRdpService", state="running")


@pytest.mark.parametrize(
    ("state", "back"),
    [("2  START_PENDING", "running"), ("3  STOP_PENDING", "stopped"), ("7  PAUSED", None)],
)
def test_a_state_that_cannot_be_put_back_is_not_left(state: str, back: str | None) -> None:
    one = wish(start="disabled", state="stopped")
    former = state_of(one, RUNNING.replace("4  RUNNING", state))
    if back is None:
        with pytest.raises(UnsafeStep, match="is paused"):
            one.restoring(former)
    else:
        assert one.restoring(former)[0] == wish(start="demand", state=back)


@pytest.mark.parametrize("name", ["MSSQL$SQLEXPRESS", "Größe 東", "a.b-c_d"])
def test_names_as_windows_allows_them(name: str) -> None:
    assert ServiceStep(name=name, state="running").title == f"service {name}"


@pytest.mark.parametrize("name", [r"\\server", "a/b", "", " a", 'a"b', "a\u200bb"])
def test_names_that_sc_would_read_otherwise_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        ServiceStep(name=name, state="running")


BRANCHES = (
    StartFailure(codes=(1058, 1077), set=ServiceSettings(start="demand")),
    StartFailure(codes=(1069,), set=ServiceSettings(account=r"NT AUTHORITY\NetworkService")),
    StartFailure(codes=(5,), advice="Trace it."),
)


def test_a_failed_start_has_branches() -> None:
    one = wish(state="running", start_failures=BRANCHES)
    found = state_of(one, CRASHED, start=4)
    other = one.otherwise(found, 1058)
    assert other is not None
    assert other.line(found) == "sc config TermService start= demand"
    assert other.otherwise(found, 1058) is None
    with pytest.raises(CommandFailed, match="error 5") as caught:
        one.otherwise(found, 5)
    assert caught.value.remedy == "Trace it."
    assert one.otherwise(found, 2) is None


def test_the_branches_are_for_the_start_alone() -> None:
    """But for advice, when a setting is refused; `net stop` has exit codes of its own."""
    one = wish(start="auto", state="running", restart=True, start_failures=BRANCHES)
    assert one.otherwise(state_of(one), 1058) is None
    with pytest.raises(CommandFailed, match="error 5"):
        one.otherwise(state_of(one), 5)
    former = state_of(one, start=2)
    assert one.prepared(former).otherwise(former, 5) is None


def test_an_account_with_a_password_is_not_taken_from_a_service() -> None:
    one = wish(state="running", start_failures=BRANCHES)
    found = state_of(one, CRASHED, account=r"CONTOSO\rdp")
    with pytest.raises(CommandFailed, match="does not start as"):
        one.otherwise(found, 1069)
    with pytest.raises(UnsafeStep, match="could not be put back"):
        wish(account="LocalSystem").restoring({"account": r"CONTOSO\rdp"})


def test_the_way_back_has_what_only_a_branch_would_change() -> None:
    one = wish(state="running", start_failures=BRANCHES)
    (back,) = one.restoring(state_of(one, CRASHED, start=4))
    assert back == wish(start="disabled", account=r"NT AUTHORITY\NetworkService", state="stopped")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"restart": True},
        {"start_failures": BRANCHES, "start": "auto"},
        {"start_accepts": ("demand",), "state": "running"},
    ],
)
def test_what_makes_no_sense_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Value error"):
        wish(**settings)
    with pytest.raises(ValueError, match="either set"):
        StartFailure(codes=(5,))
