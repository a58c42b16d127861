"""Histories for the model: one as text for each way of breaking a rule, and random ones."""

import itertools
import random

from never_stale_model import KEYS, Engine

# What may be broken: name -> (rule, what goes wrong, the shortest history that shows it). The words of a
# history are those of Script; the first flush makes the segment of epoch 1, and so on.
MUTANTS = {
    "epoch at install": (
        "R1.1",
        "a flush that ends late gets a place above newer ones",
        "put 1, rotate, put 1, rotate, begin flush 2, begin flush 1, install, install",
    ),
    "merge forgets a ghost's ranges": (
        "R1.1",
        "what only a range tombstone of the ghost hid is raised past it",
        "put 1, flush, range 1 2, flush, put 0, flush, evict 2, merge 1 3",
    ),
    "memory forgotten": (
        "R1.2",
        "an eviction does not see that an older memtable holds the key",
        "put 1, rotate, put 1, rotate, begin flush 2, install, evict 2",
    ),
    "tombstone over memory": (
        "R1.2",
        "a merge does not see it either, and drops the tombstone",
        "put 1, rotate, del 1, rotate, begin flush 2, install",
    ),
    "recovered on top": (
        "R1.2",
        "an older memtable, flushed by recovery, gets a place above a newer segment",
        "put 1, rotate, put 1, rotate, begin flush 2, install, kill",
    ),
    "versions split": (
        "R1.3",
        "the newest version expires in one sibling, the older one is in another",
        "put 1, snapshot, put 1 2, flush, time 3, evict 1.1",
    ),
    "versions split by a merge": (
        "R1.3",
        "the same, with the older version from another flush",
        "put 1, snapshot, flush, put 1 2, flush, merge 1 2, time 3, evict 2.1",
    ),
    "ranges in one sibling": (
        "R1.3",
        "the sibling with the range tombstone is evicted alone",
        "put 1 9, snapshot, range 1 2, flush, evict 1.0",
    ),
    "rise freely": (
        "R1.4",
        "a merge lifts an entry over a newer one that is no input",
        "put 1, flush, put 1, flush, put 0, flush, merge 1 3",
    ),
    "risen past a ghost": (
        "R1.4",
        "the same over a ghost that accepts the key",
        "put 1, flush, put 1, flush, put 0, flush, evict 2, merge 1 3",
    ),
    "input shared": (
        "R1.5",
        "two merges take one segment; what the first dropped the second brings back",
        "put 1, flush, del 1, flush, begin merge 1 2, begin merge 1, install, install",
    ),
    "input evicted": (
        "R1.5",
        "an eviction takes the input of a merge, which then brings it back",
        "put 1, flush, put 1, flush, begin merge 1, evict 1, evict 2, install",
    ),
    "main before probation": (
        "R1.6",
        "salvaged segments are asked first",
        "put 1, flush, put 1, flush, hot, salvage 1",
    ),
    "tombstone renumbered": (
        "R1.7",
        "what is left behind gets a new sequence: a snapshot looks beneath it",
        "put 1, flush, put 1, flush, snapshot, put 0, salvage 2",
    ),
    "tombstone rises": (
        "R1.7",
        "what is left behind comes to stand above newer versions",
        "put 1, flush, put 1, flush, put 1, flush, salvage 2",
    ),
    "emptied in place": (
        "R2.1",
        "a pinned view finds the evicted segment empty and goes on to older ones",
        "put 1, flush, put 1, flush, pin, evict 2",
    ),
    "ghost after the commit": (
        "R2.1",
        "a crash comes between the eviction and its ghost",
        "put 1, flush, put 1, flush, evict 2, kill",
    ),
    "no ghost": (
        "R2.2",
        "an evicted segment leaves nothing",
        "put 1, flush, put 1, flush, evict 2",
    ),
    "ghost forgets ranges": (
        "R2.2",
        "what the segment's range tombstones hid shows",
        "put 1, flush, range 1 2, flush, evict 2",
    ),
    "ghost forgets deletes": (
        "R2.2",
        "what the segment's tombstones hid shows",
        "put 1, flush, del 1, flush, evict 2",
    ),
    "damage leaves a hole": (
        "R2.3",
        "a damaged segment is left out of the version",
        "put 1, flush, put 1, flush, damage 2",
    ),
    "damage bounded by points": (
        "R2.3",
        "the bounds of a damaged segment leave out its range tombstones",
        "put 1, flush, put 0, range 1 2, flush, damage 2",
    ),
    "wide in memory alone": (
        "R2.3",
        "a ghost file that could not be read hides all for a merge, and can be read after the next open",
        "put 0, put 1, flush, put 1, flush, put 0, put 2, flush, evict 3, damage 3, merge 2, kill",
    ),
    "ghost ignored": (
        "R2.4",
        "a merge records ghosts whose keys it did not drop",
        "put 0, put 1, flush, put 1, flush, evict 2, merge 1, retire",
    ),
    "recorded at install": (
        "R2.4",
        "a merge records ghosts that came after it began",
        "put 0, put 1, flush, put 1, flush, begin merge 1, evict 2, install, retire",
    ),
    "recorded beside an eviction": (
        "R2.4",
        "a merge records an eviction that has begun and not ended",
        "put 0, put 1, flush, put 1, flush, begin evict 2, begin merge 1, install, install, retire",
    ),
    "retired by one": (
        "R2.4",
        "a ghost goes when some, not all, older sources have applied it",
        "put 1, flush, put 0, put 1, put 2, flush, put 1, flush, evict 3, merge 2, retire",
    ),
    "stamp reused": (
        "R2.4",
        "a new ghost is taken for one that was applied",
        "put 0, put 1, flush, put 1, flush, put 0, flush, evict 3, merge 1, merge 2, retire, evict 2, retire",
    ),
    "never recorded": (
        "R2.5",
        "ghosts never retire",
        "put 0, put 1, put 2, flush, put 1, flush, put 1, flush, put 1, flush, put 1, flush, "
        "evict 2, evict 3, evict 4, evict 5",
    ),
    "ghost spares snapshots": (
        "R2.6",
        "a snapshot from before the ghost reads past it, where a merge has been",
        "put 1, flush, put 1, flush, snapshot, put 1, flush, evict 3, merge 2",
    ),
    "iterator passes ghosts": (
        "R2.6",
        "Get honours ghosts and an iterator does not",
        "put 1, flush, put 1, flush, evict 2",
    ),
    "checkpoint without ghosts": (
        "R2.1",
        "a checkpoint takes the segments alone",
        "put 1, flush, put 1, flush, evict 2, checkpoint",
    ),
    "tombstone early": (
        "C5",
        "a merge drops a tombstone over an older segment",
        "put 1, flush, del 1, flush, merge 2",
    ),
    "expired uncovers": (
        "C5",
        "a merge drops an expired entry over an older one",
        "put 1, flush, put 1 2, flush, time 3, merge 2",
    ),
    "snapshot ignored": (
        "C5",
        "a merge drops the version that a snapshot sees",
        "put 1, flush, put 1, snapshot, put 1, flush",
    ),
    "salvage leaves nothing": (
        "R1.7",
        "an entry left behind uncovers an older one",
        "put 1, flush, put 1, flush, salvage 2",
    ),
    "risen key by key": (
        "R1.4",
        "salvage lifts one key of a victim over a newer version",
        "put 1, flush, put 1, flush, put 0, flush, hot, lift 1",
    ),
    "risen past its range": (
        "R1.7",
        "salvage lifts what a range tombstone hides, which stays",
        "put 1, snapshot, range 1 2, flush, put 0, flush, hot, lift 1",
    ),
    "saved over a newer version": (
        "R1.4",
        "what is saved of a victim comes to stand above a newer version",
        "put 1, flush, put 1, flush, put 0, flush, hot, save 1",
    ),
    "saved past a ghost": (
        "R1.4",
        "the same where of the newer version a ghost is left",
        "put 1, flush, put 1, flush, put 0, flush, evict 2, hot, save 1",
    ),
    "saved past its range": (
        "R1.7",
        "what the victim's range tombstone hides is saved",
        "put 1, snapshot, range 1 2, flush, put 0, flush, hot, save 1",
    ),
    "salvage keeps the newest": (
        "R1.7",
        "an older version that a snapshot sees is left behind without a tombstone",
        "put 1, flush, put 1, snapshot, put 1, flush, salvage 2",
    ),
    "refusal not logged": (
        "E8",
        "a write refused admission leaves the older version in place",
        "put 1, refuse 1",
    ),
}


