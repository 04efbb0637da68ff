"""Where policy meets sockets: a client's connection, an exchange forwarded, the bodies relayed."""
