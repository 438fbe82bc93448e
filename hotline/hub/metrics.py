"""What a hub tells Prometheus: counts and times, never content, never who."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from hotline.hub.admission import Admitted
from hotline.hub.own_leaves import OwnLeaf

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """One registry a hub, so that several hubs (and tests) live in one process."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.entries = Counter("hotline_entries", "Entries accepted, by kind", ["kind"], registry=registry)
        self.own_leaves = Counter("hotline_own_leaves", "Leaves of the hub's own, by kind", ["kind"], registry=registry)
        self.refusals = Counter("hotline_refusals", "Entries refused, by code", ["code"], registry=registry)
        self.batch = Histogram(
            "hotline_batch_entries", "Entries in one commit", registry=registry, buckets=(1, 2, 4, 8, 16, 32, 64)
        )
        self.commit = Histogram(
            "hotline_commit_seconds",
            "From taking a batch to having it on the disk",
            registry=registry,
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
        )
        self.lines = Gauge("hotline_lines", "Stations connected", registry=registry)
        self.logins = Counter("hotline_logins", "Logins, by result", ["result"], registry=registry)
        self.cut = Counter("hotline_lines_cut", "Connections the hub ended, by code", ["code"], registry=registry)
        self.limited = Counter(
            "hotline_limited",
            "What was slowed down or not taken, by the limit that it met",
            ["limit"],
            registry=registry,
        )
        self.strangers = Gauge("hotline_strangers", "Connections on which no station has logged in", registry=registry)
        self.delivered = Counter("hotline_delivered", "Entries sent to stations", registry=registry)
        self.log_size = Gauge("hotline_log_size", "Leaves in the log", registry=registry)
        self.head_size = Gauge("hotline_head_size", "Size of the newest signed head", registry=registry)
        self.published_size = Gauge("hotline_published_size", "Size of the newest head with quorum", registry=registry)
        self.timestamps = Counter(
            "hotline_timestamps", "Time-stamps asked for, by result", ["result"], registry=registry
        )
        self.timestamp_at = Gauge(
            "hotline_timestamp_at_seconds",
            "When the newest time-stamp was had, POSIX seconds; 0: none",
            registry=registry,
        )
        self.clock_late = Histogram(
            "hotline_clock_late_seconds",
            "How late clocks that ran out were noted",
            registry=registry,
            buckets=(0.1, 0.5, 1, 5, 30, 300, 3600),
        )
        self.drift = Gauge("hotline_clock_drift_seconds", "Wall clock ahead of the hub's clock", registry=registry)
        self.store_failures = Counter("hotline_store_failures", "Batches not written", registry=registry)
        self.ready = Gauge("hotline_ready", "Whether a part does its work", ["part"], registry=registry)
        self.unproven = Gauge(
            "hotline_unproven_seconds",
            "For how long something in the log has waited for a head with a quorum; 0: nothing does",
            registry=registry,
        )
        self.alarms = Gauge("hotline_alarms", "Alarms that the console shows to operators", registry=registry)
        self.disk_free = Gauge("hotline_disk_free_bytes", "Room where the store's file is", registry=registry)
        self.file_bytes = Counter("hotline_file_bytes", "Bytes of files carried", ["way"], registry=registry)
        self.file_transfers = Gauge("hotline_file_transfers", "Files being carried", ["way"], registry=registry)
        self.file_refusals = Counter("hotline_file_refusals", "Files refused, by code", ["code"], registry=registry)
        self.file_stored = Gauge(
            "hotline_file_stored_bytes",
            "Bytes of files: bound by an entry, not known to be bound, announced and not whole",
            ["state"],
            registry=registry,
        )
        self.file_dropped = Counter(
            "hotline_files_dropped",
            "Files given up because nothing came or nothing binds them",
            ["why"],
            registry=registry,
        )
        self.file_disk_free = Gauge("hotline_file_disk_free_bytes", "Room where files lie", registry=registry)
        self.faults = Counter("hotline_faults", "Faults of the program that were caught", registry=registry)

    def committed(self, admitted: Iterable[Admitted], own: Iterable[OwnLeaf], seconds: float, size: int) -> None:
        """Count one durable batch; ``size`` is the log's now."""
        count = 0
        for each in admitted:
            count += 1
            payload = each.entry.payload
            self.entries.labels(payload.kind).inc()
            if payload.kind == "clock-expired":
                self.clock_late.observe(int(payload.act.get("late", 0)) / 1000)
        for leaf in own:
            self.own_leaves.labels(leaf.kind).inc()
        if count:
            self.batch.observe(count)
        self.commit.observe(seconds)
        self.log_size.set(size)

    def text(self) -> bytes:
        """The page Prometheus reads."""
        return generate_latest(self.registry)
