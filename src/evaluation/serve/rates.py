"""How often one address may try: wrong tokens, and requests of any kind. All remember a bounded number of things."""

from __future__ import annotations

import ipaddress
from collections import Counter, deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evaluation.serve.settings import Limits

MOST_ADDRESSES = 10_000


def network(address: str) -> str:
    """What counts as one visitor: an IPv4 address, or the /64 that one household or office has of IPv6."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if found.version == 6:
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


class WrongTokens:
    """The wrong tokens of the last minutes, at most as many as close the sign-in to everybody."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits, self._clock = limits, clock
        self._tries: deque[tuple[float, str]] = deque(maxlen=limits.wrong_by_all)

    def wait(self, address: str) -> int:
        """Seconds until the address may try again, 0 where it may now."""
        now = self._clock()
        while self._tries and now - self._tries[0][0] >= self._limits.window_seconds:
            self._tries.popleft()
        of_it = [t for t, who in self._tries if who == network(address)]
        first = None
        if len(of_it) >= self._limits.wrong_by_address:
            first = of_it[-self._limits.wrong_by_address]
        elif len(self._tries) >= self._limits.wrong_by_all:
            first = self._tries[0][0]
        return 0 if first is None else max(1, int(first + self._limits.window_seconds - now) + 1)

    def count(self, address: str) -> None:
        """One more wrong token."""
        self._tries.append((self._clock(), network(address)))


class AtOnce:
    """Requests that are being answered at this moment, of each address and of all."""

    def __init__(self, limits: Limits) -> None:
        self._most, self._by_address = limits.at_once, limits.at_once_by_address
        self._counts = Counter[str]()

    @contextmanager
    def one(self, address: str) -> Iterator[bool]:
        """One more while this lasts: whether there is room for it."""
        who = network(address)
        self._counts[who] += 1
        try:
            yield self._counts[who] <= self._by_address and self._counts.total() <= self._most
        finally:
            self._counts[who] -= 1
            if not self._counts[who]:
                del self._counts[who]


class Requests:
    """Requests of each address in the current minute."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._most, self._clock = limits.requests_a_minute, clock
        self._minute, self._counts = 0, dict[str, int]()

    def over(self, address: str) -> int:
        """By how many requests the address is beyond the limit, this one counted; 0 where it is not."""
        minute = int(self._clock() // 60)
        if minute != self._minute:
            self._minute, self._counts = minute, {}
        who = network(address)
        if who not in self._counts and len(self._counts) >= MOST_ADDRESSES:
            return self._most + 2  # so many addresses at once are one attack
        self._counts[who] = self._counts.get(who, 0) + 1
        return max(0, self._counts[who] - self._most)
