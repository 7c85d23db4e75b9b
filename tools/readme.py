"""Run the program that README.md shows, and put its pictures and its story into the README.

One picture is its timeline, the other one moves: it is `step_through` of the same recording, a
frame a step, as a browser shows it. They are made anew only if the story has changed (or with
``--fresh``), so that running this twice changes nothing. ``tests/project/test_readme.py`` checks
that the story in the README is what the program does today.

Fact. Markdown may take a line that begins with "1." for a list, also inside a tag, and then shows
the tag as text. What we do about it. The lines of the alternative text end as ``&#10;``, so that
the whole tag stands on one line of the file; a browser reads them as the ends of lines that they
are.
"""

import html
import io
import re
import runpy
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
TIMELINE, MOVING = ROOT / "timeline.png", ROOT / "step-through.webp"
IMAGE = re.compile(r'<img src="timeline\.png" width="(\d+)" alt="([^"]*)">')

STEP_MS = 1500
#: No frame around what has the focus, no hint that comes and goes, no movement within a step.
STILL = """
.epollkit-player { outline: none !important; }
.epp-hint { display: none; }
* { transition: none !important; }
"""


def run_program():
    """Run the README's first Python block; return what its last line, a timeline, evaluates to."""
    program = re.search(
        r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
    ).group(1)
    *body, last = program.rstrip().splitlines()
    # From a file, as yours would: the recorder reads your variables' names.
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "program.py")
        file.write_text("\n".join([*body, f"picture = {last}", ""]), encoding="utf-8")
        return runpy.run_path(str(file))["picture"]


def stored_story():
    """Return the story that the README tells in the picture's alternative text."""
    return html.unescape(IMAGE.search(README.read_text(encoding="utf-8")).group(2))


def tag(width, story):
    """Return the tag that shows the picture, *width* pixels wide, with *story* as its text."""
    alt = html.escape(story).replace("\n", "&#10;")
    return f'<img src="timeline.png" width="{width}" alt="{alt}">'


def frames(log) -> list:
    """Step through *log* in a browser; return a picture of the player at each step."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    from epollkit import explore

    browser_tests = runpy.run_path(str(ROOT / "tests" / "browser" / "conftest.py"))
    shown = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_tests["chromium"](), args=browser_tests["SWITCHES"]
        )
        page = browser.new_page(viewport={"width": 900, "height": 900}, color_scheme="light")
        page.goto(explore.step_through(log).save(Path(folder, "page.html")).as_uri())
        page.add_style_tag(content=STILL)
        page.wait_for_function("[...document.images].every(image => image.complete)")
        player, slider = page.locator(".epollkit-player"), page.locator(".epp-slider")
        player.focus()
        for step in range(int(slider.get_attribute("max")) + 1):
            page.keyboard.press("Home" if step == 0 else "ArrowRight")
            page.wait_for_function(
                "([slider, step]) => slider.value == step", arg=[slider.element_handle(), step]
            )
            shown.append(Image.open(io.BytesIO(player.screenshot(animations="disabled"))))
        browser.close()
    size = [max(sizes) for sizes in zip(*(image.size for image in shown), strict=True)]
    pages = [Image.new("RGB", size, "white") for _ in shown]
    for page, image in zip(pages, shown, strict=True):
        page.paste(image)
    return pages


def moving_picture(log) -> bytes:
    """Return the animation of `frames` as WebP; it begins anew after its last one."""
    first, *others = frames(log)
    file = io.BytesIO()
    first.save(
        file,
        "webp",
        save_all=True,
        append_images=others,
        duration=[STEP_MS] * len(others) + [3 * STEP_MS],
        loop=0,
        lossless=True,
        quality=100,
        method=6,
    )
    return file.getvalue()


def main():
    picture = run_program()
    story = picture.log.summary()
    is_there = TIMELINE.exists() and MOVING.exists()
    if story == stored_story() and is_there and "--fresh" not in sys.argv:
        print("README.md: the same story")
        return
    TIMELINE.write_bytes(picture.png())
    MOVING.write_bytes(moving_picture(picture.log))
    text = README.read_text(encoding="utf-8")
    README.write_text(IMAGE.sub(lambda image: tag(image[1], story), text), encoding="utf-8")
    print("README.md: new pictures and their story")


if __name__ == "__main__":
    main()
