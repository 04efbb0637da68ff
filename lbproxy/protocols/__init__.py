"""How an exchange looks to one kind of backend. Pure: a request to octets, octets to an answer."""
