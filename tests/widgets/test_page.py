"""What explorables share on a page: which of them goes when another one comes."""

import pytest

from epollkit import exercises, explore
from epollkit.widgets import page


class FrontEnd:
    """What a front end says of the request that is being worked on: its cell, its run."""

    def __init__(self):
        self.cell = self.run = None

    def get_parent(self):
        metadata = {} if self.cell is None else {"cellId": self.cell}
        return {"metadata": metadata, "header": {"msg_id": self.run}}


@pytest.fixture
def front_end(monkeypatch):
    asked = FrontEnd()
    monkeypatch.setattr(page, "get_ipython", lambda: asked)
    monkeypatch.setattr(page, "on_page", [])
    yield asked
    for explorable in list(page.on_page):
        explorable.close()


MAKERS = {
    "triggers": explore.triggers,
    "quiz": lambda: exercises.quiz("poll", 1),
    "prediction": lambda: exercises.predict("two-writes"),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_cell_that_is_run_again_closes_those_of_its_last_run_and_no_others(front_end, make):
    front_end.cell, front_end.run = "A", "first"
    first, second = make(), make()
    front_end.cell = "B"
    beside = make()
    assert not first.is_closed and not second.is_closed
    front_end.cell, front_end.run = "A", "again"
    again = make()
    assert first.is_closed and second.is_closed
    assert page.on_page == [beside, again]


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_where_the_cell_is_not_known_nobody_closes_another(front_end, make):
    front_end.run = "first"
    first = make()
    front_end.run = "second"
    second = make()
    assert page.on_page == [first, second]


def test_a_click_in_one_quiz_leaves_the_other_its_walk(front_end):
    front_end.cell, front_end.run = "A", "first"
    quizzes = [exercises.quiz("poll", 1)]
    front_end.cell, front_end.run = "B", "second"
    quizzes.append(exercises.quiz("poll", 2))
    front_end.cell = None  # a click does not say where it was made
    for front_end.run, quiz in enumerate(quizzes):
        quiz.picks[0].click()
    assert [quiz.walk.is_closed for quiz in quizzes] == [False, False]


def test_a_still_is_hidden_by_the_widget_beside_it_and_by_no_number():
    first, second = exercises.predict("two-writes"), exercises.predict("two-writes")
    assert first._still_bundle() == second._still_bundle()
    first.close()
    second.close()
