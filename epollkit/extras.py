"""The packages beyond the standard library that a part of epollkit needs, and what to type for it.

*Facts.* Recording needs the standard library only.  Drawing, and what a notebook shows, need more;
pip installs these packages only if it is asked for the *extra* that lists them, and writes the
lists down beside the package.

*What we do about them.* The lists are read from there, so there is no second one to keep true.  Who
asks for a part whose packages are not here is told in one sentence what to type.

*Source:* importlib.metadata(3.11), "Distribution requirements".
"""

import re
import shlex
import sys

#: One requirement as pip wrote it down, such as `numpy>=2.3; extra == "draw"`.
REQUIREMENT = re.compile(
    r"""(?P<name>[\w.-]+)\s*(?:>=\s*(?P<least>[\d.]+))?\s*;.*\bextra\s*==\s*["'](?P<extra>\w+)"""
)


def packages(*extras) -> dict[str, str]:
    """Return the packages of these *extras* and the least version of each: {"numpy": "2.3"}.

    Raises `importlib.metadata.PackageNotFoundError` where epollkit itself is not installed.
    """
    from importlib import metadata

    requirements = [REQUIREMENT.match(text) for text in metadata.requires("epollkit") or []]
    return {
        requirement["name"]: requirement["least"] or "0"
        for requirement in requirements
        if requirement and requirement["extra"] in extras
    }


def python() -> str:
    """Return what to type to start this very Python."""
    return shlex.quote(sys.executable or "python3")


def install(**least) -> str:
    """Return the command that installs these packages, each with its least version."""
    wanted = [shlex.quote(f"{name}>={version}") for name, version in least.items()]
    return f"{python()} -m pip install {' '.join(wanted)}"


def missing(part, package, *extras) -> ImportError:
    """Return the error that says that *part* cannot be used without *package*, and what to type."""
    from importlib import metadata

    try:
        mend = install(**packages(*extras))
    except metadata.PackageNotFoundError:  # epollkit is not installed but lies on the path
        mend = f"{python()} -m pip install {package}"
    return ImportError(
        f"epollkit.{part} needs {package}, which is not installed. What to type: {mend}",
        name=package,
    )
