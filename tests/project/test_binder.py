"""Binder:

the links lead to the notebooks, and what Binder builds has the course in it.  And TEACHING.md keeps
its word.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import nbformat
import pytest
from support import ROOT, load_tool

binder_links = load_tool("binder_links")

NOTEBOOKS = [f"notebooks/{path.name}" for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]


def run(*arguments, cwd=ROOT, environment=None):
    """Run a program; returns it with what it said."""
    return subprocess.run(arguments, cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.fixture
def checkout(tmp_path):
    """A directory with the tool and two notebooks, which git does not know yet."""
    for name in ("tools/binder_links.py", "notebooks/00-start-here.ipynb"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "notebooks" / "01 two words.ipynb").write_text("{}")
    return tmp_path


def links_of(checkout, *arguments):
    """Run the tool in *checkout*; git does not look for a repository above it."""
    return run(
        sys.executable,
        "tools/binder_links.py",
        *arguments,
        cwd=checkout,
        environment=os.environ | {"GIT_CEILING_DIRECTORIES": str(checkout.parent)},
    )


def init(checkout, remote=None):
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    run("git", "init", "-q", cwd=checkout)
    if remote:
        run("git", "remote", "add", "origin", remote, cwd=checkout)


def make_links(*variables):
    """Run ``make binder-links`` with this Python, which has the packages already."""
    return run(
        "make",
        "--no-print-directory",
        "binder-links",
        f"VENV={sys.prefix}",
        "SETUP=true",
        *variables,
    )


def test_make_prints_a_badge_and_a_link_for_each_notebook():
    shown = make_links("REPO=owner/name")
    assert shown.returncode == 0, shown.stderr
    links = re.findall(r"^(\S+) +(https://\S+)$", shown.stdout, re.MULTILINE)
    assert [name for name, _ in links] == [Path(notebook).stem for notebook in NOTEBOOKS]
    for (name, url), notebook in zip(links, NOTEBOOKS, strict=True):
        parts = urlsplit(url)
        assert (parts.scheme, parts.hostname, parts.path) == (
            "https",
            "mybinder.org",
            "/v2/gh/owner/name/main",
        )
        assert parse_qs(parts.query) == {"urlpath": [f"lab/tree/{notebook}"]}
        assert (
            f"[![Binder](https://mybinder.org/badge_logo.svg)]({url}) {name}"
            in shown.stdout.splitlines()
        )


def test_make_takes_a_branch():
    shown = make_links("REPO=owner/name", "BRANCH=spring-term")
    assert shown.stdout.count("/v2/gh/owner/name/spring-term?urlpath=lab/tree/") == 2 * len(
        NOTEBOOKS
    )


@pytest.mark.parametrize(
    "repo, expected",
    [
        ("owner/name", "gh/owner/name"),
        ("owner/na.me-2", "gh/owner/na.me-2"),
        ("https://github.com/owner/name", "gh/owner/name"),
        ("https://github.com/owner/name.git", "gh/owner/name"),
        ("https://someone:secret@github.com/owner/name.git", "gh/owner/name"),
        ("git@github.com:owner/name.git", "gh/owner/name"),
        ("ssh://git@github.com/owner/name.git", "gh/owner/name"),
        (
            "https://git.example.org/group/owner/name.git",
            "git/https%3A%2F%2Fgit.example.org%2Fgroup%2Fowner%2Fname",
        ),
        (
            "https://someone:secret@git.example.org/owner/name",
            "git/https%3A%2F%2Fgit.example.org%2Fowner%2Fname",
        ),
        ("git@git.example.org:owner/name.git", "git/https%3A%2F%2Fgit.example.org%2Fowner%2Fname"),
    ],
)
def test_every_way_to_write_a_repository_is_understood(repo, expected):
    assert binder_links.address(repo) == expected


@pytest.mark.parametrize(
    "repo",
    ["name", "a/b/c", "/srv/course", "../course", "file:///srv/course", "owner/", "https://x"],
)
def test_what_binder_cannot_fetch_is_refused_with_what_to_type(repo):
    shown = run(sys.executable, "tools/binder_links.py", "--repo", repo)
    assert shown.returncode == 1 and shown.stdout == ""
    assert repr(repo) in shown.stderr and "make binder-links REPO=owner/name" in shown.stderr


def test_the_remote_called_origin_is_read(checkout):
    init(checkout, "git@github.com:somebody/epoll-course.git")
    shown = links_of(checkout, "--branch", "a/b")
    assert shown.returncode == 0, shown.stderr
    assert (
        "/v2/gh/somebody/epoll-course/a/b?urlpath=lab/tree/notebooks/00-start-here.ipynb"
        in shown.stdout
    )
    assert "lab/tree/notebooks/01%20two%20words.ipynb" in shown.stdout


def test_a_name_given_goes_before_the_remote(checkout):
    init(checkout, "git@github.com:somebody/epoll-course.git")
    assert "somebody" not in links_of(checkout, "--repo", "owner/name").stdout


@pytest.mark.parametrize("with_git", [False, True])
def test_without_remote_and_name_it_says_what_to_type(checkout, with_git):
    if with_git:
        init(checkout)
    shown = links_of(checkout)
    assert shown.returncode == 1 and shown.stdout == ""
    assert (
        "no git remote called origin" in shown.stderr
        and "make binder-links REPO=owner/name" in shown.stderr
    )


# What Binder would build.


@pytest.fixture(scope="module")
def dockerfile():
    """The Dockerfile that Binder's builder makes of this repository."""
    builder = os.environ.get("REPO2DOCKER") or shutil.which("repo2docker")
    if not builder:
        pytest.skip(
            "repo2docker is not installed: pip install jupyter-repo2docker, in an environment of "
            "its own, and set REPO2DOCKER to its path; .ci/run does so"
        )
    shown = run(builder, "--no-build", "--no-run", "--debug", str(ROOT))
    assert shown.returncode == 0, shown.stderr
    return shown


