"""Key packages of our own: kept on the hub, so that others can bring this station into a group while it is away.

Those of others are asked for in `hotline.station.claims`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hotline.station.core import Core
from protocols import frames
from protocols.encoding import b64u, digest
from protocols.mls import make_key_package

LEAST_PACKAGES, MOST_PACKAGES = 10, 100
PACKAGE_DAYS = 60


def packages_kept(offices: int) -> int:
    """How many key packages a station keeps on the hub. With half of them each of so many offices can still have two, whatever
    the others took: the hub keeps that much for each, and the station fills up below it."""
    return min(MOST_PACKAGES, max(LEAST_PACKAGES, 4 * offices + 2))


async def replenish(core: Core, send: Callable[[frames.Frame], Awaitable[None]], left: int) -> None:
    """Keep key packages on the hub: it holds ``left`` of ours. They are on the disk before ``send`` gets them; raises what
    storing raises, and `LineBroken` where they cannot be sent."""
    identity = core.identity
    keep = packages_kept(len(identity.accord.accord.offices))
    if left >= keep // 2:
        return
    now = core.clock.now() // 1000
    fresh = [
        make_key_package(
            identity.accord.accord.suite,
            identity.kid.encode("ascii"),
            identity.keys.mls,
            not_before=now - 3600,
            not_after=now + PACKAGE_DAYS * 86_400,
            rng=core.rng,
        )
        for _ in range(keep - left)
    ]
    # One that was handed out may still arrive in a welcome: it is kept until it could no longer be used.
    stale = [name for name, expires in core.expiry.items() if expires < now - 86_400]
    async with core.lock, core.store.change() as change:
        for bundle in fresh:
            name = digest(bundle.ref)
            parts = [b64u(part) for part in (bundle.key_package, bundle.private, bundle.ref)]
            sealed = core.vault.seal_json(f"key_packages/{name}", parts)
            await change.add_key_package(name, now + PACKAGE_DAYS * 86_400, sealed)
        await change.drop_key_packages(stale)
    for bundle in fresh:
        core.bundles[digest(bundle.ref)] = bundle
        core.expiry[digest(bundle.ref)] = now + PACKAGE_DAYS * 86_400
    for name in stale:
        core.bundles.pop(name, None)
        core.expiry.pop(name, None)
    await send(frames.Publish(tuple(bundle.key_package for bundle in fresh)))
