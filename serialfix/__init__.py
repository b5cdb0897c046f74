"""Azure Serial Console remediation automation for Windows VMs."""

from __future__ import annotations


__version__ = "0.1.0"
