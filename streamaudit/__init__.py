"""streamaudit audits streamed LLM traffic: time to first token, the cancellation tax, and what a deploy changed."""

__version__: str


def __getattr__(name: str) -> str:
    # Looked up when asked for: reading package metadata takes a third of the time that --help has.
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("streamaudit")
    except PackageNotFoundError:  # a checkout that was never installed
        return "0+unknown"
