"""The command that holds a study's builder to hand-made cases."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from evaluation.cli.console import AsJson, print_json, print_table, say, tell

if TYPE_CHECKING:
    from evaluation.run.assure import Verdict


def assure(study: str, /, *, as_json: AsJson = False) -> int:
    """Build the study's hand-made cases, and compare them with what each expects.

    The cases lie beside the study file, in STUDY/cases.yaml: a person's or unit's rows of the tables, and what is
    expected of the row that is built from them. Exit code 1 when one of them differs.
    """
    from evaluation.run.assure import assure as verdicts
    from evaluation.study.load import find

    found = verdicts(find(study))
    failed = [v for v in found if not v.passed]
    if as_json:
        print_json({"study": study, "ok": not failed, "cases": [_content(v) for v in found]})
        return int(bool(failed))
    print_table("", ("case", "result"), [(v.case, "as expected" if v.passed else "DIFFERS") for v in found])
    for verdict in failed:
        rows = [(d.key, d.expected, d.found) for d in verdict.differences]
        say(f"{_at(verdict)}: {verdict.case}")
        print_table("", ("", "expected", "found"), rows)
    passed = len(found) - len(failed)
    say(f"{study}: {passed} of {len(found)} cases as expected")
    if failed:
        tell(f"{study}: {len(failed)} case{'s' * (len(failed) > 1)} not as expected")
    return int(bool(failed))


def _at(verdict: Verdict) -> str:
    path, line, _ = verdict.where.rsplit(":", 2)
    return f"{os.path.relpath(path)}:{line}"


def _content(verdict: Verdict) -> dict[str, object]:
    differences = [{"key": d.key, "expected": d.expected, "found": d.found} for d in verdict.differences]
    return {"case": verdict.case, "where": verdict.where, "ok": verdict.passed, "differences": differences}
