"""The process around the command line: exit codes, signals, closed pipes, and one line for a bug."""

import errno
import os
import signal
import sys
from types import FrameType

from streamaudit.errors import (
    EXIT_BUG,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_PIPE_CLOSED,
    EXIT_TERMINATED,
    DeliveryError,
    InputError,
    StreamauditError,
    Terminated,
    UsageError,
)

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; every way out of the program passes here."""
    state = {"signal": 0}

    def stop(number: int, _frame: FrameType | None) -> None:
        state["signal"] = number
        store = sys.modules.get("streamaudit.store.store")
        if store is not None and store.Store.interrupt_running():
            return
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            _say(f"cannot write to standard output: {error.strerror}")
            return DeliveryError.exit_code
        # The reader is gone; flushing the rest of the buffer must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE_CLOSED
    except (KeyboardInterrupt, Terminated):
        code = EXIT_INTERRUPTED
    if state["signal"] and code in (EXIT_INTERRUPTED, EXIT_BUG):
        print("\ninterrupted; the current file is stored completely or not at all", file=sys.stderr)
        return EXIT_TERMINATED if state["signal"] == signal.SIGTERM else EXIT_INTERRUPTED
    return code


def _run(arguments: list[str]) -> int:
    from typer.exceptions import Abort, Exit, TyperException

    from streamaudit.cli.app import program

    try:
        result = program(arguments)(arguments, prog_name="streamaudit", standalone_mode=False)
        return result if isinstance(result, int) else EXIT_OK
    except StreamauditError as error:
        _say(error.message, error.hint)
        return error.exit_code
    except Exit as error:
        return error.exit_code
    except Abort:
        return EXIT_INTERRUPTED
    except TyperException as error:
        context = getattr(error, "ctx", None)
        message = str(error.format_message() if hasattr(error, "format_message") else error)
        _say(message, f"{context.command_path if context else 'streamaudit'} --help")
        return UsageError.exit_code
    except SystemExit as leaving:
        # When its output is closed Typer exits with 1, which only a failed gate may return.
        if isinstance(leaving.__context__, BrokenPipeError):
            raise leaving.__context__ from None
        return UsageError.exit_code if leaving.code else EXIT_OK
    except BrokenPipeError:
        raise
    except PermissionError as error:
        _say(f"no permission: {error.filename}")
        return InputError.exit_code
    except Exception as error:
        # Only standard output has no file name; it may be a file on a full disk.
        full = isinstance(error, OSError) and error.filename is None and error.errno in _FULL
        if full or os.environ.get("STREAMAUDIT_TRACEBACK"):
            raise
        _say(f"a bug in streamaudit ({type(error).__name__}); STREAMAUDIT_TRACEBACK=1 shows where")
        return EXIT_BUG


def _say(message: str, hint: str | None = None) -> None:
    from streamaudit.cli import console

    console.problem(message, hint)
