"""A person at the console: what is typed, what is shown, and what is kept of it."""
