"""Proofs: what needs packages of its own, or many minutes.  ``make proofs`` runs them.

Each file here says what it proves.  The programs and the suites of others run in processes of their
own, with this Python; those that need packages get them in an environment that is made for the
purpose and thrown away.  EPOLLKIT_PROOFS=small leaves out what needs such an environment or takes
longer than a few seconds: `.ci/run` asks for that share.  EPOLLKIT_PROOFS_VENV names a directory
where the environment is made once and kept.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

#: Exact versions: what is proven must not change with somebody else's next release.
PACKAGES = (
    "aiohttp==3.14.5",
    "httpx==0.28.1",
    "pytest==9.2.0",
    "tornado==6.6.1",
    "trio==0.35.0",
    "trustme==1.2.1",
    "twisted==26.10.0",
    "uvicorn==0.54.0",
    "uvloop==0.23.0",
)


@pytest.fixture(autouse=True)
def every_log_keeps_the_rules():
    """Nothing is recorded in this process."""


@pytest.fixture(scope="session")
def is_small() -> bool:
    """Return whether only the small share was asked for."""
    return os.environ.get("EPOLLKIT_PROOFS") == "small"


@pytest.fixture(scope="session")
def python_with_packages(tmp_path_factory) -> str:
    """Return a Python, of this version, that has PACKAGES."""
    folder = os.environ.get("EPOLLKIT_PROOFS_VENV") or tmp_path_factory.mktemp("packages")
    python = Path(folder, "bin", "python")
    if not python.exists():
        venv.create(folder, with_pip=True)
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES],
        check=True,
    )
    return str(python)


@pytest.fixture
def python(request, is_small) -> str:
    """Return the Python for what a test names: with packages of others, or this one.

    A test says so by the parameter ``needs_packages``.
    """
    if not request.getfixturevalue("needs_packages"):
        return sys.executable
    if is_small:
        pytest.skip("EPOLLKIT_PROOFS=small: no environment is made for it")
    return request.getfixturevalue("python_with_packages")
