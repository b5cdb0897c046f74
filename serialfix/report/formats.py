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


class ReportFormat(StrEnum):
    """Formats of a run's result: those of az, and two for pipelines and tickets."""

    TABLE = "table"
    JSON = "json"
    JSONC = "jsonc"
    YAML = "yaml"
    TSV = "tsv"
    NONE = "none"
    JUNIT = "junit"
    MARKDOWN = "markdown"


class FleetReportFormat(StrEnum):
    """Formats of a fleet run's report: those of a run, and one for spreadsheets."""

    TABLE = "table"
    JSON = "json"
    JSONC = "jsonc"
    YAML = "yaml"
    TSV = "tsv"
    NONE = "none"
    CSV = "csv"
    JUNIT = "junit"
    MARKDOWN = "markdown"


class WatchFormat(StrEnum):
    """Formats of what is watched: those of az for its end, and JSON lines from its beginning."""

    TABLE = "table"
    JSON = "json"
    JSONC = "jsonc"
    YAML = "yaml"
    TSV = "tsv"
    NONE = "none"
    JSONL = "jsonl"
