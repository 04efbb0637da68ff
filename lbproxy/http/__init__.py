"""What a request means: its exchange, variables, location, answers made without a backend. Pure."""
