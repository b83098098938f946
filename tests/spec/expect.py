"""What every wrong study file must do: give its one message, at its place, and end the command with exit code 1."""

from evaluation.cli import call
from evaluation.run.plan import check


def expect(case, folder, capsys):
    """The case's file gives the one message it should, from `check` and from the command line."""
    path, where = case.write(folder)
    told = [p for p in check(path) if p.severity == case.severity]
    assert len(told) == 1, "\n".join(str(p) for p in told)
    assert (told[0].where, told[0].key) == (where, case.key)
    for phrase in case.says:
        assert phrase in str(told[0])
    assert call(["check", str(path)]) == (1 if case.severity == "error" else 0)
    printed = capsys.readouterr().err
    assert where in printed
    assert told[0].what in printed
    assert "Traceback" not in printed
