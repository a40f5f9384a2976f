"""One file per command: its options, its help, and its code. Nothing heavy is imported before a command runs."""