def test_binder_takes_environment_yml_with_its_python(dockerfile):
    wanted = re.search(
        r"^  - python=(3\.\d+)$",
        (ROOT / "environment.yml").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert f"python={wanted[1]}" in dockerfile.stderr + dockerfile.stdout
    assert re.search(r'env update -p \S+ --file "environment.yml"', dockerfile.stdout)


def test_binder_runs_postbuild_after_it_has_the_environment_and_the_course(dockerfile):
    steps = [
        r"src/environment\.yml",
        "env update",
        r"COPY --chown=\d+:\d+ src/ \$\{REPO_DIR\}/",  # to whoever asked for it
        r"RUN \./postBuild",
    ]
    found = [re.search(step, dockerfile.stdout) for step in steps]
    assert all(found), dict(zip(steps, found, strict=True))
    places = [step.start() for step in found]
    assert places == sorted(places), dict(zip(steps, places, strict=True))
    instructions = [line for line in dockerfile.stdout.splitlines() if line.startswith("RUN")]
    assert instructions[-1] == "RUN ./postBuild"


def test_binder_installs_nothing_that_environment_yml_does_not_name(dockerfile):
    """With environment.yml there, Binder passes pyproject.toml by; requirements.txt and the like
    would be used too.
    """
    assert "pip install" not in dockerfile.stdout
    assert not [
        name
        for name in (
            "requirements.txt",
            "apt.txt",
            "setup.py",
            "Dockerfile",
            "runtime.txt",
            "binder",
            ".binder",
            "Pipfile",
        )
        if (ROOT / name).exists()
    ]


def test_postbuild_is_a_script_that_bash_can_read():
    assert run("bash", "-n", "postBuild").returncode == 0


# The page for teachers.

TEACHING = (ROOT / "TEACHING.md").read_text(encoding="utf-8")


def test_the_page_for_teachers_names_the_notebooks_that_exist_and_helps_with_each():
    assert sorted(set(re.findall(r"\]\((notebooks/[^)]+)\)", TEACHING))) == NOTEBOOKS
    stuck = TEACHING[TEACHING.index("## If stuck") : TEACHING.index("## Where the answers are")]
    assert re.findall(r"^\* \*\*(\w+)\*\*:", stuck, re.MULTILINE) == [
        Path(name).stem.split("-")[0] for name in NOTEBOOKS if "reference" not in name
    ]


def test_an_evening_takes_as_long_as_its_notebooks():
    minutes = load_tool("minutes")
    after = TEACHING[TEACHING.index("## After the 90 minutes") :]
    for stated, row in re.findall(r"^\| (\d+) \| (.*)$", after, re.MULTILINE):
        paths = re.findall(r"\]\((notebooks/[^)]+)\)", row)
        assert int(stated) == sum(
            minutes.count(nbformat.read(ROOT / path, 4)).to_state for path in paths
        ), row


def test_the_plan_takes_ninety_minutes():
    plan = TEACHING[TEACHING.index("## The plan") : TEACHING.index("### Two predictions")]
    assert sum(map(int, re.findall(r"^\| (\d+) \|", plan, re.MULTILINE))) == 90


def test_the_headings_and_cells_that_the_plan_names_are_in_the_notebooks():
    said = "".join((ROOT / notebook).read_text(encoding="utf-8") for notebook in NOTEBOOKS[:3])
    plan = TEACHING[TEACHING.index("## The plan") : TEACHING.index("### Two predictions")]
    for words in re.findall(r'"([^"]+)"', plan):
        assert words.lower() in said.lower(), words


@pytest.mark.parametrize("which, expected", [(0, "3 answers in 0 s"), (1, "['EPOLLOUT']")])
def test_the_predictions_for_the_class_come_out_as_it_says(which, expected):
    program = re.findall(r"```python\n(.*?)```", TEACHING, re.DOTALL)[which]
    assert run(sys.executable, "-c", program).stdout.strip() == expected
