"""The lists of packages say the same, and the files that a newcomer meets first keep what they
promise.
"""

import re
import subprocess
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from support import ROOT, tracked_files

#: The last part of a host → the hosts of package registries that end so, a blank for each dot; "_"
#: stands for nothing.
HOSTS = {
    "org": (
        "pypi",
        "python_hosted",
        "registry npmjs",
        "conda anaconda",
        "anaconda",
        "deb debian",
        "proxy golang",
        "repo maven apache",
        "rubygems",
    ),
    "com": ("npmjs", "repo anaconda", "archive ubuntu", "yarnpkg"),
    "io": ("crates", "jsr"),
}
REGISTRIES = re.compile(
    r"\b(?:"
    + "|".join(
        re.escape(".".join((*name.replace("_", "").split(), end)))
        for end, names in HOSTS.items()
        for name in names
    )
    + r")\b",
    re.IGNORECASE,
)


def pyproject():
    """Return pyproject.toml, as a dict."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def minimums(requirements):
    """Return {name: least version} of requirements like "numpy>=2.3".

    Each of them must have a minimum and no more.
    """
    found = {}
    for text in requirements:
        requirement = Requirement(text)
        (specifier,) = requirement.specifier
        assert specifier.operator == ">=", (
            f"{text}: a minimum was wanted, such as {requirement.name}>=1.0"
        )
        assert requirement.marker is None and not requirement.extras, (
            f"{text}: one set, without conditions"
        )
        found[canonicalize_name(requirement.name)] = Version(specifier.version)
    return found


def of_the_course():
    """Return {name: least version} of what the extras ask for: all that the course uses."""
    extras = pyproject()["project"]["optional-dependencies"]
    listed = [text for texts in extras.values() for text in texts]
    return minimums(text for text in listed if Requirement(text).name != "epollkit")


def of_the_group():
    """Return {name: least version} of what else the tests and the tools use."""
    return minimums(pyproject()["dependency-groups"]["dev"])


def from_environment_yml():
    """Return what environment.yml lists, as {name: the whole line}."""
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    lines = re.findall(r"^ +- (.*[^:\n])$", text.split("\ndependencies:\n")[1], re.MULTILINE)
    return {re.match(r"[\w.-]+", line)[0]: line for line in lines}


def sections_of_constraints():
    """Return the three sections of constraints.txt, as dicts {name: version}.

    They are the course's packages, those of the group, and what these bring along.  An empty line
    ends a section.
    """
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    sections = []
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if line and not line.startswith("#")]
        if lines:
            pins = [re.fullmatch(r"([\w.-]+)==([\w.]+)", line) for line in lines]
            assert all(pins), f"not all of these lines are exact pins, name==version: {lines}"
            assert len({canonicalize_name(pin[1]) for pin in pins}) == len(pins), (
                "a package is pinned twice"
            )
            sections.append({canonicalize_name(pin[1]): Version(pin[2]) for pin in pins})
    return sections


def test_recording_needs_the_standard_library_only():
    assert pyproject()["project"]["dependencies"] == []


def test_each_package_is_asked_for_once_and_each_extra_brings_the_one_below_it():
    extras = pyproject()["project"]["optional-dependencies"]
    assert list(extras) == ["draw", "notebook", "course"]
    assert [texts[0] for texts in extras.values()] == [
        extras["draw"][0],
        "epollkit[draw]",
        "epollkit[notebook]",
    ]
    listed = [Requirement(text).name for texts in extras.values() for text in texts]
    assert len(set(listed) - {"epollkit"}) == len(listed) - 2
    assert not of_the_course().keys() & of_the_group().keys()


def test_environment_yml_lists_the_same_packages_with_the_same_minimums():
    listed = from_environment_yml()
    assert re.fullmatch(r"python=3\.\d+", listed.pop("python")), (
        "Binder wants one Python, such as python=3.13"
    )
    assert listed.pop("pip") == "pip"
    assert minimums(listed.values()) == of_the_course()


def test_environment_yml_does_not_install_epollkit():
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    lines = [line.split("#")[0] for line in text.splitlines()]
    assert not any(re.search(r"-e\b|\bfile:|^\s+- +\.", line) for line in lines)
    build = ROOT / "postBuild"
    assert build.stat().st_mode & 0o111, (
        "Binder runs postBuild only if it is executable: chmod +x postBuild"
    )
    assert (
        "\nset -eux\n" in build.read_text()
        and "\npip install --no-deps -e .\n" in build.read_text()
    )


def test_the_python_of_environment_yml_is_one_we_allow():
    at_least = Version(pyproject()["project"]["requires-python"].removeprefix(">="))
    assert Version(from_environment_yml()["python"].removeprefix("python=")) >= at_least


@pytest.mark.parametrize("section, listed", [(0, of_the_course), (1, of_the_group)])
def test_constraints_pin_the_same_packages_at_or_above_their_minimums(section, listed):
    pinned, least = sections_of_constraints()[section], listed()
    assert set(pinned) == set(least)
    assert {name: str(version) for name, version in pinned.items() if version < least[name]} == {}


def test_constraints_pin_everything_that_our_packages_bring_along():
    """Walk what the installed packages require.

    Only what this Python and this system require is walked.
    """
    from importlib import metadata

    course, group, theirs = sections_of_constraints()
    pinned = course | group | theirs
    assert len(pinned) == len(course) + len(group) + len(theirs), "a package is pinned twice"
    to_walk = [*course, *group]
    seen = set()
    while to_walk:
        name = to_walk.pop()
        if name in seen:
            continue
        seen.add(name)
        assert name in pinned, f"{name} is required, and constraints.txt does not pin it"
        for text in metadata.requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                to_walk.append(canonicalize_name(requirement.name))
                extras = requirement.extras
                for more in metadata.requires(requirement.name) or [] if extras else []:
                    wanted = Requirement(more)
                    if wanted.marker and any(
                        wanted.marker.evaluate({"extra": extra}) for extra in extras
                    ):
                        to_walk.append(canonicalize_name(wanted.name))


def test_the_pins_run_on_the_first_release_of_every_python_we_allow():
    """A package may want 3.11.5; Debian's 3.11 is 3.11.2, and its pip would find no pinned one."""
    from importlib import metadata

    course, group, theirs = sections_of_constraints()
    pinned = course | group | theirs
    wanting = {}
    for installed in metadata.distributions():
        as_pinned = str(pinned.get(canonicalize_name(installed.name))) == installed.version
        if as_pinned and "Requires-Python" in installed.metadata:
            allowed = SpecifierSet(installed.metadata["Requires-Python"])
            if not all(allowed.contains(python) for python in ("3.11.0", "3.12.0", "3.13.0")):
                wanting[installed.name] = str(allowed)
    assert wanting == {}


def test_no_file_names_the_host_of_a_package_registry():
    found = {}
    for path in tracked_files():
        text = path.read_bytes().decode("utf-8", "replace")
        if "data:image/png;base64," in text or '"image/png"' in text:
            text = re.sub(r"[A-Za-z0-9+/=]{200,}", "", text)
        if hosts := set(REGISTRIES.findall(text)):
            found[str(path.relative_to(ROOT))] = hosts
    assert found == {}


def test_a_bare_make_explains_every_target():
    phony = re.findall(
        r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    explained = dict(re.findall(r"^  make ([\w-]+)\s+(\S.*)$", shown, re.MULTILINE))
    assert sorted(explained) == sorted(" ".join(phony).split())
    assert "lab" in explained and "test" in explained


def test_the_makefile_fits_on_one_screen():
    assert len((ROOT / "Makefile").read_text(encoding="utf-8").splitlines()) <= 60


def test_the_license_is_the_one_pyproject_names():
    assert pyproject()["project"]["license"] == "BSD-3-Clause"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("BSD 3-Clause License")
