"""The command line: options, commands, standard error, progress and output files.

In comes a list of arguments; out go bytes on standard output or in files, lines on standard error and an exit code. It
is the only room that imports typer, prints, or reads arguments and terminals. It knows no SQL: a command calls
``streamaudit.api`` and passes the result to a renderer or to delivery.
"""
