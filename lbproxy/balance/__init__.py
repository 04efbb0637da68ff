"""Choosing servers and counting how they do. Pure: knows neither HTTP nor sockets; time comes in as *now*."""
