"""Octets to values and back: HTTP/1, uwsgi, message framing, targets. Pure: no sockets, no clock."""
