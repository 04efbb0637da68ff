"""Files: which one a request means, what is said of it, and which octets of it are sent; all without opening one."""
