"""Services: how they start, as whom, and whether they run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from serialfix.errors import CommandFailed, UnsafeStep
from serialfix.playbook.steps.wish import (
    Ask,
    Reading,
    State,
    Value,
    Wish,
    differing,
    unclear,
)
from serialfix.playbook.values import Model, Sentence, ServiceName, Slug
from serialfix.windows import services


Start = Literal["auto", "demand", "disabled", "delayed-auto"]
Kind = Literal["own", "share"]

_OPTIONS = {"start": "start", "account": "obj", "type": "type"}
_BUILT_IN = ("LocalSystem", r"NT AUTHORITY\LocalService", r"NT AUTHORITY\NetworkService")
_ENDS_AS = {
    **dict.fromkeys(("running", "start_pending", "continue_pending"), "running"),
    **dict.fromkeys(("stopped", "stop_pending"), "stopped"),
}
_ON_THE_WAY = ("start_pending", "stop_pending", "continue_pending", "pause_pending")


def _account(text: str) -> str:
    """An account that can be named without its password: none is ever typed.

    Windows' own need none; with a local one the service keeps the password that it has, which is
    enough to put it back. One of a domain may be out of reach just then.
    """
    spelled = {name.casefold(): name for name in _BUILT_IN}
    if text.casefold() in spelled:
        return spelled[text.casefold()]
    if not text.startswith(".\\"):
        raise ValueError(
            f"{text!r} is none of {', '.join(_BUILT_IN)}, and no local account (.\\NAME): its "
            "password would be needed"
        )
    return text


Account = Annotated[str, AfterValidator(_account)]


class ServiceSettings(Model):
    """What `sc config` changes."""

    start: Start | None = None
    account: Account | None = None
    type: Kind | None = None

    @property
    def given(self) -> dict[str, str]:
        """Those that are named."""
        return {name: value for name in _OPTIONS if (value := getattr(self, name)) is not None}


class StartFailure(Model):
    """What to do when the service does not start with one of these Windows errors."""

    codes: Annotated[tuple[int, ...], Field(min_length=1)]
    set: ServiceSettings | None = None
    advice: Sentence | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.set is None) == (self.advice is None):
            raise ValueError("give either set, to go on, or advice, to end with")
        return self


class ServiceStep(Wish):
    """A service with these settings, in this state."""

    name: ServiceName
    start: Start | None = None
    start_accepts: Annotated[
        tuple[Start, ...], Field(description="Start types that are left as they are.")
    ] = ()
    account: Account | None = None
    type: Kind | None = None
    state: Literal["running", "stopped"] | None = None
    restart: Annotated[
        bool, Field(description="Restarted every time, though it may run already.")
    ] = False
    restart_if_changed: Annotated[
        tuple[Slug, ...], Field(description="Restarted when one of these steps changes something.")
    ] = ()
    start_failures: tuple[StartFailure, ...] = ()
    former_process: SkipJsonSchema[Annotated[int | None, Field(exclude=True)]] = None
    former_dependents: SkipJsonSchema[Annotated[tuple[str, ...], Field(exclude=True)]] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self._settings and self.state is None:
            raise ValueError("say what the service shall be: start, account, type or state")
        if (self.restarts or self.start_failures) and self.state != "running":
            raise ValueError("what restarts, or may fail to start, needs `state: running`")
        if self.start_accepts and self.start is None:
            raise ValueError("start_accepts needs start")
        return self

    @property
    def restarts(self) -> bool:
        """Whether it may be restarted."""
        return self.restart or bool(self.restart_if_changed)

    @property
    def title(self) -> str:
        """`service TermService`."""
        return f"service {self.name}"

    @property
    def _settings(self) -> dict[str, str]:
        return ServiceSettings(start=self.start, account=self.account, type=self.type).given

    @property
    def wanted(self) -> State:
        """The settings and the state that are named."""
        found: dict[str, Any] = dict(self._settings)
        if self.state is not None:
            found["state"] = self.state
        if self.restart or self.former_process is not None:
            found["restarted"] = True
        return found

    @property
    def stored(self) -> tuple[Value, ...]:
        """Where the settings stand."""
        key = services.config_key(self.name)
        return tuple(
            Value(key, name) for name in ("Start", "DelayedAutostart", "ObjectName", "Type")
        )

    def read(self) -> Reading:
        """Settings, state, and, where it may be stopped, its process and who needs it."""
        stored = []
        for value in self.stored:
            stored.append((yield value))
        start, delayed, account, kind = stored
        if start is None:
            raise CommandFailed(
                f"the guest has no service {self.name}",
                remedy="Nothing was typed for this step. Is its program installed?",
            )
        found = {
            "start": services.start_word(start, delayed),
            "account": str(account.data) if account is not None else "",
            "type": services.type_word(kind),
        }
        if self.state is None:
            return {name: found[name] for name in self._settings}
        asked = services.query_process if self.restarts else services.query
        answer = yield Ask(asked(self.name))
        state = services.state(answer.output)
        if state is None:
            raise unclear(answer, f"no state of the service {self.name} is shown")
        found["state"] = state.lower()
        process = services.process(answer.output)
        if process is None and self.restarts:
            raise unclear(answer, f"no process of the service {self.name} is shown")
        return {
            **found,
            **({"process": process} if self.restarts else {}),
            "ended": services.ended(answer.output) if state == "STOPPED" else 0,
            **((yield from self._dependents()) if self._may_stop else {}),
        }

    @property
    def _may_stop(self) -> bool:
        return self.restarts or self.state == "stopped"

    def _dependents(self) -> Any:
        answer = yield Ask(services.dependents(self.name))
        if answer.exit_code:
            raise unclear(answer, f"which services need {self.name} is not shown")
        states = services.states(answer.output)

        def those(wanted: str) -> list[str]:
            return sorted(name for name, state in states.items() if state == wanted)

        return {"dependents": those("RUNNING"), "starting": those("START_PENDING")}

    def accepts(self, exit_code: int) -> bool:
        """Also that it runs already."""
        return exit_code in (0, services.ALREADY_RUNNING)

    def pending(self, state: State) -> bool:
        """Starting or stopping; or what was stopped with it still starts."""
        if not isinstance(state, dict):
            return False
        coming = set(self._missing(state)) & set(state.get("starting", ()))
        return state.get("state") in _ON_THE_WAY or bool(coming)

    def distance(self, state: State) -> int:
        """Settings, state and dependents that differ; a restart that is still to come counts more
        than all that it will stop."""
        to_stop = 2 + len(self.former_dependents) if self._old_process(state) else 0
        return len(self._wrong(state)) + len(self._missing(state)) + to_stop

    def _wrong(self, state: State) -> list[str]:
        wrong = differing(self._settings, state)
        assert isinstance(state, dict)  # noqa: S101 - what it reads
        accepted = (*self.start_accepts, *(["delayed-auto"] if self.start == "auto" else []))
        if "start" in wrong and state["start"] in accepted:
            wrong.remove("start")
        if self.state is not None and state["state"] != self.state:
            wrong.append("state")
        return wrong

    def _old_process(self, state: State) -> bool:
        process = state.get("process") if isinstance(state, dict) else None
        return self.former_process is not None and process == self.former_process

    def _missing(self, state: State) -> list[str]:
        """Services that ran because of this one, and were stopped with it."""
        running = state.get("dependents", ()) if isinstance(state, dict) else ()
        return [name for name in self.former_dependents if name not in running]

    def line(self, state: State) -> str:
        """The settings first; then stop or start; then those that were stopped with it."""
        assert isinstance(state, dict)  # noqa: S101 - what it reads
        wrong = self._wrong(state)
        for name, option in _OPTIONS.items():
            if name in wrong:
                return services.configure(self.name, option, self._settings[name])
        if self._old_process(state) and state["state"] == "running":
            return services.stop(self.name)
        if self.state == "stopped" or state["state"] in _ON_THE_WAY:
            return services.stop(self.name)
        if state["state"] == self.state:
            return services.start(self._missing(state)[0])
        return services.start(self.name)

    def prepared(self, former: State, *, restart: bool = False) -> Self:
        """With the process that has to go, where it is to be restarted, and who has to be back."""
        process = former.get("process") if isinstance(former, dict) else None
        if not (self.restart or restart) or not process:
            return self
        assert isinstance(former, dict)  # noqa: S101 - it has a process
        back = {"former_process": process, "former_dependents": _needing(former)}
        return self.model_copy(update=back)

    def seen(self, state: State) -> Self:
        """Its old process has done with it once it is seen without: where services share one, the
        restarted service is in the same process again (before Windows 10 1703)."""
        if self.former_process is None or self._old_process(state):
            return self
        return self.model_copy(update={"former_process": None})

    def otherwise(self, state: State, exit_code: int) -> Wish | None:
        """The branch for the error that the service did not start with."""
        assert isinstance(state, dict)  # noqa: S101 - what it reads
        settings = set(self._wrong(state)) & set(_OPTIONS)
        if not settings and self.line(state) != services.start(self.name):
            return None  # what failed was something else, and `net` has other exit codes
        branches = [each for each in self.start_failures if exit_code in each.codes]
        if not branches or (settings and branches[0].set is not None):
            return None
        if (change := branches[0].set) is None:
            raise CommandFailed(
                f"the service {self.name} does not start, Windows error {exit_code}",
                remedy=f"{branches[0].advice}",
            )
        if "account" in change.given and not _can_be_named(state["account"]):
            raise CommandFailed(
                f"the service {self.name} does not start as {state['account']}, error {exit_code}",
                remedy="Its password is not known here, so that account could not be put back. "
                "Change the account by hand.",
            )
        others = tuple(each for each in self.start_failures if each is not branches[0])
        return self.model_copy(update={**change.given, "start_failures": others})

    def restoring(self, former: State) -> tuple[Wish, ...]:
        """The former settings, those that only a branch would change too, and the former state."""
        assert isinstance(former, dict)  # noqa: S101 - what it reads
        may_change = set(self._settings)
        for failure in self.start_failures:
            may_change |= set(failure.set.given if failure.set else ())
        settings = {name: former[name] for name in sorted(may_change)}
        if "account" in settings and not _can_be_named(former["account"]):
            if self.account is not None:
                raise UnsafeStep(
                    f"service {self.name}: its account {former['account']} could not be put back",
                    remedy="Its password is not known here. Change the account by hand.",
                )
            settings.pop("account")
        state = former.get("state")
        if state is not None:
            if state not in _ENDS_AS:
                raise UnsafeStep(
                    f"service {self.name} is {state}, which could not be put back",
                    remedy="Nothing was changed. Let it go on (`sc continue`), or stop it.",
                )
            settings["state"] = state = _ENDS_AS[state]
        try:
            back = ServiceStep(
                name=self.name,
                restart_if_changed=self.restart_if_changed if state == "running" else (),
                **settings,
            )
        except ValueError as error:
            raise UnsafeStep(
                f"service {self.name}: what it is now could not be put back: {error}",
                remedy="Change this service by hand.",
            ) from error
        if state != "running" or not self._may_stop:
            return (back,)
        return (back, *(ServiceStep(name=name, state="running") for name in _needing(former)))


def _needing(former: Mapping[str, Any]) -> tuple[str, ...]:
    """The services that ran because of it, or were about to."""
    return (*former["dependents"], *former.get("starting", ()))


def _can_be_named(account: str) -> bool:
    try:
        _account(account)
    except ValueError:
        return False
    return True
