"""Many VMs: which, in which order, within which bounds."""
