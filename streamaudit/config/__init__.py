"""``streamaudit.toml``: what a team sets once.

In comes a path; out goes a ``Settings`` whose values know the file and line they came from. Settings are handed down to
whoever needs them; a lower room defines the small dataclass it takes and this room fills it.
"""
