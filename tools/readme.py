"""Run the program that README.md shows, and put its picture and its story into the README.

The picture is drawn anew only if the story has changed (or with ``--fresh``), so that running this
twice changes nothing. ``tests/project/test_readme.py`` checks that the story in the README is what
the program does today.

Fact. Markdown may take a line that begins with "1." for a list, also inside a tag, and then shows
the tag as text. What we do about it. The lines of the alternative text end as ``&#10;``, so that
the whole tag stands on one line of the file; a browser reads them as the ends of lines that they
are.
"""

import html
import re
import runpy
import sys
import tempfile
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
IMAGE = re.compile(r'<img src="timeline\.png" width="(\d+)" alt="([^"]*)">')


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


def main():
    picture = run_program()
    story = picture.log.summary()
    image = README.parent / "timeline.png"
    if story == stored_story() and image.exists() and "--fresh" not in sys.argv:
        print("README.md: the same story")
        return
    image.write_bytes(picture.png())
    text = README.read_text(encoding="utf-8")
    README.write_text(IMAGE.sub(lambda image: tag(image[1], story), text), encoding="utf-8")
    print("README.md: a new picture and its story")


if __name__ == "__main__":
    main()
