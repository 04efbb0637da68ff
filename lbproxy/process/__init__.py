"""Master and workers: supervision, signals, sockets that outlive a reload, the pid file."""
