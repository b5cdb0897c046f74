"""The console dialogue, sans-I/O: bytes in, a screen and signals to look at, actions out."""
