"""The quiz:

the same question each time, the same answer each time, and nothing that the kernel does not
promise.
"""

import os
from collections import Counter

import pytest
from support import busy_cores, leaves_nothing

from epollkit import exercises
from epollkit.exercises.quiz.page import spelled
from epollkit.exercises.quiz.programs import LENGTHS, LEVELS, ON_EPOLL, OPERATIONS, TOPICS, Program
from epollkit.exercises.quiz.questions import REMEMBERED, Questions, choose, reason, run
from epollkit.masks import ERR, ET, HUP, IN, ONESHOT, OUT, RDHUP

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
            assert (
                len({(outcome.answer, outcome.holds, outcome.waiting) for outcome in seen}) == 1
            ), question.program.text()
            assert question.choices[seen[0].answer] == "" and 2 <= len(question.choices) <= 4
            assert question.program.text() not in programs[-REMEMBERED:]
            assert reason(question.program, seen[0]).endswith(".")
            programs.append(question.program.text())
            answers[seen[0].answer] += 1
    assert len(answers) >= 2 and max(answers.values()) < 0.95 * count, answers


def test_many_different_answers_appear():
    answers = {run(question.program).answer for topic in TOPICS for question in ask(topic, 3, 16)}
    assert len(answers) >= 9, answers


def test_nothing_is_asked_that_was_not_taught():
    """By the end of its notebook: no flag, no operation and no mask that comes later."""
    flags = {"poll": 0, "act": 0, "modify": ONESHOT, "destroy": 0, "edge": ET, "mixed": ONESHOT}
    conditions = {"poll": IN, "destroy": IN, "modify": IN | OUT}
    assert flags.keys() == TOPICS.keys()
    for topic, allowed in flags.items():
        allowed |= conditions.get(topic, IN | OUT | RDHUP)
        for question in ask(topic, 5, 16):
            for name, value in question.program.operations:
                assert name in (*TOPICS[topic].operations, "register")
                assert name not in ("register", "modify") or not value & ~allowed


@pytest.mark.parametrize("topic", TOPICS)
def test_no_hang_up_is_offered_where_nothing_was_closed(topic):
    for question in ask(topic, 9, 16):
        names = {name for name, _ in question.program.operations}
        if not names & {"other closes", "close"}:
            for answer in question.choices:
                assert not any(mask & (HUP | ERR | RDHUP) for mask in answer), question


def test_a_program_is_short():
    for topic in TOPICS:
        for question in ask(topic, 2, 16):
            assert len(question.program.text().splitlines()) <= 16, question.program.text()


def words_for(program, wrong):
    return choose(program)[wrong]


def test_each_wrong_choice_says_which_misreading_gives_it():
    two_writes = Program("pipe-read", (("register", IN), ("arrive", "a"), ("arrive", "b")))
    assert words_for(two_writes, (IN, IN)) == "each write were an event of its own"
    asked_before = Program("pipe-read", (("register", IN), ("arrive", "a"), ("poll", None)))
    assert "told of each thing once" in words_for(asked_before, ())
    half_read = Program("pipe-read", (("register", IN), ("arrive", "note"), ("take", 2)))
    assert "a read took all" in words_for(half_read, ())
    changed = Program("unix", (("register", IN), ("arrive", "a"), ("modify", OUT)))
    assert words_for(changed, (IN,)).startswith("IN and OUT changed places")
    ended = Program("unix", (("register", IN), ("other closes", None)))
    assert "those who ask" in words_for(ended, (IN,))
    assert words_for(ended, (HUP,)) == "HUP alone reported every end"
    assert "RDHUP" in words_for(ended, (IN | HUP | RDHUP,))
    again = Program("pipe-read", (("register", IN | ONESHOT), ("arrive", "a"), ("poll", None)))
    assert words_for(again, (IN,)) == "the entry were not one-shot"
    closed = Program("pipe-read", (("register", IN), ("arrive", "a"), ("close", None)))
    assert words_for(closed, (HUP,)).startswith("a close of your own end")
    edge = Program("pipe-read", (("register", IN | ET), ("arrive", "a"), ("poll", None)))
    assert "level-triggered" in words_for(edge, (IN,))


