"""The controls that explorables are made of: buttons, choices, numbers; and rows of them.

Facts about controls
--------------------
* A field for numbers that has bounds changes what is typed, in silence: ``1e9`` becomes 19, and
  10,000,000 becomes 5,000.
* Buttons are as wide as each other, and their words are cut, unless they are told otherwise.
* A slider takes its keys from a handler of its own, which comes after the notebook's.  A list of
  choices takes them from the browser.

What we do about them
---------------------
A number is a field for text, and is refused with a sentence when it is used.  No explorable has a
slider.
"""

import ipywidgets

from .page import Refused

FREE = {"description_width": "initial"}
#: Keeps the description of toggle buttons beside them, not above.
BESIDE = {
    "width": "max-content",
    "display": "flex",
    "flex_flow": "row nowrap",
    "align_items": "center",
    "grid_gap": "6px",
}


def button(words, tip, act, is_primary=False, **named) -> ipywidgets.Button:
    """Return a button that calls *act*, which gets the button."""
    style = "primary" if is_primary else ""
    made = ipywidgets.Button(
        description=words, tooltip=tip, button_style=style, layout={"width": "auto"}, **named
    )
    made.on_click(act)
    return made


def toggles(words, options) -> ipywidgets.ToggleButtons:
    """Return buttons of which one is down."""
    return ipywidgets.ToggleButtons(
        options=options, description=words, style=FREE | {"button_width": "auto"}, layout=BESIDE
    )


def choice(words, options, width="auto", **named) -> ipywidgets.Dropdown:
    """Return a list that opens, to choose one of *options*."""
    return ipywidgets.Dropdown(
        options=options, description=words, style=FREE, layout={"width": width}, **named
    )


class Number:
    """A field for a whole number from *least* to *most*; on the page it is `field`."""

    def __init__(self, words, value, least, most, width="220px"):
        self.words, self.least, self.most = words, least, most
        self.field = ipywidgets.Text(
            value=f"{value}",
            description=words,
            continuous_update=False,
            style=FREE,
            layout={"width": width},
        )

    @property
    def value(self) -> int:
        """The number.  Raises Refused, with a sentence for the page, if there is none in range."""
        text = self.field.value.strip()
        try:
            number = int(text.replace(",", ""))
        except ValueError:
            number = None
        if number is None or not self.least <= number <= self.most:
            raise Refused(
                f"{self.words.partition(',')[0]} is {text or 'empty'}. It must be a whole number "
                f"from {self.least:,} to {self.most:,}; nothing was changed."
            )
        return number


def row(*children, **layout) -> ipywidgets.HBox:
    """Return a row of controls, which goes on in the next line where the page is narrow."""
    return ipywidgets.HBox(
        children,
        layout={"flex_flow": "row wrap", "align_items": "center", "grid_gap": "0 8px"} | layout,
    )
