"""Sockets: readiness, fibres, streams, listeners, pools. Octets only: of ours imports nothing but errors."""
