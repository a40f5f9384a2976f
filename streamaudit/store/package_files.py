"""Read the package's own SQL and CSV files in one place, so that a wheel and a checkout cannot differ."""

from importlib.resources import files


def package_text(room: str, name: str) -> str:
    """Return the text of a file in a room of the package, such as ``package_text("store", "schema.sql")``."""
    return files(f"streamaudit.{room}").joinpath(name).read_text(encoding="utf-8")
