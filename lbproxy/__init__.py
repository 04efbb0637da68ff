"""lbproxy: a reverse proxy and load balancer that reads nginx configurations and speaks HTTP and uwsgi."""

__version__ = "0.1.0"
