"""The quiz:

the same question each time, the same answer each time, and nothing that the kernel does not
promise.
"""

import os
from collections import Counter

import pytest
from support import busy_cores, half_a_second, leaves_nothing

from epollkit import exercises
from epollkit.exercises.quiz.programs import LENGTHS, LEVELS, TOPICS
from epollkit.exercises.quiz.questions import REMEMBERED, Questions, reason, run

#: EPOLLKIT_QUESTIONS=2000 asks them all.
QUESTIONS = int(os.environ.get("EPOLLKIT_QUESTIONS", "120"))


def ask(topic, seed, count):
    """Ask *count* questions, as somebody is asked who answers every one of them right."""
    questions = Questions(topic, seed)
    for _ in range(count):
        question = questions.ask()
        questions.right += 1
        yield question


@pytest.mark.parametrize("busy", [False, True], ids=["", "both cores busy"])
@pytest.mark.parametrize("topic", TOPICS)
def test_three_runs_agree_and_no_question_comes_back(topic, busy):
    answers, programs = Counter(), []
    count = max(10, QUESTIONS // len(TOPICS))
    with busy_cores() if busy else leaves_nothing():
        for question in ask(topic, 7, count):
            seen = [run(question.program) for _ in range(3)]
            assert len({(one.answer, one.holds, one.waiting) for one in seen}) == 1, (
                question.program.text()
            )
            assert seen[0].answer in question.choices and 2 <= len(question.choices) <= 4, question
            assert question.program.text() not in programs[-REMEMBERED:]
            assert reason(question.program, seen[0]).endswith(".")
            programs.append(question.program.text())
            answers[seen[0].answer] += 1
    assert len(answers) >= 2 and max(answers.values()) < 0.95 * count, answers


def test_many_different_answers_appear():
    answers = {run(question.program).answer for topic in TOPICS for question in ask(topic, 3, 16)}
    assert len(answers) >= 9, answers


@pytest.mark.parametrize("topic", TOPICS)
def test_the_same_seed_asks_the_same(topic):
    first, again, other = (list(ask(topic, seed, 8)) for seed in (5, 5, 6))
    assert first == again != other


def test_it_becomes_harder_with_right_answers():
    easy, hard = Questions("mixed", 1), Questions("mixed", 1)
    hard.right = 100
    assert (easy.level, hard.level) == (1, LEVELS)
    for questions in (easy, hard):
        for _ in range(20):
            done = [
                name
                for name, _ in questions.ask().program.operations
                if name not in ("register", "poll", "modify")
            ]
            assert LENGTHS[questions.level][0] <= len(done) <= LENGTHS[questions.level][1]


def test_a_run_can_be_recorded():
    question = next(ask("readable", 1, 1))
    with leaves_nothing():
        outcome = run(question.program, is_recorded=True)
    log = outcome.log
    last = log.calls(name="epoll.poll")[-1]
    assert sum(mask for _, mask in last.events) == outcome.answer == run(question.program).answer
    assert last.line.text == "ep.poll(0)"
    assert not [one.name for one in (*log.streams, *log.epolls) if one.internal]


def test_the_view_says_who_is_right():
    view = exercises.quiz("readable", seed=11)
    try:
        assert (
            "What does the last poll return?" in view.program.value
            and "seed 11" in view.score.value
        )
        assert "ep.poll(0)" in view._still_bundle()["text/plain"]
        first, answer = view.question, run(view.question.program).answer
        with half_a_second("pick"):
            view.picks[first.choices.index(answer)].click()
        assert "✔ You said" in view.verdict.value and "1 of 1 right" in view.score.value
        assert (
            view.explained.children == (view.walk.widget,)
            and view.walk.moments.log == view.outcome.log
        )
        view.picks[0].click()
        assert "1 of 1 right" in view.score.value, "one pick for each question"
        with half_a_second("next"):
            view.next.click()
        assert view.question != first and view.verdict.value == "" and view.explained.children == ()
        answer = run(view.question.program).answer
        wrong = next(mask for mask in view.question.choices if mask != answer)
        view.picks[view.question.choices.index(wrong)].click()
        assert "✘ You said" in view.verdict.value and "The kernel says" in view.verdict.value
        assert "1 of 2 right" in view.score.value
    finally:
        view.close()


def test_no_seed_is_a_seed_of_its_own():
    seeds = set()
    for _ in range(5):
        view = exercises.quiz()
        seeds.add(view.questions.seed)
        assert f"seed {view.questions.seed}" in view.score.value
        view.close()
    assert len(seeds) > 1


def test_nothing_is_left():
    exercises.quiz("mixed", seed=1).close()
    with leaves_nothing():
        for seed in range(10):
            view = exercises.quiz("mixed", seed=seed)
            view.picks[0].click()
            view.next.click()
            view.close()


def test_a_stream_that_cannot_be_opened_is_a_lesson():
    view = exercises.quiz("readable", seed=1)
    try:
        from epollkit import record

        with record():
            view.picks[0].click()
        assert "record" in view.message.value and view.outcome is None
        view.picks[0].click()
        assert view.outcome is not None
    finally:
        view.close()


def test_an_unknown_topic_is_refused_by_name():
    with pytest.raises(ValueError, match=r"no topic 'colors'; the topics are readable, writable"):
        exercises.quiz("colors")
