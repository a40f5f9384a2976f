"""Commands, one file each: options, help, and code. Nothing heavy is imported before a command runs."""
