"""A study file as text with positions: plain values, and the line and column each of them stands at.

Only YAML is judged here (syntax, duplicate keys, tags); what the keys mean is judged by `explain` and `rules`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.errors import Problem, Severity, StudyError

if TYPE_CHECKING:
    from ruamel.yaml.error import MarkedYAMLError
    from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

Loc = tuple[str | int, ...]
Position = tuple[int, int]

_TAG = "tag:yaml.org,2002:"
_MOST_VALUES = 50_000  # an alias repeated in aliases grows without bound; no study file comes near this


def dotted(loc: Loc) -> str:
    """A place in the file as users read it: `analyses[0].options.window`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.removeprefix(".")


@dataclass(frozen=True)
class Document:
    """A parsed study file. Positions count lines and columns from 1.

    `positions` says where a value stands (for a mapping, a list or nothing: where its key stands), `keys` where its
    key does.
    """

    path: Path
    text: str
    raw: dict[str, Any]
    positions: dict[Loc, Position]
    keys: dict[Loc, Position]

    def at(self, loc: Loc) -> Any:
        """The plain value at `loc`; None when there is nothing."""
        value: Any = self.raw
        for part in loc:
            if isinstance(value, dict):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        return value

    def entries(self, *loc: str | int) -> list[tuple[int, dict[str, Any]]]:
        """The mappings in the list at `loc`, each with its place in the list; empty when there is no such list."""
        found = self.at(loc)
        return [(i, e) for i, e in enumerate(found) if isinstance(e, dict)] if isinstance(found, list) else []

    def where(self, loc: Loc, *, of_key: bool = False) -> str:
        """`file:line:col` of a value, or of its key; of the nearest enclosing one when `loc` is not in the file."""
        places = self.keys if of_key else self.positions
        while loc and loc not in places:
            loc = loc[:-1]
        line, column = places.get(loc, (1, 1))
        return f"{self.path}:{line}:{column}"

    def problem(
        self, loc: Loc, what: str, fix: str = "", severity: Severity = "error", *, of_key: bool = False
    ) -> Problem:
        """A problem at a place in this file."""
        return Problem(self.where(loc, of_key=of_key), dotted(loc), what, fix, severity)


def in_file_order(problems: Iterable[Problem]) -> list[Problem]:
    """Each problem once: those with a line and column first, in that order; others after them, as they came.

    What is written once can be used in several places (`options: *same`): what is wrong with it is one mistake, told at
    the first key that leads there, as an error if it is one anywhere.
    """

    def place(problem: Problem) -> tuple[float, float]:
        tail = problem.where.rsplit(":", 2)[1:]
        return (int(tail[0]), int(tail[1])) if len(tail) == 2 and all(t.isdigit() for t in tail) else (float("inf"), 0)

    found: dict[tuple[str, str, str], Problem] = {}
    for problem in dict.fromkeys(problems):
        in_file = place(problem)[0] < float("inf")
        mistake = (problem.where, problem.key.rpartition(".")[2] if in_file else problem.key, problem.what)
        first = found.setdefault(mistake, problem)
        if problem.severity == "error" and first.severity != "error":
            found[mistake] = replace(first, severity="error")
    return sorted(found.values(), key=place)


# --------------------------------------------------------------------------- reading


def read_document(path: Path) -> tuple[Document, list[Problem]]:
    """The file's values and positions, with every duplicate key and unknown tag found in it.

    Raises
    ------
    StudyError
        When nothing more can be said: no such file, not UTF-8, not YAML, empty, or not a list of keys.
    """
    text = _text(path)
    root = _composed(path, text)
    reader = _Reader(path, text)
    try:
        raw = reader.value(root, ())
    except RecursionError:
        raise StudyError(_nested(path)) from None
    if len(reader.positions) > _MOST_VALUES:
        raise StudyError(Problem(f"{path}:1:1", "", "the file holds far too many values; are aliases (*name) nested?"))
    if not isinstance(raw, dict):
        raise StudyError(
            Problem(
                f"{path}:1:1",
                "",
                "a study file is made of keys with values.",
                "Begin with a line such as: study: " + path.stem,
            )
        )
    return Document(path, text, raw, reader.positions, reader.keys), reader.problems


def _text(path: Path) -> str:
    if path.is_dir():
        raise StudyError(Problem(str(path), "", "is a folder, not a study file.", "Name one of the .yaml files in it."))
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise StudyError(Problem(str(path), "", "there is no such study file.")) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise StudyError(
            Problem(f"{path}:{line}:1", "", "the file is not UTF-8 text.", "Save it as UTF-8 in your editor.")
        ) from None
    except OSError as error:
        raise StudyError(Problem(str(path), "", f"cannot be read: {error.strerror}.")) from None


def _composed(path: Path, text: str) -> Node:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError
    from ruamel.yaml.reader import ReaderError

    try:
        root: Node | None = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        raise StudyError(_syntax(path, error)) from None
    except ReaderError as error:
        line, column = text.count("\n", 0, error.position) + 1, error.position - text.rfind("\n", 0, error.position)
        raise StudyError(
            Problem(
                f"{path}:{line}:{column}",
                "",
                "a control character stands here.",
                "Delete it; a study file is plain text.",
            )
        ) from None
    except RecursionError:
        raise StudyError(_nested(path)) from None
    if root is None:
        raise StudyError(Problem(f"{path}:1:1", "", "the file is empty.", "`evaluation init` writes a starter."))
    return root


def _nested(path: Path) -> Problem:
    return Problem(f"{path}:1:1", "", "brackets or aliases are nested without end.")


