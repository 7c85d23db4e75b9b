"""The README says what is true:

its program runs, its picture's story is what happens, its links lead somewhere.
"""

import re
import struct
from html.parser import HTMLParser

import nbformat
from markdown_it import MarkdownIt
from PIL import Image
from support import ROOT, load_tool

readme, minutes = load_tool("readme"), load_tool("minutes")


def test_the_picture_tells_what_the_program_does():
    assert readme.run_program().log.summary() == readme.stored_story()


def test_the_picture_is_there():
    kind, width, height = struct.unpack(">12x4sII", (ROOT / "timeline.png").read_bytes()[:24])
    assert kind == b"IHDR" and width > 900 and height > 200


class Images(HTMLParser):
    """The attributes of each ``<img>`` of a page."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.found.append(dict(attributes))


def test_a_reader_of_the_page_sees_the_picture_and_hears_its_whole_story():
    """A public forge renders the file as CommonMark, which allows HTML but may cut it up."""
    page = MarkdownIt("commonmark").render((ROOT / "README.md").read_text(encoding="utf-8"))
    stories = {image["src"]: image["alt"] for image in Images(page).found}
    assert stories["timeline.png"] == readme.run_program().log.summary()
    assert "&lt;img" not in page


def test_a_tag_of_several_lines_would_be_cut_up():
    """What the line breaks in the tag are kept away from; also that the parser would notice."""
    several = readme.tag(900, readme.stored_story()).replace("&#10;", "\n")
    assert Images(MarkdownIt("commonmark").render(several)).found == []


def test_the_moving_picture_has_a_frame_a_step():
    with Image.open(ROOT / "step-through.webp") as picture:
        frames = picture.n_frames
    assert frames == readme.run_program().log.steps[2]
    assert (ROOT / "step-through.webp").stat().st_size < 1_000_000


def test_relative_links_lead_to_files():
    for page in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(
            r"\]\((?!http)([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8")
        ):
            assert (ROOT / target).exists(), f"{page} links to {target}, which is not there"


def test_every_module_named_in_contributing_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text[text.index("## Where things are") : text.index("## House rules")]
    for name in re.findall(r"`([a-z_/]+\.(?:py|cfg))`", table):
        assert any((ROOT / folder / name).exists() for folder in ("", "epollkit")), name


def test_the_table_has_every_notebook_and_the_minutes_that_it_takes():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[[^]]*\]\((notebooks/[^)]*)\) \| ?(\d*) \|", text, re.MULTILINE)
    takes = {
        f"notebooks/{path.name}": minutes.count(nbformat.read(path, 4)).to_state
        for path in (ROOT / "notebooks").glob("*.ipynb")
    }
    assert {path for path, _ in listed} == takes.keys()
    assert {path: int(stated) for path, stated in listed if stated} == {
        path: takes[path] for path in takes if "reference" not in path
    }


def test_a_saturday_takes_as_long_as_it_says():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    way, hours, minutes = re.search(
        r"On a Saturday: ([\d, and]+), (\d) hours (\d\d) minutes", text
    ).groups()
    table = dict(re.findall(r"\[(\d\d) [^]]*\]\([^)]*\) \| (\d+) \|", text))
    numbers = re.findall(r"\d\d", way)
    assert sum(int(table[number]) for number in numbers) == 60 * int(hours) + int(minutes)
