"""docs/methods.md shows Python that runs as it is written."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def test_the_example_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "methods.md").read_text(), re.DOTALL)
    monkeypatch.chdir(ROOT)
    namespace: dict[str, object] = {}
    exec(code, namespace)  # noqa: S102
    assert len(namespace["frames"].modes) == 6  # type: ignore[attr-defined]
