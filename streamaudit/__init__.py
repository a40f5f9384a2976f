"""streamaudit audits streamed LLM traffic: time to first token, the cancellation tax, and what a deploy changed.

    with streamaudit.open("audit.duckdb") as session:
        session.report(by="tenant", last="7d").tables["by_tenant"].to_polars()

Everything public is imported with its first use: the version alone must not cost a database. Types are in
``__init__.pyi``.
"""

_PUBLIC = ("Filters", "Frame", "Result", "Session", "open", "open_export", "read")


def __getattr__(name: str) -> object:
    if name in _PUBLIC:
        from importlib import import_module

        return getattr(import_module("streamaudit.api"), name)
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Reading package metadata takes a third of the time that --help has.
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("streamaudit")
    except PackageNotFoundError:  # a checkout that was never installed
        found = "0+unknown"
    globals()["__version__"] = found  # read once a process: every file that is read asks for it
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC, "__version__"])
