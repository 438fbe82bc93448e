"""Which of the hub's tests run on both kinds of store: those about what is written and read, not about the file itself."""

from __future__ import annotations

import pytest

from tests import postgres
from tests.hotline import harness

ON_BOTH = {"test_line", "test_mandates", "test_mediator", "test_search", "test_writer"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.module.__name__.rpartition(".")[2] in ON_BOTH and "tmp_path" in metafunc.fixturenames:
        metafunc.fixturenames.append("kept_in")
        metafunc.parametrize("kept_in", ["file", "postgresql"], indirect=True)


@pytest.fixture
def kept_in(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `make_world` name a store of this kind."""
    if request.param == "postgresql":
        if not postgres.available():
            pytest.skip(postgres.MISSING)
        monkeypatch.setattr(harness, "new_server", postgres.new_database)
