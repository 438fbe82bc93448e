"""The two reports for people that lie in a bundle: ``report.html`` and ``report.txt``, written by its maker.

They are made by the accord and the policy that lie in the same bundle, since the maker cannot know the reader's; so they
show what the bundle says and no more, and both begin with that.
"""

from __future__ import annotations

from dataclasses import replace

from mediation.audit.page import page
from mediation.audit.phrases import Basis
from mediation.audit.report import Report
from mediation.audit.trust import Trust
from mediation.audit.verifier import verify
from mediation.audit.words import text
from protocols.accord import open_accord
from protocols.bundle import MAX_BUNDLE_BYTES, MAX_REPORT_BYTES, Bundle, write_bundle
from protocols.translog import parse_policy

MAX_REPORTED = 5_000
"""Entries beyond which no report is put into a bundle: nobody prints it, and it would take its maker long."""


def with_reports(bundle: Bundle) -> Bundle:
    """The bundle with both reports; without any where it has more than `MAX_REPORTED` entries, or no room for them.

    Raises what `protocols.accord.open_accord` raises.
    """
    bare = replace(bundle, reports={})
    if len(bundle.exhibits) > MAX_REPORTED:
        return bare
    accord = open_accord(bundle.accord)
    report = verify(bare, Trust(parse_policy(accord.accord.policy), accord.id))
    basis = Basis(own=False, tokens=count_tokens(bundle))
    reports = {"report.html": page(report, basis).encode(), "report.txt": text(report, basis).encode()}
    room = MAX_BUNDLE_BYTES - sum(map(len, write_bundle(bare).values())) - 1024  # their lines in the manifest
    fits = all(len(data) <= MAX_REPORT_BYTES for data in reports.values()) and sum(map(len, reports.values())) <= room
    return replace(bare, reports=reports) if fits else bare


def own_page(bundle: Bundle, report: Report, trust: Trust) -> str:
    """The page of the reader's own run."""
    return page(report, Basis(own=True, tokens=count_tokens(bundle), authorities=len(trust.authorities)))


def count_tokens(bundle: Bundle) -> int:
    """Time-stamps in it."""
    return sum(head.token is not None for head in bundle.heads) + (bundle.final_token is not None)
