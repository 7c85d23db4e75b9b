"""Everything that a learner operates, held against the rules of axe-core, in light and in dark."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from support import ECHO_SERVER

RECORD = """
import os, select, epollkit
from epollkit import exercises, explore

with epollkit.record() as log:
    r, w = os.pipe()
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        os.write(w, b"parcel")
        ep.poll()
        os.read(r, 6)
    os.close(w)
    os.close(r)
page = explore.step_through(log).save("accessible.html")"""
WRONG = """def is_readable(r):
    return True

exercises.check("is-readable", is_readable)"""
CELLS = {
    "question": 'exercises.predict("two-writes")',
    "answer": 'exercises.answer("two-writes", 1, log)',
    "timeline": "epollkit.timeline(log)",
    "step_through": "explore.step_through(log)",
    "waiting": "explore.waiting()",
    "buffers": "explore.buffers()",
    "triggers": "explore.triggers()",
    "endings": "explore.endings()",
    "matrix": "explore.matrix()",
    "beliefs": "explore.beliefs()",
    "scale": "explore.scale(saved=True)",
    "server": ECHO_SERVER,
    "verdict": WRONG,
    "solution": 'exercises.solution("is-readable")',
    "quiz": 'exercises.quiz("poll", seed=11)',
    "progress": "exercises.progress()",
}


def violations(tab, where):
    """Return what axe-core finds wrong in *where*, a CSS selector: rule, element, what it says."""
    return [
        (rule["id"], node["html"][:200], node["failureSummary"])
        for rule in Axe().run(tab, where).response["violations"]
        for node in rule["nodes"]
    ]


@pytest.fixture(params=["Light", "Dark"])
def theme(lab, request):
    lab.set("apputils-extension", "themes", theme=f"JupyterLab {request.param}")
    yield request.param.lower()
    lab.set("apputils-extension", "themes", theme="JupyterLab Light")


def test_no_rule_is_broken_in_the_notebook(page, lab, theme):
    page.open(lab.add("accessible.ipynb", RECORD, *CELLS.values())).run_all()
    page.tab.wait_for_selector(
        f'body[data-jp-theme-light="{str(theme == "light").lower()}"]', state="attached"
    )
    page.tab.locator(".epollkit-question button").first.click()
    page.tab.locator(".epollkit-quiz button:visible").first.click()
    page.tab.locator(".epollkit-quiz .epollkit-player").wait_for()
    for summary in page.tab.locator(".jp-OutputArea-output summary").all():
        summary.click()
    wrong = {
        name: found
        for place, name in enumerate(CELLS, start=1)
        if (found := violations(page.tab, f".jp-Cell:nth-of-type({place + 1}) .jp-OutputArea"))
    }
    assert wrong == {}


def test_no_rule_is_broken_in_a_saved_page(page, lab, browser, theme):
    page.open(lab.add("saved-page.ipynb", RECORD)).run_all()
    context = browser.new_context(color_scheme=theme)
    tab = context.new_page()
    tab.goto((lab.root / "accessible.html").as_uri())
    tab.wait_for_selector(".epollkit-player")
    wrong = violations(tab, "html")
    context.close()
    assert wrong == []
