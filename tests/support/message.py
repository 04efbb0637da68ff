"""What requests and answers have in common, whoever received them."""

from __future__ import annotations


class Message:
    """
    Something with fields.

    Attributes:
        fields: Name and value of each, as received and in order.
    """

    fields: tuple[tuple[bytes, bytes], ...]

    def get(self, name: str) -> str | None:
        """Return the first field (any letter case) or uwsgi variable of this name, or None."""
        return next(iter(self.get_all(name)), None)

    def get_all(self, name: str) -> list[str]:
        """Return every field or variable of this name, in order."""
        wanted = name.lower().encode()
        return [value.decode("latin-1") for key, value in self.fields if key.lower() == wanted]
