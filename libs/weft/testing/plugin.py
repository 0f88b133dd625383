"""The pytest plug-in of Weft: its marks, and readable asserts in shipped contracts."""

import pytest

pytest.register_assert_rewrite("weft.testing")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "requirement(*ids): the promises this test proves")
    config.addinivalue_line(
        "markers", "backend(name): needs a running backend; skips on a laptop, fails in CI"
    )
