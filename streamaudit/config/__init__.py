"""``streamaudit.toml``: the settings of a team.

In comes a path; out goes a ``Settings`` whose values know the file and line they came from. Settings are passed down as
arguments; a lower room defines the small dataclass it takes and this room fills it.
"""
