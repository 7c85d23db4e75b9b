"""JupyterLab in a real browser: a server on a copy of the notebooks, headless Chromium, and what a
learner does there.

`Page` opens a notebook, runs it, asks what stands on the page.  It waits for states: a cell has run
when JupyterLab says so, a control has done its work when the page shows it.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
]
PATIENCE_S = 120
#: What the page of a learner never shows: an error of a cell, a widget that has no model, a
#: traceback that was printed.
WRONG = (
    '.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"], '
    '.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]'
)


def chromium() -> str:
    """Return the path of a Chromium; install Debian's if there is none and that is allowed.

    Exits if there is none.
    """

    def found():
        return next(filter(None, map(shutil.which, NAMES)), None)

    if found() is None and shutil.which("apt-get"):
        as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        for command in (["update"], ["install", "-y", "chromium"]):
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(
                    [*as_root, "apt-get", *command],
                    capture_output=True,
                    timeout=600,
                    env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
                )
    return found() or pytest.exit(
        "These tests need Chromium, and it could not be installed. What to type:\n"
        "  sudo apt install chromium\nthen again:  make test-browser",
        returncode=1,
    )


@pytest.fixture(autouse=True)
def every_log_keeps_the_rules():
    """Nothing is recorded in this process; the browser and the server keep streams open in it."""


class Lab:
    """A JupyterLab with nothing of the user's in it, at *url*; `root` is the directory that it
    shows.
    """

    def __init__(self, folder):
        self.root, self.log = folder / "course", folder / "lab.log"
        shutil.copytree(NOTEBOOKS, self.root / "notebooks")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        places = {
            f"JUPYTER{name}_DIR": str(folder / name)
            for name in ("LAB_SETTINGS", "LAB_WORKSPACES", "_DATA", "_CONFIG", "_RUNTIME")
        }
        places["XDG_DATA_HOME"] = str(folder / "progress")
        self.settings = folder / "LAB_SETTINGS"
        self.set("apputils-extension", "notification", fetchNews="false", checkForUpdates=False)
        self.set(
            "notebook-extension", "tracker", windowingMode="none"
        )  # every cell is on the page, in sight or not
        with self.log.open("w") as log:
            self.server = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "jupyterlab",
                    "--no-browser",
                    "--allow-root",
                    f"--port={port}",
                    "--ServerApp.port_retries=0",
                    "--IdentityProvider.token=",
                    "--ServerApp.disable_check_xsrf=True",
                    f"--ServerApp.root_dir={self.root}",
                ],
                env=os.environ | places,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.url}/api", timeout=5).close()
                return
            assert self.server.poll() is None and time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def set(self, extension, which, **settings):
        """Write JupyterLab's settings, as its settings editor would."""
        path = self.settings / "@jupyterlab" / extension / f"{which}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))

    def add(self, name, *cells, kernel="python3"):
        """Put a notebook of these cells beside the others; returns its path from the root."""
        made = nbformat.v4.new_notebook(
            metadata={"kernelspec": {"name": kernel, "display_name": "Python 3 (ipykernel)"}},
            cells=[nbformat.v4.new_code_cell(source) for source in cells],
        )
        nbformat.write(made, self.root / name)
        return name

    def close(self):
        self.server.terminate()
        self.server.wait(PATIENCE_S)


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    started = Lab(tmp_path_factory.mktemp("lab"))
    yield started
    started.close()


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=SWITCHES)
        yield started
        started.close()


@pytest.fixture
def page(lab, browser):
    """A page of its own, 1280 pixels wide; nothing may be wrong on it in the end.

    The notebooks are as they were committed.
    """
    shutil.copytree(NOTEBOOKS, lab.root / "notebooks", dirs_exist_ok=True)
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(1000 * PATIENCE_S)
    shown = Page(lab, context.new_page())
    yield shown
    shown.shut_down()
    context.close()
    assert shown.said_in_the_console == []
    assert "Traceback" not in shown.said_by_the_server


