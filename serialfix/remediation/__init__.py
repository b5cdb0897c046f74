"""One VM: find, plan, apply, restart, prove, undo, resume."""