_SYNTAX = (  # what ruamel.yaml says, what it means to a writer, how to mend it
    ("character '\\t'", "a tab stands here; YAML indents with spaces.", "Replace it by spaces."),
    (
        "mapping values are not",
        "a colon or an indent that does not belong here.",
        'Quote text that holds ": ", and start keys of one level in one column.',
    ),
    ("could not find expected ':'", "a line without a colon.", 'Write "key: value", with a space after the colon.'),
    ("expected ',' or ']'", "a [ that is not closed.", "Close the list with ] and part its entries by commas."),
    ("expected ',' or '}'", "a { that is not closed.", "Close it with } and part its keys by commas."),
    ("unexpected end of stream", "a quotation mark that is not closed.", "Close it with the same mark."),
    ("that cannot start any token", "text may not begin with this character.", "Put the text in quotes."),
    ("unknown escape", "a backslash in double quotes that means nothing.", "Use 'single quotes'."),
    ("undefined alias", "an alias (*name) of something never named (&name).", "Quote text that begins with *."),
    ("found another document", "a second document begins here (---).", "Write one study a file."),
    (
        "expected <block end>",
        "this line does not fit what stands above it.",
        "Check the indentation, and quotation marks that end before the text does.",
    ),
    ("", "this is not valid YAML.", "Check the indentation, quotation marks and brackets just before it."),
)
_BEGAN = (
    "expected ',' or",
    "unexpected end of stream",
    "could not find expected ':'",
)  # the place to show is where it began


def _syntax(path: Path, error: MarkedYAMLError) -> Problem:
    told = error.problem or ""
    what, fix = next((what, fix) for sign, what, fix in _SYNTAX if sign in told)
    began = any(sign in told for sign in _BEGAN)
    mark = (error.context_mark if began else error.problem_mark) or error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Problem(f"{path}:{line}:{column}", "", what, fix)


class _Reader:
    """Turns YAML nodes into plain values, noting where each stands."""

    def __init__(self, path: Path, text: str) -> None:
        from ruamel.yaml import YAML

        self.path, self.text = path, text
        self.constructor = YAML(typ="safe", pure=True).constructor
        self.positions: dict[Loc, Position] = {}
        self.keys: dict[Loc, Position] = {}
        self.problems: list[Problem] = []

    def value(self, node: Any, loc: Loc, key: Node | None = None) -> Any:
        """The plain value of a node; `key` is the node of its key in a mapping."""
        from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

        self.keys[loc] = _position(key or node)
        written = isinstance(node, ScalarNode) and (node.value != "" or node.style)
        self.positions[loc] = _position(node) if written else self.keys[loc]
        if len(self.positions) > _MOST_VALUES:
            return None
        if isinstance(node, MappingNode):
            return self._mapping(node, loc)
        if isinstance(node, SequenceNode):
            return [self.value(item, (*loc, i)) for i, item in enumerate(node.value)]
        return self._scalar(node, loc)

    def _mapping(self, node: MappingNode, loc: Loc) -> dict[str, Any]:
        found: dict[str, Any] = {}
        first: dict[str, Position] = {}
        for key, value in self._rejoined(node):
            name = key.value if isinstance(key.value, str) else None
            if name is None or name == "<<":
                self._note(key, loc, "a key must be plain text.", "Write the keys out, one a line.")
            elif name in first:
                self._note(key, (*loc, name), f"duplicate key; it stands at line {first[name][0]} too.", "Keep one.")
            else:
                first[name] = _position(key)
                found[name] = self.value(value, (*loc, name), key)
        return found

    def _rejoined(self, node: MappingNode) -> Iterator[tuple[Any, Any]]:
        """The keys and values of a mapping, with texts such as `100,000 people` in one piece.

        In an inline mapping YAML takes what follows a comma for the next key, here `000 people`, without a value.
        Where neither a space nor a colon is near, the writer meant one text.
        """
        before: tuple[Any, Any] | None = None
        for key, value in node.value:
            if before and self._goes_on(before[1], key, value):
                before = (before[0], _joined(before[1], key))
                continue
            if before:
                yield before
            before = (key, value)
        if before:
            yield before

    def _goes_on(self, before: Any, key: Any, value: Any) -> bool:
        """Whether `key` is the rest of the text `before`, split at a comma."""
        start, end = before.end_mark.index, key.start_mark.index
        plain = all(isinstance(n.value, str) and not n.style for n in (before, key, value))
        return plain and self.text[start:end] == "," and ":" not in self.text[key.end_mark.index : value.end_mark.index]

    def _scalar(self, node: ScalarNode, loc: Loc) -> Any:
        kind = str(node.tag).removeprefix(_TAG)
        if kind not in ("str", "int", "float", "bool", "null", "timestamp"):
            self._note(node, loc, f"the tag {node.tag} means nothing here.", "Write the plain value.")
            return None
        try:
            return self.constructor.construct_object(node)
        except ValueError:  # looks like a date and is none: 2024-13-45
            return str(node.value)

    def _note(self, node: Node, loc: Loc, what: str, fix: str) -> None:
        line, column = _position(node)
        self.problems.append(Problem(f"{self.path}:{line}:{column}", dotted(loc), what, fix))


def _joined(before: ScalarNode, key: ScalarNode) -> ScalarNode:
    from ruamel.yaml.nodes import ScalarNode

    return ScalarNode(f"{_TAG}str", f"{before.value},{key.value}", before.start_mark, key.end_mark)


def _position(node: Node) -> Position:
    return node.start_mark.line + 1, node.start_mark.column + 1
