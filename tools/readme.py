"""Run the program that README.md shows, and put its picture and its story into the README.

The picture is drawn anew only if the story has changed (or with ``--fresh``), so that running this
twice changes nothing. ``tests/project/test_readme.py`` checks that the story in the README is what the
program does today.
"""

import html
import re
import runpy
import sys
import tempfile
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
IMAGE = re.compile(r'<img src="timeline\.png" width="(\d+)" alt="(.*?)">', re.DOTALL)


def run_program():
    """Run the README's first Python block; return what its last line, a timeline, evaluates to."""
    program = re.search(
        r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
    ).group(1)
    *body, last = program.rstrip().splitlines()
    with (
        tempfile.TemporaryDirectory() as folder
    ):  # from a file, as yours would: the recorder reads your variables' names
        file = Path(folder, "program.py")
        file.write_text("\n".join([*body, f"picture = {last}", ""]), encoding="utf-8")
        return runpy.run_path(str(file))["picture"]


def stored_story():
    """Return the story that the README tells in the picture's alternative text."""
    return html.unescape(IMAGE.search(README.read_text(encoding="utf-8")).group(2))


def main():
    picture = run_program()
    story = picture.log.summary()
    image = README.parent / "timeline.png"
    if story == stored_story() and image.exists() and "--fresh" not in sys.argv:
        print("README.md: the same story")
        return
    image.write_bytes(picture.png())
    text = README.read_text(encoding="utf-8")
    README.write_text(
        IMAGE.sub(
            lambda found: f'<img src="timeline.png" width="{found[1]}" alt="{html.escape(story)}">',
            text,
        ),
        encoding="utf-8",
    )
    print("README.md: a new picture and its story")


if __name__ == "__main__":
    main()
