"""Commands of whoever runs the agencies' page: run it, give agencies tokens."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from evaluation.cli.console import STORE, AsJson, StoreFolder, now, print_json, print_table, say, tell
from evaluation.cli.intake import KeyFile, SealKey, key_in
from evaluation.errors import Problem, UsageError

if TYPE_CHECKING:
    from evaluation.data.store.agencies import Token

_MOST_MB = 2000  # what can be read at all


def serve(
    *,
    store: StoreFolder = STORE,
    key_file: KeyFile = None,
    seal_key: SealKey = None,
    host: str = "127.0.0.1",
    port: int = 8765,
    max_mb: Annotated[int, Parameter(name="--max-mb")] = 200,
    behind_https: Annotated[bool, Parameter(name="--behind-https", negative="")] = False,
    proxy: str = "127.0.0.1",
) -> int:
    """Run the agencies' page: sign in with a token, see what is due, send a file, get a receipt.

    It listens on this machine alone unless a proxy that speaks TLS stands before it (see docs/serve.md).

    Parameters
    ----------
    host
        Address to listen on; any but this machine's own only with --behind-https.
    port
        Port to listen on.
    max_mb
        The largest file that is taken, in MB.
    behind_https
        Browsers come through a proxy that speaks TLS; what comes otherwise is refused.
    proxy
        With --behind-https: the address of that proxy, which tells whose request it passes on.
    """
    _allowed(host, port, max_mb, behind_https=behind_https)
    try:
        from evaluation.serve.server import serve as run
    except ModuleNotFoundError as error:
        what = f"the page needs {error.name}, which is not installed."
        raise UsageError(Problem("", "serve", what, "Run: pip install 'evaluation[serve]'")) from None
    from evaluation.data.intake.intake import Keys
    from evaluation.data.store.store import open_store
    from evaluation.serve.settings import Limits, Settings

    opened = open_store(store)
    keys = Keys(key_in(key_file, opened.folder), key_in(seal_key, opened.folder))
    settings = Settings(opened, keys, now, behind_https, limits=Limits(file_bytes=max_mb * 1024**2))
    tell(f"The page of {opened.project}: http://{host if ':' not in host else f'[{host}]'}:{port}/ (stop it: Ctrl-C)")
    if keys.pseudonyms is None:
        tell("No --key-file was given: tables that tell who people are will be refused.")
    run(settings, host, port, proxy)
    return 0


def _allowed(host: str, port: int, max_mb: int, *, behind_https: bool) -> None:
    if host not in ("127.0.0.1", "::1", "localhost") and not behind_https:
        what = f"on {host} tokens and names would travel through the network in clear."
        fix = "Put a proxy that speaks TLS before it and add --behind-https, or leave --host out."
        raise UsageError(Problem("", "host", what, fix))
    if not 1 <= port <= 65535:
        raise UsageError(Problem("", "port", f"{port} is no port.", "Give a number from 1 to 65535."))
    if not 1 <= max_mb <= _MOST_MB:
        raise UsageError(Problem("", "max-mb", f"{max_mb} MB is no limit.", f"Give a number from 1 to {_MOST_MB}."))


def token(
    agency: str,
    /,
    *,
    days: int = 365,
    revoke: str | None = None,
    listed: Annotated[bool, Parameter(name="--list", negative="")] = False,
    store: StoreFolder = STORE,
    as_json: AsJson = False,
) -> int:
    """Make a token with which an agency's people sign in to the page; it is shown once and kept nowhere.

    An agency may have several, so that a new one can be handed out before an old one ends.

    Parameters
    ----------
    agency
        The id of the agency.
    days
        How long the token holds.
    revoke
        Take back the token of this name, as --list shows it; who is signed in with it is signed out at once.
    listed
        Show the agency's tokens by name, with the days on which they were made and expire.
    """
    from evaluation.data.store.agencies import known_agency
    from evaluation.data.store.store import open_store
    from evaluation.serve import tokens

    if listed and revoke is not None:
        raise UsageError(Problem("", "--list", "--list and --revoke exclude each other.", "Give one of them."))
    opened = open_store(store)
    if listed:
        found = known_agency(opened, agency).tokens
        if as_json:
            print_json([_told(t) for t in found])
        else:
            print_table("", ("token", "made", "holds until"), [(t.name, str(t.created), str(t.expires)) for t in found])
        return 0
    if revoke is not None:
        gone = tokens.revoke(opened, agency, revoke)
        if as_json:
            print_json(_told(gone))
        else:
            say(f"The token {gone.name} of {agency} is worth nothing from now on.")
        return 0
    text, made = tokens.issue(opened, agency, date.fromisoformat(now()[:10]), days)
    if as_json:
        print_json(_told(made) | {"text": text})
    else:
        say(text)
        tell(f"This is the token {made.name} of {agency}; it holds until {made.expires}, and is not shown again.")
    return 0


def _told(one: Token) -> dict[str, Any]:
    return {"token": one.name, "made": str(one.created), "holds_until": str(one.expires)}
