"""One file a command: its options, its help, and what it does. Nothing heavy is imported before a command runs."""
