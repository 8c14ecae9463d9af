"""The demo's world on an Anvil of its own, with real processes, in fewer steps.

Worlds are expensive (a node, a deployment, three or four processes): a file shares one run between its tests.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scripts.artifacts import ArtifactError, compile_project, load
from scripts.demo.fall import fall
from scripts.demo.story import Story

SHORT = (1, 3, 4, 6, 9)  # steps of the fall by index: -3.5, -8, -13 (the gap), -17.5, -25 %


@pytest.fixture(scope="session")
def compiled() -> None:
    """Artefacts on disk, as `make compile` leaves them."""
    try:
        load("Lens")
    except ArtifactError:
        compile_project()


@pytest.fixture(scope="session")
def short_fall(compiled: None) -> Story:
    story = fall()
    return replace(story, name="short fall", markets=tuple(story.markets[i] for i in SHORT))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")
