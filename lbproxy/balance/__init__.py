"""Choosing servers and keeping count of them. Pure: knows neither HTTP nor sockets, time comes in as *now*."""
