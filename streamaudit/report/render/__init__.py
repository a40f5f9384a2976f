"""Output formats: one file each, discovered in this folder. See ``formats`` for their interface."""
