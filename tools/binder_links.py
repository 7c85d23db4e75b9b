"""Print a Binder badge and a direct link for each notebook: ``make binder-links REPO=owner/name
BRANCH=main``.

Without a name it reads the git remote called origin.  A link opens JupyterLab at its notebook.
Binder fetches the repository from where it is published: it must be public, and what you want to
show must have been pushed.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
BINDER = "https://mybinder.org"
WHAT_TO_TYPE = (
    "What to type:   make binder-links REPO=owner/name   (a public repository on github.com)"
)


def address(repo) -> str:
    """Return how Binder names a repository.

    *repo* is ``owner/name`` on GitHub, or the address of a git remote, on GitHub or elsewhere.  A
    password in it is left out.  Raises ValueError for what Binder cannot fetch, as a directory on
    this machine.
    """
    scp = re.fullmatch(
        r"(?:[\w.-]+@)?([\w.-]+\.\w+):(?!//)/?(.+)", repo
    )  # git@github.com:owner/name.git
    parts = urlsplit(f"https://{scp[1]}/{scp[2]}" if scp else repo)
    path = parts.path.strip("/").removesuffix(".git")
    is_name = not parts.scheme and not repo.startswith((".", "/", "~"))
    if is_name or parts.hostname in ("github.com", "www.github.com"):
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", path):
            raise ValueError(f"{repo!r} does not name a repository: owner/name is wanted")
        return f"gh/{path}"
    if parts.scheme not in ("https", "http", "ssh", "git") or not parts.hostname or not path:
        raise ValueError(
            f"{repo!r} is nothing that Binder can fetch: a public repository is wanted"
        )
    return "git/" + quote(f"https://{parts.hostname}/{path}", safe="")


def origin(root=ROOT) -> str | None:
    """Return the address of the git remote called origin; None if there is none, or no git."""
    try:
        asked = subprocess.run(
            ["git", "remote", "get-url", "origin"], cwd=root, capture_output=True, text=True
        )
    except FileNotFoundError:
        return None
    return asked.stdout.strip() or None if asked.returncode == 0 else None


def link(repo, branch, notebook) -> str:
    """Return the link that opens *notebook*, a path inside the repository, in JupyterLab on
    Binder.
    """
    return f"{BINDER}/v2/{address(repo)}/{quote(branch)}?urlpath=lab/tree/{quote(notebook)}"


def text(repo, branch, notebooks) -> str:
    """Return the whole answer: badges in Markdown, then the bare links."""
    links = {Path(notebook).stem: link(repo, branch, notebook) for notebook in notebooks}
    badges = [f"[![Binder]({BINDER}/badge_logo.svg)]({url}) {name}" for name, url in links.items()]
    return "\n".join(
        [
            f"Badges, in Markdown, for {repo} at {branch}:",
            "",
            *badges,
            "",
            "Direct links:",
            "",
            *(f"{name:<24}  {url}" for name, url in links.items()),
        ]
    )


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--repo", default="", help="owner/name on GitHub, or the address of a public git repository"
    )
    parser.add_argument("--branch", default="", help="branch, tag or commit; main if there is none")
    options = parser.parse_args(arguments)
    repo = options.repo or origin()
    if repo is None:
        sys.exit("There is no git remote called origin, and no name was given.\n" + WHAT_TO_TYPE)
    notebooks = [f"notebooks/{path.name}" for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    try:
        print(text(repo, options.branch or "main", notebooks))
    except ValueError as error:
        sys.exit(f"{error}.\n{WHAT_TO_TYPE}")


if __name__ == "__main__":
    main()
