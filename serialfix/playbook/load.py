"""Playbooks from files: found by name, checked, and refused with file:line:column.

The text is read event by event, not by a YAML constructor: that keeps the place of every key, and
leaves out what has no business in a playbook (tags, recursive aliases, dates, octal numbers).
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from serialfix.errors import PlaybookError
from serialfix.playbook.library import playbook_files
from serialfix.playbook.schema import Playbook
from serialfix.playbook.values import is_part_of_a_word


MAX_BYTES = 256 * 1024
MAX_DEPTH = 20

_BOOL = re.compile(r"(?i:yes|no|true|false|on|off)")
_PARAMETER = re.compile(r"\$(\$\{|\{([^}]*)\})")
_LINES = frozenset(
    {("command", "check"), ("command", "run"), ("command", "undo"), ("look", "command")}
)
"""Where command lines stand in a step."""
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?[0-9]+\.[0-9]*")
_NULL = ("", "~", "null", "Null", "NULL")
_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster, not on every platform
_WRITER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

_MESSAGES = {
    "string_too_short": "must not be empty",
    "too_short": "needs at least one entry",
    "tuple_type": "must be a list",
    "model_type": "must be a mapping with keys",
    "int_type": "must be a number",
    "string_type": "must be a text",
    "string_pattern_mismatch": "may hold only letters, digits, dot, hyphen and underscore",
}


@dataclass(frozen=True, slots=True)
class LoadedPlaybook:
    """A checked playbook with the text it came from; `sha256` is that of the text."""

    playbook: Playbook
    text: str
    sha256: str
    path: str

    @property
    def needed(self) -> tuple[str, ...]:
        """The parameters that have no value yet."""
        parameters = self.playbook.parameters.items()
        return tuple(name for name, parameter in parameters if parameter.default is None)


@dataclass(slots=True)
class Node:
    """A piece of the document: its data, and where it and its keys stand."""

    data: typing.Any
    mark: typing.Any
    plain: str | None = None
    end: typing.Any = None
    """Where a scalar ends."""
    children: dict[str | int, Node] = field(default_factory=dict)
    keys: dict[str, typing.Any] = field(default_factory=dict)


class _Reader:
    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.events = iter(yaml.parse(text, Loader=_PARSER))
        self.anchors: dict[str, Node] = {}

    def error(self, message: str, mark: typing.Any, remedy: str = "") -> PlaybookError:
        return PlaybookError(
            message, file=self.file, line=mark.line + 1, column=mark.column + 1, remedy=remedy
        )

    def document(self) -> Node:
        next(self.events)  # stream start
        event = next(self.events)
        if not isinstance(event, yaml.DocumentStartEvent):
            raise PlaybookError("the file is empty", file=self.file)
        root = self.node(next(self.events), 0)
        next(self.events)  # document end
        event = next(self.events)
        if isinstance(event, yaml.DocumentStartEvent):
            raise self.error("a playbook is one document; remove the second", event.start_mark)
        return root

    def node(self, event: typing.Any, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self.error(f"nested deeper than {MAX_DEPTH} levels", event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                raise self.error(
                    f"the alias *{event.anchor} stands for a text or number given before it,"
                    " and there is none",
                    event.start_mark,
                )
            known = self.anchors[event.anchor]
            return Node(known.data, event.start_mark, known.plain)
        if event.tag not in (None, "!"):
            raise self.error(f"the tag {event.tag} has no meaning in a playbook", event.start_mark)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(event, depth)
        if isinstance(event, yaml.MappingStartEvent):
            return self.mapping(event, depth)
        plain = event.value if event.implicit[0] and event.tag is None else None
        data = event.value if plain is None else _scalar(plain)
        node = Node(data, event.start_mark, plain, event.end_mark)
        if event.anchor:  # only scalars get a name: aliases of trees are how bombs are made
            self.anchors[event.anchor] = node
        return node

    def sequence(self, event: typing.Any, depth: int) -> Node:
        node = Node((), event.start_mark)
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            node.children[len(node.children)] = self.node(event, depth + 1)
        node.data = tuple(child.data for child in node.children.values())
        return node

    def mapping(self, event: typing.Any, depth: int) -> Node:
        node = Node({}, event.start_mark)
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.node(event, depth + 1)
            if not isinstance(key.data, str):
                raise self.error("a key must be a text", key.mark, "Put the key in quotes.")
            if key.data in node.keys:
                first = node.keys[key.data].line + 1
                raise self.error(f"the key {key.data} stands twice (line {first})", key.mark)
            node.keys[key.data] = key.mark
            node.children[key.data] = self.node(next(self.events), depth + 1)
        node.data = {key: child.data for key, child in node.children.items()}
        return node


def _scalar(text: str) -> str | int | float | bool | None:
    """What a plain scalar means. A subset of YAML 1.1, so that texts written by PyYAML survive."""
    if text in _NULL:
        return None
    if _BOOL.fullmatch(text):
        return text.lower() in ("yes", "true", "on")
    if _INT.fullmatch(text):
        return int(text, 16 if text.startswith("0x") else 10)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _nested_model(annotation: typing.Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_nested_model, typing.get_args(annotation))), None)


def _allowed(location: tuple[str | int, ...]) -> list[str]:
    """The keys that may stand in the mapping at this place."""
    model: type[BaseModel] | None = Playbook
    for part in location:
        if model is not None and isinstance(part, str) and part in model.model_fields:
            model = _nested_model(model.model_fields[part].annotation)
    if model is None:
        return []
    return [info.alias or name for name, info in model.model_fields.items()]


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), 1)
    return f"did you mean {near[0]}?" if near else ""


def _explain(node: Node, kind: str, message: str) -> str:
    """Wrong types in the words of somebody who writes YAML."""
    if kind == "string_type" and isinstance(node.data, bool):
        return f"YAML reads {node.plain} as true or false; write '{node.plain}' in quotes"
    if kind == "string_type" and isinstance(node.data, int | float):
        return f"YAML reads {node.plain} as a number; write '{node.plain}' in quotes"
    if node.data is None and kind.endswith("_type"):
        return "nothing stands after the colon"
    if kind.endswith("_type") and isinstance(node.data, bool):
        return f"{message} (YAML reads {node.plain} as true or false)"
    return message


def _problem(root: Node, problem: ErrorDetails) -> tuple[str, typing.Any]:
    """One mistake as (message, mark)."""
    context = problem.get("ctx", {})
    location = context.get("at", problem["loc"])
    chain, path = [root], list[str | int]()
    for part in location:  # parts that are no key name a member of a union
        if part in chain[-1].children:
            chain.append(chain[-1].children[part])
            path.append(part)
    node, kind = chain[-1], problem["type"]
    if kind == "missing":
        return f"the key {location[-1]} is missing", node.mark
    if kind == "extra_forbidden":
        key, known = str(path.pop()), _allowed(tuple(path))
        hint = _nearest(key, known) or f"known are {', '.join(known)}"
        return f"unknown key {key}; {hint}", chain[-2].keys[key]
    if kind in ("literal_error", "enum"):
        expected = str(context["expected"])
        hint = _nearest(str(node.data), re.findall(r"'([^']+)'", expected))
        text = f"must be {expected}{hint and '; ' + hint}"
    else:
        text = _MESSAGES.get(kind, problem["msg"].removeprefix("Value error, "))
    where = ".".join(str(part + 1 if isinstance(part, int) else part) for part in path)
    return f"{where}: {_explain(node, kind, text)}" if where else text, node.mark


def _problems(root: Node, error: ValidationError) -> list[tuple[str, typing.Any]]:
    """All mistakes in the order of the file, one for each place; what is missing comes last."""
    found: dict[tuple[bool, int, int, str], tuple[str, typing.Any]] = {}
    for problem in error.errors(include_url=False):
        if problem["type"] == "too_short" and problem["input"]:
            continue  # pydantic counts only the entries that are right
        message, mark = _problem(root, problem)
        missing = problem["type"] == "missing"
        # a union reports one place once for each of its types
        place = (missing, mark.line, mark.column, message if missing else "")
        found.setdefault(place, (message, mark))
    return [found[place] for place in sorted(found)]


def parse_document(text: str, *, file: str = "<playbook>") -> Node:
    """The text as a tree that knows the place of everything in it, not checked any further.

    Raises PlaybookError when it is not a YAML mapping.
    """
    return _document(text, file)[1]


def _document(text: str, file: str) -> tuple[_Reader, Node]:
    if len(text) > MAX_BYTES:
        raise PlaybookError(f"larger than {MAX_BYTES // 1024} KiB", file=file)
    try:
        reader = _Reader(text.removeprefix("\ufeff"), file)
        root = reader.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = {"line": mark.line + 1, "column": mark.column + 1} if mark else {}
        raise PlaybookError(
            f"not YAML: {error.problem or error.context}",
            file=file,
            remedy="Look at the indentation, and put texts with : or # in quotes.",
            **place,
        ) from error
    except yaml.YAMLError as error:
        raise PlaybookError(f"not YAML: {str(error).splitlines()[0]}", file=file) from error
    if not isinstance(root.data, dict):
        raise reader.error("a playbook is a mapping that begins with schema: 1", root.mark)
    return reader, root


def parse_playbook(text: str, *, file: str = "<playbook>") -> LoadedPlaybook:
    """Check the text of a playbook. Raises PlaybookError that names every mistake by its place."""
    text = text.removeprefix("\ufeff")
    reader, root = _document(text, file)
    if "${" in text:
        _substitute(reader, root)
    try:
        playbook = Playbook.model_validate(root.data)
    except ValidationError as error:
        (message, mark), *others = _problems(root, error)
        lines = (f"{file}:{at.line + 1}:{at.column + 1}: {more}" for more, at in others)
        raise reader.error(
            "\n".join((message, *lines)), mark, "The format is described in docs/playbooks.md."
        ) from None
    if (word := _yaml_1_1(root)) is not None:
        raise reader.error(f"write true or false, not {word.plain}", word.mark)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return LoadedPlaybook(playbook, text, digest, file)


def _substitute(reader: _Reader, root: Node) -> None:
    """Put the values of the parameters in their places, before anything is checked."""
    values = {}
    given = root.children.get("parameters")
    if given is None and set(root.keys) - set(_allowed(())):
        return  # it may be the one that is misspelt: that is told
    for name, node in given.children.items() if given else ():
        data = node.data if isinstance(node.data, dict) else {}
        default = data.get("default")
        values[str(name)] = data.get("example") if default is None else default
    for part in ("facts", "steps", "proofs"):
        if part in root.children:
            root.data[part] = _substituted(reader, root.children[part], values)


def _substituted(
    reader: _Reader, node: Node, values: Mapping[str, typing.Any], path: tuple[str | int, ...] = ()
) -> typing.Any:
    """The data of a node with the values in it; a node that is nothing but one keeps its type.

    `path` are the last two keys above it: in a command line a value must stay a part of a word.
    """

    def value(match: re.Match[str]) -> typing.Any:
        if match[2] is None:
            return "${"
        if match[2] not in values:
            hint = _nearest(match[2], values) or f"known are {', '.join(values) or 'none'}"
            raise reader.error(f"there is no parameter {match[2]}; {hint}", node.mark)
        found = values[match[2]]
        if path in _LINES and isinstance(found, str) and not is_part_of_a_word(found):
            raise reader.error(
                f"{match[2]} is {found!r}: in a command line a parameter may hold letters, digits,"
                " and between them . _ - : @ \\ only, for the shell to read nothing else in it",
                node.mark,
                "Use another kind of step, which quotes what it types.",
            )
        return found

    if isinstance(node.data, dict):
        for key, child in node.children.items():
            node.data[key] = _substituted(reader, child, values, (*path[-1:], key))
    elif isinstance(node.data, tuple):
        parts = (
            _substituted(reader, child, values, (*path[-1:], at))
            for at, child in node.children.items()
        )
        node.data = tuple(parts)
    elif isinstance(node.data, str) and "${" in node.data:
        whole = _PARAMETER.fullmatch(node.data)
        node.data = value(whole) if whole else _PARAMETER.sub(lambda m: str(value(m)), node.data)
    return node.data


def _yaml_1_1(node: Node) -> Node | None:
    """The first yes, no, on or off that stands for a truth value: YAML 1.2 reads texts there."""
    if isinstance(node.data, bool) and node.plain and node.plain.lower() not in ("true", "false"):
        return node
    return next(filter(None, map(_yaml_1_1, node.children.values())), None)


def bind(loaded: LoadedPlaybook, given: Mapping[str, str]) -> LoadedPlaybook:
    """The playbook with these values for its parameters; its text then holds them, its sha256
    stays that of the text it came from.

    Raises PlaybookError for a parameter that does not exist, a value that it does not take, and
    for one that must be given and is not.
    """
    playbook = loaded.playbook
    for name in given:
        if name not in playbook.parameters:
            known = ", ".join(playbook.parameters) or "none"
            hint = _nearest(name, playbook.parameters) or f"known are {known}"
            raise PlaybookError(f"{playbook.name} has no parameter {name}; {hint}")
    if missing := [name for name in loaded.needed if name not in given]:
        whys = (f"--set {name}=...  {playbook.parameters[name].why}" for name in missing)
        raise PlaybookError(
            f"{playbook.name} must be told: {', '.join(missing)}", remedy="\n".join(whys)
        )
    if not given:
        return loaded
    tree = as_written(loaded)
    for name, text in given.items():
        try:
            value = playbook.parameters[name].parsed(text)
        except ValueError as error:
            raise PlaybookError(
                f"--set {name}: {error}", remedy=playbook.parameters[name].why
            ) from None
        tree["parameters"][name]["default"] = value
    try:
        bound = parse_playbook(_written(tree), file=loaded.path)
    except PlaybookError as error:  # its places are those of a text that nobody has seen
        told = re.sub(rf"^{re.escape(loaded.path)}:[0-9]+:[0-9]+: ", "", str(error), flags=re.M)
        raise PlaybookError(
            f"{playbook.name} with --set {' '.join(given)}: {told}", remedy=error.remedy
        ) from None
    return replace(bound, sha256=loaded.sha256)


def as_written(loaded: LoadedPlaybook) -> dict[str, typing.Any]:
    """The document as data, as it was written."""
    data = parse_document(loaded.text, file=loaded.path).data
    assert isinstance(data, dict)  # noqa: S101 - it was loaded
    return data


def load_playbook(path: str | Path) -> LoadedPlaybook:
    """Read a playbook from a file. Raises PlaybookError."""
    try:
        with Path(path).open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
        return parse_playbook(raw.decode("utf-8"), file=str(path))
    except OSError as error:
        raise PlaybookError(f"cannot be read: {error.strerror or error}", file=str(path)) from error
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise PlaybookError("not UTF-8", file=str(path), line=line, column=1) from error


def find_playbook(name_or_path: str, *, environ: Mapping[str, str] | None = None) -> LoadedPlaybook:
    """A playbook by its name, or by its path when there is a separator or .yaml in it."""
    if re.search(r"[/\\]|\.ya?ml$", name_or_path):
        return load_playbook(name_or_path)
    known = playbook_files(os.environ if environ is None else environ)
    if name_or_path not in known:
        hint = _nearest(name_or_path, known)
        raise PlaybookError(
            f"no playbook is called {name_or_path!r}{hint and '; ' + hint}",
            remedy="See `serialfix playbook list`, or give the path of a file.",
        )
    loaded = load_playbook(known[name_or_path])
    if loaded.playbook.name != name_or_path:
        raise PlaybookError(
            f"the name inside is {loaded.playbook.name}; file and playbook must be named alike",
            file=loaded.path,
        )
    return loaded


def dump_playbook(playbook: Playbook) -> str:
    """The playbook as YAML that `parse_playbook` reads back as an equal one."""
    data = playbook.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    for part in ("facts", "steps", "proofs"):
        if part in data:
            data[part] = _escaped(data[part])
    return _written(data)


def _escaped(data: typing.Any) -> typing.Any:
    """Texts in which `${` names no parameter."""
    match data:
        case str():
            return data.replace("${", "$${")
        case dict():
            return {key: _escaped(value) for key, value in data.items()}
        case list():
            return [_escaped(value) for value in data]
        case _:
            return data


def _written(data: typing.Any) -> str:
    plain = json.loads(json.dumps(data))  # tuples are lists in YAML

    def dump(*, readable: bool) -> str:
        return str(
            yaml.dump(plain, Dumper=_WRITER, sort_keys=False, allow_unicode=readable, width=100)
        )

    text = dump(readable=True)
    # PyYAML writes Unicode's other line breaks as they are, and they are folded when read back
    return text if text.replace("\n", "").isprintable() else dump(readable=False)
