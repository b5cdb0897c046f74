"""The kinds of steps: each states a wanted end, and how it is read, reached and taken back."""