class Page:
    """A page with one notebook on it."""

    def __init__(self, lab, tab):
        self.lab, self.tab, self.said_in_the_console = lab, tab, []
        self.said_by_the_server, self.logged = "", len(lab.log.read_text())
        tab.on("console", lambda message: self._said(message.type, message.text))
        tab.on("dialog", lambda dialog: dialog.accept())  # leave a page with unsaved changes
        tab.on("pageerror", lambda error: self._said("error", str(error)))

    def _said(self, kind, text):
        if kind == "error" or "Traceback" in text:
            self.said_in_the_console.append(text)

    def open(self, path):
        """Open a notebook, and wait until its kernel is idle."""
        self.tab.goto(f"{self.lab.url}/doc/tree/{path}")
        self.tab.wait_for_selector(".jp-Notebook .jp-Cell")
        return self

    def open_without_kernel(self, path):
        """Open a notebook whose kernel is not there, and choose none."""
        self.open(path).tab.click('.jp-Dialog-buttonLabel:text-is("No Kernel")')
        self.tab.wait_for_selector('.jp-StatusBar-TextItem:text-matches("^No Kernel")')
        self.tab.wait_for_function("[...document.images].every(one => one.complete)")

    def wait_until_idle(self):
        self.tab.wait_for_selector('.jp-StatusBar-TextItem:text-matches("[|] Idle$")')

    def menu(self, *labels):
        """Click a menu's item."""
        menu, item = labels
        self.tab.click(f'.lm-MenuBar-itemLabel:text-is("{menu}")')
        self.tab.click(f'.lm-Menu-itemLabel:text-is("{item}")')

    def run_all(self):
        """Run All Cells; returns when each of them has run."""
        self.wait_until_idle()
        self.menu("Run", "Run All Cells")
        return self.wait_until_run()

    def wait_until_run(self):
        """Return when each code cell has run, and the kernel is idle."""
        self.tab.wait_for_function(
            """() => {
                const all = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')];
                const prompts = all.map(p => p.innerText);
                return prompts.length && prompts.every(p => !p.includes('*') && /[0-9]/.test(p));
            }"""
        )
        self.wait_until_idle()
        return self

    def save(self):
        """Save the notebook, as a learner does; returns it as it is in the file."""
        path = self.lab.root / self.path
        before = path.stat().st_mtime_ns
        self.tab.keyboard.press("Escape")
        self.menu("File", "Save Notebook")
        deadline = time.monotonic() + PATIENCE_S
        while True:
            if path.stat().st_mtime_ns != before:
                with contextlib.suppress(
                    nbformat.reader.NotJSONError
                ):  # the server is still writing
                    return nbformat.read(path, 4)
            assert time.monotonic() < deadline, "the notebook was not saved"
            self.tab.wait_for_timeout(50)

    @property
    def path(self):
        return re.search(r"/tree/([^?]*)", self.tab.url)[1]

    def wrong(self) -> list[str]:
        """Return what a page must not show."""
        found = self.tab.eval_on_selector_all(WRONG, "all => all.map(one => one.innerText)")
        text = self.tab.inner_text(".jp-Notebook")
        return found + [line for line in text.splitlines() if "Error displaying widget" in line]

    def shut_down(self):
        """Leave the page, then shut down all kernels of the server.

        A kernel that ends while somebody is connected to it complains, and so does the server:
        what they say meanwhile is not kept in `said_by_the_server`.
        """
        self.said_by_the_server += self.lab.log.read_text()[self.logged :]
        self.tab.goto("about:blank")
        deadline = time.monotonic() + PATIENCE_S
        while kernels := self._kernels():
            assert time.monotonic() < deadline, f"these kernels do not end: {kernels}"
            for kernel in kernels:  # one that was just begun may come late
                self.tab.request.delete(f"{self.lab.url}/api/kernels/{kernel['id']}")
        self.logged = len(self.lab.log.read_text())

    def _kernels(self):
        with urllib.request.urlopen(f"{self.lab.url}/api/kernels") as answer:
            return json.load(answer)
