"""streamaudit audits streamed LLM traffic: time to first token, the cancellation tax, and what a deploy changed."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("streamaudit")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"
