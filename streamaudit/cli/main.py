"""The process around the command line: exit codes, signals, closed pipes, and one line for a bug."""

import errno
import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from streamaudit.cli import console
from streamaudit.errors import (
    EXIT_BUG,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_PIPE_CLOSED,
    EXIT_TERMINATED,
    DeliveryError,
    InputError,
    StoreError,
    StreamauditError,
    Terminated,
    UsageError,
)

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


def run() -> NoReturn:
    """Run one command and end the process with its exit code.

    The process ends at once: stores and files are closed by then, and to take the interpreter and all its modules down
    would add a tenth to most commands.
    """
    code = main()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; every way out of the program passes here."""
    state = {"signal": 0}

    def stop(number: int, _frame: FrameType | None) -> None:
        state["signal"] = number
        store = sys.modules.get("streamaudit.store.store")
        if store is not None and store.Store.interrupt_running():
            return
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    _open_closed_streams()
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except OSError as error:
        # Flushing the rest of the buffer must not fail again at exit.
        console.silence(sys.stdout)
        if isinstance(error, BrokenPipeError):
            return EXIT_PIPE_CLOSED
        _say(f"cannot write to standard output: {error.strerror}")
        return DeliveryError.exit_code
    except (KeyboardInterrupt, Terminated):
        code = EXIT_INTERRUPTED
    if state["signal"] and code in (EXIT_INTERRUPTED, EXIT_BUG):
        console.write("\ninterrupted; the current file is stored completely or not at all")
        return EXIT_TERMINATED if state["signal"] == signal.SIGTERM else EXIT_INTERRUPTED
    return code


def _run(arguments: list[str]) -> int:
    from typer.exceptions import Abort, Exit, TyperException

    from streamaudit.cli.app import program

    try:
        result = program(arguments)(arguments, prog_name="streamaudit", standalone_mode=False)
        return result if isinstance(result, int) else EXIT_OK
    except StreamauditError as error:
        if error.exit_code == EXIT_BUG and _is_undecodable(arguments):
            return _refuse_undecodable()
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
        if isinstance(error, MemoryError):
            _say("not enough memory", "give the process more memory, or use --since and --where to read less")
            return StoreError.exit_code
        if _is_undecodable(arguments):
            return _refuse_undecodable()
        _say(f"a bug in streamaudit ({type(error).__name__}); STREAMAUDIT_TRACEBACK=1 shows where")
        return EXIT_BUG


def _open_closed_streams() -> None:
    """Give standard streams that are closed a file of their own: the store would be opened in their place, and be
    written to by messages. Writing to a closed output fails as it would for any program."""
    for descriptor, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, flags)  # takes the lowest number that is free
    # Python has no object for a stream that was closed when it started.
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)


def _is_undecodable(arguments: list[str]) -> bool:
    """Whether an argument holds bytes that are no text in the encoding of this process; a path may."""
    return any("\udc80" <= sign <= "\udcff" for argument in arguments for sign in argument)


def _refuse_undecodable() -> int:
    _say("an argument is not UTF-8 text", "only the names of files may hold other bytes")
    return UsageError.exit_code


def _say(message: str, hint: str | None = None) -> None:
    console.problem(message, hint)
