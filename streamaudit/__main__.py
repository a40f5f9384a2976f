"""Run the command line as ``python -m streamaudit``."""

import sys

from streamaudit.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
