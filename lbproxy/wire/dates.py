"""
HTTP dates (RFC 9110 section 5.6.7): written in one form, read in three.
"""

from __future__ import annotations

import re

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""As logs and messages name them, whatever the locale."""

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_DAYS = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
_MONTHS = tuple(map(str.encode, MONTHS))

_MONTH = rb"(?P<month>" + b"|".join(_MONTHS) + rb")"
_TIME = rb"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_FORMS = tuple(
    re.compile(form)
    for form in (
        rb"[A-Z][a-z]{2}, (?P<day>[0-9]{2}) " + _MONTH + rb" (?P<year>[0-9]{4}) " + _TIME + rb" GMT",
        rb"[A-Z][a-z]{5,8}, (?P<day>[0-9]{2})-" + _MONTH + rb"-(?P<year>[0-9]{2}) " + _TIME + rb" GMT",
        rb"[A-Z][a-z]{2} " + _MONTH + rb" (?P<day>[ 0-9][0-9]) " + _TIME + rb" (?P<year>[0-9]{4})",
    )
)
"""IMF-fixdate, RFC 850's date, asctime's."""


def http_date(seconds: float) -> bytes:
    """Return the IMF-fixdate of *seconds* since 1970 (UTC), fractions cut off."""
    from datetime import UTC, datetime  # noqa: PLC0415 - 5 ms, which -t need not wait for

    at = datetime.fromtimestamp(int(seconds), UTC)
    day, month = _DAYS[at.weekday()], _MONTHS[at.month - 1]
    return b"%b, %02d %b %04d %02d:%02d:%02d GMT" % (day, at.day, month, at.year, at.hour, at.minute, at.second)


def parse_date(value: bytes) -> int | None:
    """
    Return the seconds since 1970 (UTC) that *value* stands for, None if it is no HTTP date.

    A year of two digits is one between 1970 and 2069, as in src/core/ngx_parse_time.c:ngx_parse_http_time.
    """
    from datetime import UTC, datetime  # noqa: PLC0415 - as above

    for form in _FORMS:
        match = form.fullmatch(value)
        if match is None:
            continue
        day, hour, minute, second, year = (int(match[name]) for name in ("day", "hour", "minute", "second", "year"))
        if year < 100:
            year += 1900 if year >= 70 else 2000
        leap = second == 60  # the second behind 59
        try:
            at = datetime(year, _MONTHS.index(match["month"]) + 1, day, hour, minute, second - leap, tzinfo=UTC)
        except ValueError:
            return None
        return int(at.timestamp()) + leap
    return None
