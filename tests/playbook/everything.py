"""A playbook with every kind of step, and data that every quoting has trouble with."""

from __future__ import annotations

from collections.abc import Iterable

from serialfix.model import RegistryType, RegistryValue
from serialfix.playbook.load import parse_playbook
from serialfix.playbook.schema import Playbook, Step
from serialfix.playbook.steps.registry import RegistryStep


KEY = r"HKLM\SOFTWARE\Acme & Sons\50% (new) it's ^1!"
"""The key of the awkward values."""

VALUES = {
    "Number": RegistryValue(RegistryType.DWORD, 0xFFFFFFFF),
    "Big": RegistryValue(RegistryType.QWORD, 0x8000000000000001),
    "A Text": RegistryValue(RegistryType.SZ, 'C:\\a "b" 100% & <c> | it\'s ^d!\\'),
    "Empty": RegistryValue(RegistryType.SZ, ""),
    "Path": RegistryValue(RegistryType.EXPAND_SZ, r"%SystemRoot%\MEMORY.DMP"),
    "List": RegistryValue(RegistryType.MULTI_SZ, ("one two", 'three "3"')),
    "Bytes": RegistryValue(RegistryType.BINARY, bytes(range(80))),
    "None": RegistryValue(RegistryType.NONE, "x\0".encode("utf-16-le")),
    "Größe": RegistryValue(RegistryType.SZ, "Größe 東京 ‘x’ {{ y }}"),
}
_OTHERS = r"""
schema: 1
name: everything
version: "1.0"
title: Every kind of step {{ not a template }}
security: [It lowers something.]
restart: if_changed
parameters:
  force: {type: boolean, default: false, why: For a condition.}
facts:
  - {id: level, registry: {key: 'HKLM\SOFTWARE\Acme', value: The Level}}
steps:
  - id: present
    why: A value that must be there.
    registry:
      key: HKLM\SYSTEM\CurrentControlSet\Control\Acme
      value: Switch
      type: REG_DWORD
      data: 1
      policy_twin: HKLM\SOFTWARE\Policies\Acme
  - id: absent
    why: A value that must not be there.
    registry: {key: 'HKLM\SOFTWARE\Acme', value: Old, state: absent}
  - id: policy
    why: Only where there is one.
    registry:
      key: HKLM\SOFTWARE\Policies\Acme
      value: Deny
      type: REG_DWORD
      data: 0
      only_if_present: true
  - id: conditional
    why: Only at level 4, or without one.
    when: {fact: level, is: [4, absent]}
    registry: {key: 'HKLM\SOFTWARE\Acme', value: Lowered, type: REG_SZ, data: 'yes'}
  - id: unless
    why: Not at level 4.
    when: {fact: level, is_not: [4]}
    registry: {key: 'HKLM\SOFTWARE\Acme', value: Kept, type: REG_SZ, data: 'yes'}
  - id: forced
    why: Never by default.
    when: {parameter: force, is: [true]}
    registry: {key: 'HKLM\SOFTWARE\Acme', value: Forced, type: REG_DWORD, data: 1}
  - id: certificates
    why: Long values.
    registry_removal:
      key: HKLM\SYSTEM\CurrentControlSet\Control\Acme
      values: [Certificate, X509 Certificate]
  - id: service
    why: It must run.
    service:
      name: TermService
      start: demand
      start_accepts: [auto]
      account: NT AUTHORITY\NetworkService
      type: share
      state: running
      restart_if_changed: [present]
      start_failures:
        - {codes: [1058, 1077], set: {start: demand}}
        - {codes: [5], advice: Look at it by hand.}
  - id: rule
    why: The rule.
    firewall_rule:
      rule: RemoteDesktop-UserMode-In-TCP
      name: Remote Desktop - User Mode (TCP-In)
      enabled: true
  - {id: profiles, why: The profiles., firewall_profile: {enabled: true, inbound: block}}
  - {id: safe, why: No safe mode., bcd: {entry: '{current}', element: safeboot, state: absent}}
  - {id: menu, why: A short menu., bcd: {entry: '{bootmgr}', element: timeout, value: '5'}}
  - {id: dhcp, why: DHCP., network: {interface: Ethernet 2, dhcp: true}}
  - {id: nic, why: On., network: {interface: Ethernet 2, enabled: true}}
  - {id: admin, why: Enabled., account: {name: azureadmin, enabled: true}}
  - id: member
    why: In the group.
    account: {name: azureadmin, member_of: Remote Desktop Users, member: true}
  - id: run
    why: A command.
    command:
      check: for %v in (1) do @reg query HKLM\SOFTWARE\Acme /v None%v >nul 2>nul
      run: echo "a & b" %SystemRoot%
      no_undo: It changes nothing.
  - {id: see, why: A look., look: {command: ver}}
"""


def values(names: Iterable[str] = VALUES) -> Playbook:
    """These values, in `KEY`."""
    steps = [
        Step.of(RegistryStep.having(KEY, name, VALUES[name]), id=f"value-{number}", why="It must.")
        for number, name in enumerate(names, start=1)
    ]
    return Playbook(
        schema=1, name="values", version="1.0", title="Values", restart="never", steps=tuple(steps)
    )


def everything() -> Playbook:
    """All kinds of steps."""
    return parse_playbook(_OTHERS).playbook
