"""The arithmetic of limits, and what becomes of it when there is no room."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.http.limits import ConnectionZone, Entry, RateLimit, RateZone, Ruling, count_request

ROOM = 1 << 20
NODELAY = 1 << 63


def limit(rate: int = 1000, burst: int = 0, delay: int = 0, size: int = ROOM) -> RateLimit:
    """Return a limit with a zone of its own; *burst* and *delay* in requests."""
    return RateLimit(RateZone(rate, size), burst * 1000, min(delay * 1000, NODELAY))


def ask(of: RateLimit, *times: int, key: bytes = b"k") -> list[int | None]:
    """Return the delays of requests at *times*, None for those that are refused."""
    return [count_request([(of, key)], now).delay for now in times]


class TestRequests:
    """limit_req."""

    def test_without_burst_each_has_to_wait_for_its_turn(self) -> None:
        """One per second, not sooner by a millisecond."""
        assert ask(limit(), 0, 1, 999, 1000, 1999, 2000) == [0, None, None, 0, None, 0]

    def test_the_burst_is_delayed_in_line(self) -> None:
        """Each waits as long as the rate wants."""
        assert ask(limit(burst=3), 0, 0, 0, 0, 0) == [0, 1000, 2000, 3000, None]
        assert ask(limit(rate=2000, burst=2), 0, 100, 100) == [0, 400, 900]

    def test_part_of_the_burst_may_pass_at_once(self) -> None:
        """delay=, and nodelay for all of it."""
        assert ask(limit(burst=3, delay=2), 0, 0, 0, 0, 0) == [0, 0, 0, 1000, None]
        assert ask(limit(burst=3, delay=NODELAY), 0, 0, 0, 0, 0) == [0, 0, 0, 0, None]

    def test_who_is_refused_is_not_counted(self) -> None:
        """Asking again and again keeps nobody out for longer."""
        assert ask(limit(burst=1, delay=1), 0, 0, *range(1, 999), 1000) == [0, 0, *[None] * 998, 0]

    def test_rates_per_minute(self) -> None:
        """In thousandths per second, rounded down as in nginx."""
        assert ask(limit(rate=1000 // 60), 0, 60_000, 62_500) == [0, None, 0]

    def test_each_key_has_its_own(self) -> None:
        """And does not mind the others."""
        of = limit()
        assert [ask(of, 0, key=key) for key in (b"a", b"b", b"a")] == [[0], [0], [None]]

    def test_a_clock_that_goes_back(self) -> None:
        """A little changes nothing, a lot starts anew."""
        assert ask(limit(burst=1, delay=1), 1000, 900, 1000, 2000) == [0, 0, None, 0]
        assert ask(limit(burst=1, delay=1), 100_000, 30_000, 30_001, 31_000) == [0, 0, None, 0]

    def test_of_several_limits_the_longest_delay_counts(self) -> None:
        """Only what passes all of them is counted by any."""
        slow, fast = limit(rate=1000, burst=5), limit(rate=10_000, burst=1)
        both = [(slow, b"k"), (fast, b"k")]
        assert count_request(both, 0) == Ruling(0, 0, 1)
        assert count_request(both, 0) == Ruling(1000, 1000, 0)
        assert count_request(both, 0) == Ruling(None, 2000, 1)
        assert count_request(both, 200) == Ruling(1800, 1800, 0)

    @given(st.lists(st.integers(0, 5000), max_size=60), st.integers(16, 5000), st.integers(0, 5))
    def test_no_more_pass_than_rate_and_burst_allow(self, gaps: list[int], rate: int, burst: int) -> None:
        """Whenever they come; one more than the rate since the first is always allowed."""
        of, now, passed, first = limit(rate=rate, burst=burst, delay=burst), 0, 0, 0
        for gap in gaps:
            now += gap
            passed += count_request([(of, b"k")], now).delay is not None
            most = 1 + burst + rate * (now - first) / 1_000_000
            assert passed <= most + 0.001 * passed  # rounding is in the client's favour

    def test_room_for_so_many_keys(self) -> None:
        """At 128 octets each, as in nginx; the oldest goes when there is none left."""
        of = limit(size=1280)
        for number in range(30):
            assert ask(of, 0, key=b"%d" % number) == [0]
        assert len(of.zone) == 10
        assert ask(of, 0, key=b"29") == [None]
        assert ask(of, 0, key=b"5") == [0]  # forgotten, and counted anew

    def test_who_was_asked_for_lately_stays(self) -> None:
        """The one that goes is the one that was used longest ago."""
        of = limit(size=256)
        ask(of, 0, key=b"a")
        ask(of, 0, key=b"b")
        ask(of, 0, key=b"a")
        ask(of, 0, key=b"c")
        assert ask(of, 0, key=b"a") == [None]
        assert ask(of, 0, key=b"b") == [0]

    def test_empty_buckets_go_after_a_minute(self) -> None:
        """Two at most for each new one; those that are not empty stay."""
        of = limit(rate=16, burst=100)
        ask(of, *[0] * 10, key=b"full")
        for number in range(5):
            ask(of, 0, key=b"%d" % number)
        ask(of, 59_999, key=b"x")
        assert len(of.zone) == 7
        ask(of, 60_000, key=b"y")
        assert len(of.zone) == 8  # the oldest is the full one, and nobody looks behind it
        ask(of, 700_000, key=b"z")
        assert len(of.zone) == 7

    def test_a_key_larger_than_the_zone(self) -> None:
        """Is refused, and evicts nobody but the oldest."""
        of = limit(size=1024)
        assert count_request([(of, bytes(2000))], 0) == Ruling(None, 0, 0, full=True)


class TestConnections:
    """limit_conn."""

    def test_so_many_at_once(self) -> None:
        """Of each key; who leaves makes room."""
        zone = ConnectionZone(ROOM)
        assert [zone.enter(b"a", 2) for _ in range(3)] == [Entry.TAKEN, Entry.TAKEN, Entry.REFUSED]
        assert zone.enter(b"b", 2) is Entry.TAKEN
        zone.leave(b"a")
        assert zone.enter(b"a", 2) is Entry.TAKEN
        for key in (b"a", b"a", b"b"):
            zone.leave(key)
        assert len(zone) == 0

    def test_no_room(self) -> None:
        """Nobody is forgotten who is still here."""
        zone = ConnectionZone(128)
        assert [zone.enter(key, 1) for key in (b"a", b"b", b"c")] == [Entry.TAKEN, Entry.TAKEN, Entry.NO_ROOM]
        zone.leave(b"a")
        assert zone.enter(b"c", 1) is Entry.TAKEN

    @pytest.mark.parametrize(("size", "count"), [(28, 2), (29, 1), (92, 1), (93, 0)])
    def test_what_a_key_costs(self, size: int, count: int) -> None:
        """Powers of two."""
        zone = ConnectionZone(128)
        entries = [zone.enter(bytes([number]) * size, 1) for number in range(3)]
        assert entries.count(Entry.TAKEN) == count
