"""Answers other than what was asked for, in words that say what to do."""

from __future__ import annotations


class Denied(Exception):  # noqa: N818 - an answer to the visitor, not an error of the program
    """A request that is not answered: the HTTP status, what is the matter, what to do, seconds to wait if any.

    `closing`: the rest of what the visitor sends is not wanted.
    """

    def __init__(self, status: int, what: str, fix: str, *, wait: int = 0, closing: bool = False) -> None:
        self.status, self.what, self.fix, self.wait, self.closing = status, what, fix, wait, closing
        super().__init__(what)


class SignInFirst(Exception):  # noqa: N818 - an answer to the visitor, not an error of the program
    """The visitor is not signed in, or no longer."""


# What the framework itself refuses, by status.
PLAIN: dict[int, tuple[str, str]] = {
    404: ("This page does not exist, or is not yours.", "Go back to the first page, and follow the links from there."),
    405: ("This address does not take what was sent to it.", "Go back to the first page."),
    500: ("The page could not be made.", "Nothing was lost. Try again; if it fails again, tell the store's operator."),
    503: ("The store cannot be read or written now.", "Try again later; if it fails again, tell the store's operator."),
}  # fmt: skip


def missing() -> Denied:
    """What is not there, and what is another agency's: nobody can tell which."""
    return Denied(404, *PLAIN[404])


def too_busy(wait: int, what: str = "Other files are being checked.") -> Denied:
    """No place is free at the moment."""
    return Denied(503, what, f"Try again in {wait} seconds.", wait=wait, closing=True)


def forged() -> Denied:
    """A form that was not given to this session."""
    return Denied(403, "This form is not, or no longer, yours.", "Open the page again, and fill in the form there.",
                  closing=True)  # fmt: skip
