"""Journals in tests that have no event loop of their own."""

from __future__ import annotations

import asyncio
from typing import Any

from serialfix.record.journal import JournalPort, Record


def tell(journal: JournalPort, kind: str, /, **facts: Any) -> Record:
    """Append one record."""
    return asyncio.run(journal.append(kind, **facts))
