"""Run the command line as ``python -m streamaudit``."""

from streamaudit.cli.main import run

if __name__ == "__main__":
    run()