class Script:
    """Runs a history given as text. What the engine refuses to begin is passed over."""

    class Steady:
        """Chance that is none: filters accept no stray, and what salvage finds is cold, or hot."""

        value = 0.2

        def random(self):
            return self.value

        def choice(self, options):
            return options[0]

    def __init__(self, broken=(), trace=None):
        self.rng = Script.Steady()
        self.engine = Engine(self.rng, broken, trace)

    def run(self, text):
        """The finding, or None."""
        for words in text.split(", "):
            finding = self.do(words.split()) or self.engine.check()
            if finding:
                return finding
        return self.engine.finish()

    def do(self, words):
        engine, name, rest = self.engine, words[0], words[1:]
        jobs = len(engine.jobs)
        if name == "begin":
            self.begin(rest)
        elif name in ("evict", "merge", "salvage", "lift", "save"):
            self.begin(words)
            if len(engine.jobs) > jobs:
                engine.install(engine.jobs[-1])
        elif name == "flush":
            engine.rotate()
            for memtable in [s for s in engine.of_kind("memtable") if s is not engine.active]:
                engine.begin_merge([memtable])
                engine.install(engine.jobs[-1])
        elif name == "put":
            engine.write(int(rest[0]), "put", ttl=int(rest[1]) if rest[1:] else None)
        elif name == "del":
            engine.write(int(rest[0]), "delete")
        elif name == "refuse":
            engine.write(int(rest[0]), "put", refused=True)
        elif name == "range":
            engine.delete_range(int(rest[0]), int(rest[1]))
        elif name == "time":
            engine.pass_time(int(rest[0]))
        elif name == "damage":
            engine.damage(self.files(rest)[0])
        elif name == "install" and engine.jobs:
            engine.install(engine.jobs[0])
        elif name == "hot":
            self.rng.value = 0.9
        else:
            actions = {"snapshot": "take_snapshot", "install": "check"}
            return getattr(engine, actions.get(name, name))()
        return None

    def begin(self, words):
        if words[0] == "flush":
            self.engine.begin_merge([s for s in self.engine.of_kind("memtable") if str(s.epoch) in words[1:]])
        elif words[0] == "evict":
            for victim in self.segments(words[1:]):
                self.engine.begin_eviction(victim)
        elif words[0] == "save":
            self.engine.begin_save(self.segments(words[1:])[0])
        else:
            name = words[0]
            self.engine.begin_merge(self.segments(words[1:]), salvage=name != "merge", lift=name == "lift")

    def files(self, places):
        """Segments, and ghosts where there is none."""
        ghosts = [g for g in self.engine.of_kind("ghost") if str(g.epoch) in places]
        return self.segments(places) or ghosts

    def segments(self, places):
        """By epoch, or one sibling: "3.0" is the one that does not expire, "3.1" the one that does."""
        found = []
        for place in places:
            epoch, _, sibling = place.partition(".")
            group = [s for s in self.engine.of_kind("segment") if s.epoch == int(epoch)]
            found += group[int(sibling) : int(sibling) + 1] if sibling else group
        return found


