"""Thin faces on the pure parts, for people who want to know what lbproxy would do."""
