"""What is typed into cmd.exe and how its answers are read, sans-I/O."""
