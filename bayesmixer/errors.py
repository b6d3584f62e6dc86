"""Errors that a user can act on: one line that says where, what was found, what was expected and what to do."""


class InputError(ValueError):
    """A file or an argument that cannot be used.

    The message is one line: the file or argument, what was found, what was expected, what to do.
    The command line prints it and exits with code 2.

    Parameters
    ----------
    where
        File name (with line where known) or argument name.
    problem
        What was found and what was expected.
    remedy
        What to do about it; left out where the problem says it.
    """

    def __init__(self, where: object, problem: str, remedy: str = "") -> None:
        self.where, self.problem, self.remedy = str(where), problem, remedy
        text = f"{where}: {problem}"
        if remedy:
            text = f"{text.rstrip('.')}. {remedy}"
        super().__init__(" ".join(text.split()))


class DataWarning(UserWarning):
    """Something in the data or a fit that a user should read before trusting the result."""
