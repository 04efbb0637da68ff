"""The configuration language: text to directives to a frozen model. Pure: files come through a reader."""
