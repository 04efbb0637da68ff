"""Sockets: readiness, streams, listeners, pools. Knows octets only, and of ours imports nothing but errors."""
