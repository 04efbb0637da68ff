"""Whole sites, as people have them: nginx and lbproxy tell every visitor and every backend the same."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.sites import CLOSING, PAGES, Site, sites, write_files
from tests.support.stage import Stage
from tests.support.twins import Twins

REQUESTS = 120
LIKE_NGINX = {"upstream_response_length"}  # see docs/differences.md


@pytest.mark.parametrize("site", sites(), ids=lambda site: site.name)
def test_site(site: Site) -> None:
    """Many visitors: status, fields, body, what the backends were asked, and the line in the log."""
    with Stage() as stage:
        root = stage.directory / "www"
        write_files(root)
        twins = Twins(stage, site.text, PAGES, PAGES, uwsgi=(CLOSING, CLOSING), root=root, dead=stage.dead())
        statuses: Counter[int] = Counter()
        for number, request in enumerate(site.requests(REQUESTS)):
            try:
                seen = twins.check(request, unlike=LIKE_NGINX)
            except AssertionError as difference:
                difference.add_note(f"request {number}: {request!r}")
                raise
            statuses.update(told.status for told in seen.answers)
        assert len(statuses) > 1, f"all the same: {statuses}"
