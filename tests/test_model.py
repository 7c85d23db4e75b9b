"""The model of epoll agrees with this machine's kernel, call by call, on random programs."""

import doctest
import os
import platform

import pytest

from epollkit import beliefs, model, programs
from epollkit.masks import ERR, IN

PROGRAMS = int(os.environ.get("EPOLLKIT_PROGRAMS", "3000"))


def test_random_programs_end_alike_on_the_model_and_on_the_kernel():
    ends = set()
    for seed in range(PROGRAMS):
        program, outcomes = programs.draw(seed)
        assert programs.difference(program, outcomes) is None, f"program {seed}"
        ends |= {
            (call[0], end) for call, end in zip(program, outcomes, strict=True) if type(end) is str
        }
    errors = {error for _, error in ends}
    assert {
        "EAGAIN",
        "EPIPE",
        "ECONNRESET",
        "EBADF",
        "EEXIST",
        "ENOENT",
        "EINVAL",
        "ELOOP",
        "ENXIO",
    } <= errors


# Planted mistakes: those that people believe, and these.


class NoTidying(model.Epoll):
    def readiness(self):
        return IN if any(entry.ask() for entry in self.ready) else 0


class LastInLast(model.Epoll):
    def add(self, file, name, mask):
        super().add(file, name, mask)
        file.queue.sort(key=lambda entry: entry is self.interest[file, name])


class NoKeyFilter(model.Epoll):
    class Entry(model.Entry):
        def listens(self, key):
            return super().listens(0)


class BackToTheHead(model.Epoll):
    def wait(self, most):
        before = list(self.ready)
        events = super().wait(most)
        self.ready = dict.fromkeys(sorted(self.ready, key=before.index))
        return events


class NoWakeAtClose(model.Pipe):
    def after_close(self):
        pass


class NoMerging(model.Pipe):
    def put(self, size):
        if self.slots:
            self.slots[-1][1] = self.page
        return super().put(size)


class ModifyUnqueues(model.Epoll):
    def modify(self, file, name, mask):
        self.ready.pop(self.entry(file, name), None)
        super().modify(file, name, mask)


class ExclusiveFirst(model.Epoll):
    def add(self, file, name, mask):
        super().add(file, name, mask)
        file.queue.sort(key=lambda entry: entry is not self.interest[file, name])


class NoLinkUp(model.Epoll):
    def links_up(self):
        return 0


class NoWakeWithin(model.Epoll):
    class Entry(model.Entry):
        def queue_up(self):
            self.epoll.ready.setdefault(self)


class SendIsNoNews(model.Udp):
    def after_send(self):
        pass


class ForgetsTheError(model.UnixSocket):
    def readiness(self):
        return super().readiness() & ~ERR


class FifoWithoutMemory(model.Model):
    def fifo(self, name, path, mode):
        super().fifo(name, path, mode)
        self.files[name].waits_for = None


PLANTED = [
    *(NoTidying, LastInLast, NoKeyFilter, BackToTheHead, NoWakeAtClose, NoMerging, ModifyUnqueues),
    *(ExclusiveFirst, NoLinkUp, NoWakeWithin, SendIsNoNews, ForgetsTheError, FifoWithoutMemory),
    *(belief.mistake for belief in beliefs.BELIEFS.values()),
]


@pytest.mark.parametrize("mistake", PLANTED)
def test_a_mistake_in_the_model_is_found(mistake):
    """A model with one mistake ends differently on one of the first 1,500 programs: the test above
    can fail.
    """
    for seed in range(1500):
        program, outcomes = programs.draw(seed)
        world = beliefs.with_mistake(mistake)(programs.this_machine())
        try:
            if programs.run(program, world) != outcomes:
                return
        except model.NotModelled:
            return
    pytest.fail("1,500 programs do not tell it from the right model")


def test_the_same_seed_draws_the_same_program():
    assert programs.draw(7) == programs.draw(7) != programs.draw(8)


def test_a_kernel_leaves_nothing_open():
    before = os.listdir("/proc/self/fd")
    for seed in range(50):
        program, _ = programs.draw(seed)
        kernel = programs.Kernel()
        programs.run(program, kernel)
        kernel.close_all()
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("module", [model, programs])
def test_examples(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda m: m.listen("s"), "no 'listen'"),
        (lambda m: m.register("ep", "r", 1 << 29), "flags 0x20000000"),
        (lambda m: m.shutdown("u", 1), "shutdown of a UDP socket"),
        (lambda m: m.write("u", 1001), "1 to 1000 bytes"),
        (lambda m: [m.write("u", 1) for _ in range(65)], "64 datagrams waiting"),
        (lambda m: (m.close("v"), m.write("u", 1)), "ICMP"),
    ],
)
def test_what_is_not_modelled_is_refused_in_words(act, words):
    world = model.Model()
    world.pipe("r", "w")
    world.udp("u", "v")
    world.epoll("ep")
    with pytest.raises(model.NotModelled, match=words):
        act(world)


@pytest.mark.skipif(
    not platform.release().startswith("6.18") or platform.machine() != "x86_64",
    reason="elsewhere the model takes what programs.this_machine() measures",
)
def test_the_sizes_of_unix_messages_are_those_of_this_kernel():
    sizes = (1, 192, 193, 704, 705, 1728, 1729, 3776, 3777, 4289, 7873, 30000, 36544)
    assert [model.truesize(size) for size in sizes] == [programs.truesize(size) for size in sizes]
