"""A database with all tables, and schedules for it, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from serialfix.azure.discovery import Scope
from serialfix.fleet.cron import Cron
from serialfix.fleet.database import open_database
from serialfix.fleet.engine import Queue
from serialfix.fleet.plan import make_plan
from serialfix.fleet.policy import Policy
from serialfix.fleet.schedule import Schedule, make_schedule
from serialfix.fleet.standing import Kind, Settings
from serialfix.fleet.targets import Wish, choose
from serialfix.lab.vm import SUBSCRIPTION
from serialfix.playbook.load import bind, parse_playbook


NAME = "nightly"
TEXT = r"""
schema: 1
name: small
version: "1.0"
title: One value
description: One value, which a parameter says.
restart: never
parameters:
  level: {type: integer, why: Which., default: 1}
steps:
  - id: only
    why: For a test.
    registry: {key: HKLM\SOFTWARE\T, value: V, type: REG_DWORD, data: "${level}"}
"""


def prepared(path: Path) -> Path:
    """A SQLite file with all tables, the engine's too."""
    database = open_database(str(path))
    queue = Queue(database)
    queue.prepare()
    queue.close()
    with database.engine.connect() as connection:  # all of it into the one file
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path


def made(**more: Any) -> Schedule:
    """A schedule that no VM was looked for."""
    wish = more.pop("wish", Wish(name="web-*", tags=(("env", "prod"),), power="running"))
    parameters = more.pop("parameters", {"level": "2"})
    plan = make_plan(
        bind(parse_playbook(TEXT), parameters),
        choose((), wish),
        more.pop("policy", Policy(waves="1,rest", approve_after=1, window="22:00-04:00")),
        scope=more.pop("scope", Scope((SUBSCRIPTION,))),
        wish=wish,
        parameters=parameters,
    )
    return make_schedule(
        more.pop("name", NAME),
        Cron.parse(more.pop("cron", "0 2 * * Sat"), more.pop("zone", "Europe/Berlin")),
        plan,
        more.pop("kind", Kind.RUN),
        Settings(username="adm-{vm}", credential="keyvault:v/{vm}", snapshot=True),
    )
