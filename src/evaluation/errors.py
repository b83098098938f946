"""Errors a user can act on: where it is, what is wrong, how to mend it.

Every mistake of a user reaches the command line as an `EvaluationError` holding all problems found,
never as a traceback and never one at a time.
"""

from dataclasses import asdict, dataclass
from typing import ClassVar, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """One thing wrong.

    `where` is `file:line:col` for a study file, a path for data; `key` the dotted key or the column;
    `what` says what was found and what was expected; `fix` how to mend it.
    """

    where: str
    key: str
    what: str
    fix: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        key = f"{self.key}: " if self.key else ""
        return f"{place}{key}{self.what}" + (f" {self.fix}" if self.fix else "")

    def to_dict(self) -> dict[str, str]:
        """The problem as it stands in `--json`."""
        return asdict(self)


class EvaluationError(Exception):
    """Something the user can mend; `problems` holds every finding, in the order of the file."""

    exit_code: ClassVar[int] = 1

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(str(p) for p in problems))


class StudyError(EvaluationError):
    """The study file is wrong."""


class DataError(EvaluationError):
    """The data cannot be read, or do not fit the study."""


class ReportError(EvaluationError):
    """A report cannot be written or rendered."""


class UsageError(EvaluationError):
    """The command was called wrongly (exit code 2)."""

    exit_code: ClassVar[int] = 2


class NotEstimable(Exception):  # noqa: N818 - an answer about the data, not an error
    """An analysis has no answer on these data; the message is the reason shown to the reader.

    `counts` are the numbers of people the reason tells; disclosure control reads them.
    """

    def __init__(self, reason: str, counts: tuple[int, ...] = ()) -> None:
        self.counts = counts
        super().__init__(reason)