def test_a_duplicate_keeps_the_entry_and_the_last_close_takes_it():
    kept = (("dup", None), ("register", IN), ("arrive", "a"), ("close", None))
    gone = (*kept, ("close the copy", None))
    for kind in ("pipe-read", "unix"):
        outcome = run(Program(kind, kept))
        assert outcome.answer == (IN,) and "same open file" in reason(Program(kind, kept), outcome)
        outcome = run(Program(kind, gone))
        assert outcome.answer == () and "no duplicate" in reason(Program(kind, gone), outcome)


@pytest.mark.parametrize("kind", ["pipe-write", "unix"])
def test_one_write_fills_and_one_read_empties(kind):
    full = (("register", OUT), ("fill", None))
    assert run(Program(kind, full)).answer == ()
    assert run(Program(kind, (*full, ("fetch all", None)))).answer == (OUT,)


def test_every_operation_occurs():
    names = {
        name
        for topic in TOPICS
        for question in ask(topic, 1, 40)
        for name, _ in question.program.operations
    }
    assert names == OPERATIONS.keys()


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
            question = questions.ask()
            names = [name for name, _ in question.program.operations]
            done = [name for name in names if name not in ON_EPOLL]
            fewest, most = LENGTHS[question.level]
            assert questions.level <= question.level and fewest <= len(done) <= most


def test_a_run_can_be_recorded():
    question = next(ask("poll", 1, 1))
    with leaves_nothing():
        outcome = run(question.program, is_recorded=True)
    log = outcome.log
    last = log.calls(name="epoll.poll")[-1]
    assert tuple(mask for _, mask in last.events) == outcome.answer == run(question.program).answer
    assert last.line.text == "ep.poll(0)"
    assert not [stream.name for stream in (*log.streams, *log.epolls) if stream.internal]


def test_the_view_says_who_is_right():
    view = exercises.quiz("poll", seed=11)
    try:
        assert (
            "What does the last poll return?" in view.program.value
            and "something to read" in view.score.value
        )
        assert "ep.poll(0)" in view._still_bundle()["text/plain"]
        first, answer = view.question, run(view.question.program).answer
        view.picks[list(first.choices).index(answer)].click()
        assert "✔ You picked" in view.verdict.value and "1 of 1 right" in view.score.value
        assert view.explained.children == (view.walk.widget,) and view.walk.log == view.outcome.log
        view.picks[0].click()
        assert "1 of 1 right" in view.score.value, "one pick for each question"
        view.next.click()
        assert view.question != first and view.verdict.value == "" and view.explained.children == ()
        answer = run(view.question.program).answer
        wrong = next(choice for choice in view.question.choices if choice != answer)
        view.picks[list(view.question.choices).index(wrong)].click()
        assert "You would be right if" in view.verdict.value
        assert "✘ You picked" in view.verdict.value and "The kernel says" in view.verdict.value
        assert "1 of 2 right" in view.score.value
    finally:
        view.close()


def test_an_answer_is_spelled_as_the_list_that_poll_returns():
    assert spelled("pipe-read", ()) == "[]"
    assert spelled("unix", (IN | HUP, OUT)) == "[(conn, EPOLLIN|EPOLLHUP), (conn, EPOLLOUT)]"


def test_no_seed_is_a_seed_of_its_own():
    seeds = set()
    for _ in range(5):
        view = exercises.quiz()
        seeds.add(view.questions.seed)
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
    view = exercises.quiz("poll", seed=1)
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
    with pytest.raises(ValueError, match=r"no topic 'colors'; the topics are poll, act, modify"):
        exercises.quiz("colors")
