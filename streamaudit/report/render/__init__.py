"""Output formats: one file each, found by being in this folder. See ``formats`` for what a format offers."""
