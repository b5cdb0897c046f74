"""The values of `-o`; a module of its own because `--help` needs it and nothing else."""

from __future__ import annotations

from enum import StrEnum


class OutputFormat(StrEnum):
    """Output formats, named as az names them."""

    TABLE = "table"
    JSON = "json"
    JSONC = "jsonc"
    YAML = "yaml"
    TSV = "tsv"
    NONE = "none"
