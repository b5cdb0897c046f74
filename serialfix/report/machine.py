"""Results for programs, in az's output formats."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from serialfix.printable import printable
from serialfix.report.formats import OutputFormat
from serialfix.result import plain


def run_schema() -> dict[str, Any]:
    """The JSON Schema of `run_json`."""
    return shipped_schema("run-1")


def shipped_schema(name: str) -> dict[str, Any]:
    """A JSON Schema that ships with the package, e.g. `fleet-plan-1`."""
    from importlib.resources import files

    text = files("serialfix").joinpath("schemas", f"{name}.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return json.dumps(value, separators=(",", ":"))
    return "" if value is None else printable(str(value))


def no_order(text: str, hash_sign: str) -> str:
    """JSON or YAML in which a pipeline that shows it finds no order to it: they may stand anywhere.

    Only text in quotes holds `##vso[` or `##[`, and there a `#` may be written as an escape.
    """
    return re.sub(r"##(?=vso\[|\[)", lambda _: f"{hash_sign}#", text, flags=re.IGNORECASE)


def write(
    data: Any,
    output: OutputFormat,
    *,
    rows: Sequence[Mapping[str, Any]],
    stream: TextIO | None = None,
) -> None:
    """Write `data` to stdout in a machine's format; tsv writes `rows`, without a head, as az does.

    TABLE and NONE write nothing: a table is the matter of whoever knows its columns.
    """
    out = stream or sys.stdout
    data = plain(data)
    match output:
        case OutputFormat.JSON:
            print(no_order(json.dumps(data, indent=2), "\\u0023"), file=out)
        case OutputFormat.JSONC:
            from rich.console import Console
            from rich.highlighter import JSONHighlighter

            coloured = JSONHighlighter()(no_order(json.dumps(data, indent=2), "\\u0023"))
            Console(file=out, soft_wrap=True).print(coloured)
        case OutputFormat.YAML:
            import yaml

            def dump(**style: Any) -> str:
                return str(yaml.safe_dump(data, sort_keys=False, width=100, **style))

            text = dump(allow_unicode=True)
            # PyYAML counts bidi characters and Unicode's blanks among the readable ones
            if text != printable(text, keep="\n"):
                text = no_order(dump(default_style='"'), "\\x23")
            print(text, end="", file=out)
        case OutputFormat.TSV:
            for row in rows:
                print("\t".join(_cell(cell) for cell in plain(row).values()), file=out)
        case _:
            pass
