"""Playbooks applied to the registry hives of a disk that is attached elsewhere."""
