"""The playbook format, version 1, as frozen models.

A playbook names wanted ends, never commands; what is typed is decided by the kinds of steps
(`playbook/steps`) and on the floors below.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from serialfix.playbook.steps.account import AccountStep
from serialfix.playbook.steps.bcd import BcdStep
from serialfix.playbook.steps.command import CommandStep, LookStep
from serialfix.playbook.steps.firewall import FirewallProfileStep, FirewallRuleStep
from serialfix.playbook.steps.network import NetworkStep
from serialfix.playbook.steps.registry import (
    RegistryImportStep,
    RegistryKeyStep,
    RegistryRemovalStep,
    RegistryStep,
)
from serialfix.playbook.steps.service import ServiceStep
from serialfix.playbook.steps.wish import State, Value, Wish
from serialfix.playbook.values import (
    KeyPath,
    Model,
    Sentence,
    ServiceName,
    Slug,
    ValueName,
    exactly_one,
    one_of,
)


Scalar = bool | int | str
Guest = Literal["ws2016", "ws2019", "ws2022", "ws2025"]
ParameterName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]

_TYPES: Mapping[str, type] = {"text": str, "integer": int, "boolean": bool}


class Parameter(Model):
    """What the person who runs the playbook decides. Without a default it must be given."""

    type: Literal["text", "integer", "boolean"] = "text"
    why: Sentence
    default: Scalar | None = None
    example: Annotated[
        Scalar | None, Field(description="Stands for the value in documents and tests.")
    ] = None
    choices: tuple[Scalar, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    pattern: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.default is None and self.example is None:
            raise ValueError("give a default, or an example when it must be given")
        if self.pattern is not None:
            try:
                re.compile(self.pattern)
            except re.error as error:
                raise ValueError(f"pattern is no regular expression: {error}") from None
        for value in (self.default, self.example, *self.choices):
            if value is not None:
                self.check(value)
        return self

    def check(self, value: Scalar) -> Scalar:
        """The value. Raises ValueError when it is not one that may be given."""
        if type(value) is not _TYPES[self.type]:
            raise ValueError(f"{value!r} is no {self.type}")
        if self.choices and value not in self.choices:
            raise ValueError(f"{value!r} is none of {', '.join(map(str, self.choices))}")
        if isinstance(value, str) and self.pattern and not re.fullmatch(self.pattern, value):
            raise ValueError(f"{value!r} does not match {self.pattern}")
        if self.type == "integer":
            if self.minimum is not None and int(value) < self.minimum:
                raise ValueError(f"{value} is less than {self.minimum}")
            if self.maximum is not None and int(value) > self.maximum:
                raise ValueError(f"{value} is more than {self.maximum}")
        return value

    def parsed(self, text: str) -> Scalar:
        """The value out of a command line. Raises ValueError."""
        match self.type:
            case "text":
                return self.check(text)
            case "boolean":
                known = {"true": True, "yes": True, "false": False, "no": False}
                if text.lower() not in known:
                    raise ValueError(f"{text!r} is neither true nor false")
                return known[text.lower()]
            case _:
                if not re.fullmatch(r"-?[0-9]+|0x[0-9a-fA-F]+", text):
                    raise ValueError(f"{text!r} is no number")
                return self.check(int(text, 0 if text.startswith("0x") else 10))

    @property
    def value(self) -> Scalar:
        """The default, or the example where a value must be given."""
        value = self.default if self.default is not None else self.example
        assert value is not None  # noqa: S101 - _check holds it
        return value

    @property
    def shown(self) -> str:
        """That value as a command line gives it."""
        return str(self.value).lower() if self.type == "boolean" else str(self.value)


class FactRegistry(Model):
    """A registry value."""

    key: KeyPath
    value: ValueName

    @property
    def question(self) -> Value:
        """What is asked in the guest."""
        return Value(self.key, self.value)


class Fact(Model):
    """Something that is read before the plan is made, for `when`."""

    id: Slug
    registry: FactRegistry


class When(Model):
    """The condition of a step: a fact or a parameter is, or is not, one of these.

    A registry value that is not there is `absent`.
    """

    model_config = one_of("fact", "parameter")

    fact: Slug | None = None
    parameter: ParameterName | None = None
    among: Annotated[tuple[Scalar, ...] | None, Field(alias="is", min_length=1)] = None
    not_among: Annotated[tuple[Scalar, ...] | None, Field(alias="is_not", min_length=1)] = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        exactly_one(self, "fact", "parameter")
        if (self.among is None) == (self.not_among is None):
            raise ValueError("exactly one of is, is_not must stand here")
        return self

    def holds(self, found: Scalar) -> bool:
        """Whether the condition holds for what was found."""
        listed = any(
            found == each and type(found) is type(each)
            for each in self.among or self.not_among or ()
        )
        return listed == (self.among is not None)

    def __str__(self) -> str:
        name = self.fact or self.parameter
        word, values = ("is", self.among) if self.among else ("is not", self.not_among)
        return f"{name} {word} {' or '.join(map(str, values or ()))}"


_KINDS = (
    "registry",
    "registry_key",
    "registry_removal",
    "registry_import",
    "service",
    "firewall_rule",
    "firewall_profile",
    "bcd",
    "network",
    "account",
    "command",
    "look",
)


class Step(Model):
    """One wanted end and the reason for it; exactly one kind is given."""

    model_config = one_of(*_KINDS)

    id: Slug
    why: Sentence
    when: When | None = None
    registry: RegistryStep | None = None
    registry_key: RegistryKeyStep | None = None
    registry_removal: RegistryRemovalStep | None = None
    registry_import: RegistryImportStep | None = None
    service: ServiceStep | None = None
    firewall_rule: FirewallRuleStep | None = None
    firewall_profile: FirewallProfileStep | None = None
    bcd: BcdStep | None = None
    network: NetworkStep | None = None
    account: AccountStep | None = None
    command: CommandStep | None = None
    look: LookStep | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        exactly_one(self, *_KINDS)
        return self

    @property
    def kind(self) -> str:
        """The name of the kind that is given."""
        return next(kind for kind in _KINDS if getattr(self, kind) is not None)

    @property
    def wish(self) -> Wish:
        """The wanted end."""
        wish: Wish = getattr(self, self.kind)
        return wish

    @property
    def title(self) -> str:
        """The step in one line, as plans and reports show it."""
        return self.wish.title

    @classmethod
    def of(cls, wish: Wish, *, id: str, why: str) -> Step:
        """The step for a wish."""
        kinds = {cls.model_fields[kind].annotation: kind for kind in _KINDS}
        (kind,) = (kind for annotation, kind in kinds.items() if type(wish) in _members(annotation))
        given: dict[str, Any] = {kind: wish}
        return cls(id=id, why=why, **given)


def _members(annotation: Any) -> tuple[Any, ...]:
    return getattr(annotation, "__args__", (annotation,))


class ServiceProof(Model):
    """A Windows service is in this state."""

    name: ServiceName
    state: Literal["running"]


class ListenerProof(Model):
    """Something in the guest listens on this TCP port; with `service`, that service does."""

    port: Annotated[int, Field(ge=1, le=65535)]
    service: ServiceName | None = None


class Proof(Model):
    """What must hold at the end; what the steps want is proven without being named here."""

    model_config = one_of("service", "listener")

    service: ServiceProof | None = None
    listener: ListenerProof | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        exactly_one(self, "service", "listener")
        return self

    @property
    def id(self) -> str:
        """`service:TermService` or `listener:3389`."""
        if self.service is not None:
            return f"service:{self.service.name}"
        assert self.listener is not None  # noqa: S101 - _check holds it
        return f"listener:{self.listener.port}"


class Playbook(Model):
    """One named fix."""

    model_config = ConfigDict(title="serialfix playbook, version 1")

    format: Literal[1] = Field(alias="schema")
    name: Slug
    version: Sentence
    title: Sentence
    description: str = ""
    symptoms: tuple[Sentence, ...] = ()
    sources: tuple[Sentence, ...] = ()
    applies_to: Annotated[
        tuple[Guest, ...], Field(description="Guests that it is meant for; none named: all.")
    ] = ()
    security: tuple[Sentence, ...] = Field(default=(), description="What this playbook lowers.")
    undo: Annotated[
        Sentence | None, Field(description="What `serialfix undo` does not put back, and how.")
    ] = None
    restart: Literal["never", "if_changed", "always"]
    parameters: dict[ParameterName, Parameter] = Field(default_factory=dict)
    facts: tuple[Fact, ...] = ()
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=500)]
    proofs: tuple[Proof, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        seen: dict[tuple[str, ...], int] = {}
        for number, step in enumerate(self.steps):
            ends: list[tuple[str, ...]] = [(step.id,)]
            if step.registry is not None and step.when is None:
                ends.append((step.registry.key.casefold(), step.registry.value.casefold()))
            for end in ends:
                if end in seen:
                    what = "has the same id as" if len(end) == 1 else "sets the same value as"
                    raise PydanticCustomError(
                        "twice",
                        "this step {what} step {other}",
                        {"what": what, "other": seen[end], "at": ("steps", number)},
                    )
                seen[end] = number + 1
            self._check_names(number, step)
        return self

    def _check_names(self, number: int, step: Step) -> None:
        """What a step names must be there: facts, parameters, other steps."""
        facts = {fact.id for fact in self.facts}
        ids = {other.id for other in self.steps}
        named: list[tuple[str, str, set[str], tuple[str | int, ...]]] = []
        if step.when is not None and step.when.fact is not None:
            named.append(("fact", step.when.fact, facts, ("when", "fact")))
        if step.when is not None and step.when.parameter is not None:
            known = set(self.parameters)
            named.append(("parameter", step.when.parameter, known, ("when", "parameter")))
        if step.service is not None:
            for other in step.service.restart_if_changed:
                named.append(("step", other, ids, ("service", "restart_if_changed")))
        for what, name, known, where in named:
            if name not in known:
                raise PydanticCustomError(
                    "unknown_name",
                    "there is no {what} {name}; known are {known}",
                    {
                        "what": what,
                        "name": name,
                        "known": ", ".join(sorted(known)) or "none",
                        "at": ("steps", number, *where),
                    },
                )

    def is_for(self, os_name: str) -> bool:
        """Whether it is meant for a Windows of this name; one that tells no year may be any."""
        year = re.search(r"Server (20\d\d)", os_name)
        return not self.applies_to or year is None or f"ws{year[1]}" in self.applies_to

    def applies(self, step: Step, facts: Mapping[str, State]) -> bool:
        """Whether the condition of a step holds for these facts."""
        return step.when is None or step.when.holds(self.compared(step.when, facts))

    def compared(self, when: When, facts: Mapping[str, State]) -> Scalar:
        """What a condition is about: the value of its parameter, or what was found."""
        if when.parameter is not None:
            return self.parameters[when.parameter].value
        return fact_word(facts[when.fact or ""])


def fact_word(state: State) -> Scalar:
    """What `when` compares: the data of a registry value, or `absent`."""
    data = getattr(state, "data", "absent")
    return data if isinstance(data, int | str) else str(data)


def json_schema() -> dict[str, Any]:
    """The format as JSON Schema draft-07, the newest that YAML language servers read."""
    schema = Playbook.model_json_schema(by_alias=True, ref_template="#/definitions/{model}")
    schema["definitions"] = {
        name: model if name == "Parameter" else _or_parameter(model)
        for name, model in schema.pop("$defs").items()
    }
    return {"$schema": "http://json-schema.org/draft-07/schema#", **schema}


_NAMED = r"\$\{[a-z][a-z0-9_]{0,39}\}"


def _or_parameter(schema: Any) -> Any:
    """Where a number, a truth value, or not any text may stand, a parameter may, too."""
    match schema:
        case {"anyOf": [*kinds]}:
            return {**schema, "anyOf": [_or_parameter(kind) for kind in kinds]}
        case {"properties": dict(fields)}:
            parts = {name: _or_parameter(field) for name, field in fields.items()}
            return {**schema, "properties": parts}
        case {"items": items}:
            return {**schema, "items": _or_parameter(items)}
        case (
            {"type": "integer" | "number" | "boolean"}
            | {"type": "string", "pattern": _}
            | {"enum": _}
        ):
            about = {name: schema[name] for name in _ABOUT if name in schema}
            plain = {name: part for name, part in schema.items() if name not in about}
            whole = "pattern" not in schema  # a text may hold it, a number is it
            named = {"type": "string", "pattern": f"^{_NAMED}$" if whole else _NAMED}
            return {**about, "anyOf": [plain, named]}
        case _:
            return schema


_ABOUT = ("title", "description", "default")
