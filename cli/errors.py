"""How a command ends when it does not succeed: one exception per exit code, each message with its remedy."""

from __future__ import annotations


class CommandError(Exception):
    """A command that did not do what was asked. `exit_code` is the process's, `code` the machine-readable reason."""

    exit_code = 1

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class Refused(CommandError):
    """The service said no, or there is nothing to show."""

    def __init__(self, message: str, *, code: str = "refused", status: int | None = None) -> None:
        super().__init__(message, code=code)
        self.status = status


class Misused(CommandError):
    """The command was called wrongly: a file that is not there, a date that is none, a setting that is missing."""

    exit_code = 2

    def __init__(self, message: str, *, code: str = "wrong_usage") -> None:
        super().__init__(message, code=code)


class NotReachable(CommandError):
    """A service does not answer at its address."""

    exit_code = 3

    def __init__(self, message: str, *, code: str = "not_reachable") -> None:
        super().__init__(message, code=code)
