"""Named rules for small counts: parameters, not code.

`cms11`: the Centers for Medicare & Medicaid Services' cell size policy (ResDAC, 2024): counts of 1 to 10 are
hidden, zero may be shown, and so is nothing that gives a hidden count away (percentages, excluded cases).
`wonder10`: CDC WONDER's rule for sub-national data: counts of 0 to 9 are hidden, with their rates; rates on
fewer than 20 events are marked unreliable.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """Counts from `lowest` to `highest` are hidden; `unreliable_below` marks figures on few events."""

    name: str
    lowest: int
    highest: int
    rule: str
    unreliable_below: int | None = None

    def hides(self, count: float | None) -> bool:
        """Whether a count may not be shown; None is no count."""
        return count is not None and self.lowest <= count <= self.highest

    def hides_any(self, counts: tuple[int, ...]) -> bool:
        """Whether any of the counts may not be shown."""
        return any(self.hides(c) for c in counts)


PROFILES = {
    "none": Profile("none", 1, 0, "nothing is hidden"),
    "cms11": Profile("cms11", 1, 10, "counts of 1 to 10 people, and figures that give them away"),
    "wonder10": Profile(
        "wonder10", 0, 9, "counts of 0 to 9 people, and figures that give them away", unreliable_below=20
    ),
}
