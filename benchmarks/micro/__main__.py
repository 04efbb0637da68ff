"""What the pure functions of a request cost, all of them: python -m benchmarks.micro (or `make micro`)."""

from __future__ import annotations

from benchmarks.micro import exchange, heads, http, pick, requests, variables


def main() -> None:
    """Run every micro benchmark, each under its first line of documentation."""
    for module in (heads, http, variables, requests, pick, exchange):
        summary = (module.__doc__ or "").strip().partition("\n")[0]
        print(f"\n== {summary}")
        module.main()


if __name__ == "__main__":
    main()
