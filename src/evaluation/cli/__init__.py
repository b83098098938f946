"""The command line: every command thin, every heavy import inside the command that needs it.

Exit codes: 0 done, 1 the work ran and something in it failed or was refused, 2 wrong usage.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cyclopts import App, CycloptsError

from evaluation import __version__
from evaluation.cli import assurance, dictionary_commands, intake, operating, prepare, serving, study_runs, validation
from evaluation.cli.console import AGENCY, EVALUATOR, OPERATOR, block, print_json, tell
from evaluation.errors import EvaluationError, Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

app = App(
    name="evaluation",
    version=__version__,
    help_format="plaintext",  # markdown would load a parser and a highlighter for every --help
    help=(
        "From a study file and agencies' Parquet data to a defensible outcomes report. "
        "Commands are listed in the order of the work."
    ),
)

IN_ORDER: tuple[Callable[..., int], ...] = (
    prepare.init,
    prepare.examples,
    prepare.check,
    assurance.assure,
    prepare.simulate,
    prepare.design,
    study_runs.run,
    study_runs.report,
    prepare.methods,
)
OF_AGENCIES: tuple[Callable[..., int], ...] = (
    dictionary_commands.dictionary,
    dictionary_commands.template,
    validation.validate,
    intake.submit,
    intake.status,
)
OF_OPERATORS: tuple[Callable[..., int], ...] = (
    operating.agency,
    serving.token,
    serving.serve,
    operating.forget,
    operating.unseal,
)
for group, commands in ((EVALUATOR, IN_ORDER), (AGENCY, OF_AGENCIES), (OPERATOR, OF_OPERATORS)):
    for place, command in enumerate(commands):
        app.command(command, group=group, sort_key=place)


def _fail(error: EvaluationError, as_json: bool) -> int:
    if as_json:
        print_json({"ok": False, "problems": [p.to_dict() for p in error.problems]})
    tell(block(error.problems))
    return error.exit_code


def _refused(error: OSError) -> EvaluationError:
    """What the operating system would not do, as a problem at the path in question."""
    reason = next((said for kind, said in _SYSTEM if isinstance(error, kind)), f"{error.strerror or error}.")
    return EvaluationError(Problem(str(error.filename or ""), "", reason, "Give another path, or free this one."))


_SYSTEM: tuple[tuple[type[OSError], str], ...] = (
    (FileExistsError, "a file stands where a folder is needed."),
    (NotADirectoryError, "a file stands where a folder is needed."),
    (IsADirectoryError, "a folder stands where a file is needed."),
    (PermissionError, "you may not read or write here."),
)


def _command(tokens: Sequence[str]) -> str:
    return f" {tokens[0]}" if tokens and tokens[0] in app else ""


def _misused(error: CycloptsError, tokens: Sequence[str]) -> int:
    see = f"See: evaluation{_command(tokens)} --help"
    if "--json" in tokens:
        return _fail(UsageError(Problem("", "", str(error), see)), as_json=True)
    tell(f"error: {error}\n{see}")
    return UsageError.exit_code


def call(tokens: Sequence[str]) -> int:
    """Run one command line and give its exit code; nothing a user can do wrong ends in a traceback."""
    try:
        code = app(list(tokens), exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return _misused(error, tokens)
    except EvaluationError as error:
        return _fail(error, "--json" in tokens)
    except KeyboardInterrupt:
        tell("stopped; nothing half-written was left in place")
        return 1
    except BrokenPipeError:
        sys.stdout = None  # the reader went away: keep the interpreter from flushing
        return 1
    except OSError as error:
        return _fail(_refused(error), "--json" in tokens)
    return code if isinstance(code, int) else 0


def main() -> None:
    """Entry point of the `evaluation` command."""
    sys.exit(call(sys.argv[1:]))
