"""A failure in full: what and where, the last screen, whether the guest was touched, what now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from serialfix.printable import printable


_TOUCHED = {
    "no": "Nothing in the VM was changed.",
    "maybe": "The VM may have been changed: a line was entered and its end is not known.",
    "yes": "The VM was changed; see the steps.",
}


_OFF_VM = ("usage", "record", "target", "replay")  # where a VM is not in question


def _lines(text: str) -> str:
    """Further lines are indented: none can pass for one of ours."""
    return printable(text, keep="\n\t").replace("\n", "\n  ")


def lines(error: Mapping[str, str]) -> Iterator[str]:
    """The error for a terminal. Guest text in it is shown escaped."""
    yield f"Error: {_lines(error.get('message', ''))}"
    for name in ("state", "expected"):
        if error.get(name):
            yield f"  {name}: {printable(error[name])}"
    if error.get("screen"):
        yield "  last screen:"
        rows = error["screen"].splitlines()
        yield from (f"  | {printable(row)}" for row in rows if row.strip())
    if error.get("remedy"):
        yield f"  {_lines(error['remedy'])}"
    if error.get("touched") and error.get("slug", "").split(".")[0] not in _OFF_VM:
        yield f"  {_TOUCHED.get(error['touched'], printable(error['touched']))}"
    yield f"  [{printable(error.get('slug', 'internal'))}]"