# What a history does, and how often.
STEPS = {
    "put": 27,
    "delete": 5,
    "refuse": 2,
    "delete_range": 3,
    "rotate": 9,
    "flush": 9,
    "evict": 6,
    "expire": 3,
    "merge": 7,
    "salvage": 3,
    "lift": 4,
    "save": 4,
    "install": 17,
    "retire": 6,
    "damage": 1,
    "pass_time": 3,
    "snapshot": 3,
    "pin": 1.5,
    "checkpoint": 0.5,
    "kill": 0.5,
    "keep_ghost_budget": 0.5,
}


class RandomEngine(Engine):
    """An engine that does random things."""

    def __init__(self, rng, broken=(), trace=None):
        super().__init__(rng, broken, trace)
        # Each history has its own temper, so that rare things come together in some.
        self.steps = sorted(STEPS)
        weights = [STEPS[s] * rng.choice((0.25, 1, 1, 3)) for s in self.steps]
        self.weights = list(itertools.accumulate(weights))

    def step(self):
        """One step; the finding of it, or None."""
        before = self.changes
        step = self.rng.choices(self.steps, cum_weights=self.weights)[0]
        finding = getattr(self, "step_" + step)()
        return finding or (self.check() if self.changes != before else None)

    def step_put(self):
        ttl = self.rng.randint(1, 6) if self.rng.random() < 0.4 else None
        self.write(self.rng.choice(KEYS), "put", ttl)

    def step_delete(self):
        self.write(self.rng.choice(KEYS), "delete")

    def step_refuse(self):
        self.write(self.rng.choice(KEYS), "put", refused=True)

    def step_delete_range(self):
        low = self.rng.choice(KEYS)
        self.delete_range(low, self.rng.randint(low + 1, len(KEYS)))

    def step_flush(self):
        full = [s for s in self.of_kind("memtable") if s is not self.active]
        if full:
            first = self.rng.randrange(len(full))
            self.begin_merge(full[first : first + self.rng.choice((1, 1, 2))])

    def step_evict(self):
        segments = self.of_kind("segment")
        if segments:
            self.begin_eviction(self.rng.choice(segments))

    def step_expire(self):
        for s in self.of_kind("segment"):
            if s.points and not any(v.kind == "delete" or self.live(v) for vs in s.points.values() for v in vs):
                self.begin_eviction(s)

    def step_merge(self, salvage=False):
        segments = sorted(self.of_kind("segment"), key=lambda s: s.epoch)
        if not segments:
            return
        first = self.rng.randrange(len(segments))
        inputs = segments[first : first + self.rng.randint(1, 3)]
        if self.rng.random() < 0.5:
            inputs = self.rng.sample(segments, self.rng.randint(1, len(segments)))
        self.begin_merge(inputs, salvage)

    def step_salvage(self):
        self.step_merge(salvage=True)

    def step_lift(self):
        segments = self.of_kind("segment")
        if segments:
            self.begin_merge([self.rng.choice(segments)], salvage=True, lift=True)

    def step_save(self):
        segments = self.of_kind("segment")
        if segments:
            self.begin_save(self.rng.choice(segments))

    def step_install(self):
        if self.jobs:
            self.install(self.rng.choice(self.jobs))

    def step_damage(self):
        files = self.of_kind("segment", "ghost")
        if files:
            self.damage(self.rng.choice(files))

    def step_pass_time(self):
        self.pass_time(self.rng.randint(1, 4))

    step_snapshot = Engine.take_snapshot
    step_pin = Engine.pin
    step_checkpoint = Engine.checkpoint
    step_rotate = Engine.rotate
    step_retire = Engine.retire
    step_kill = Engine.kill
    step_keep_ghost_budget = Engine.keep_ghost_budget


def run_history(seed, steps, broken, trace=None):
    """The finding of one history, or None."""
    engine = RandomEngine(random.Random(seed), broken, trace)
    for _ in range(steps):
        finding = engine.step()
        if finding:
            return finding
    return engine.finish()


def search(histories, steps, seed, broken=()):
    """(number, finding) of the first history with a finding, or None."""
    for i in range(histories):
        finding = run_history(seed * 1000003 + i, steps, broken)
        if finding:
            return i, finding
    return None
