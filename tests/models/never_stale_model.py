"""A toy engine that keeps the rules of docs/cache.md, or breaks one of them, and the oracle that judges it.

It has three keys; memtables, segments and ghosts, each with an epoch. It writes (with and without an
expiry), deletes, deletes ranges, refuses admission, flushes in any order, merges, salvages, saves, evicts,
loses files to damage, retires ghosts, holds a snapshot and a pinned view, makes checkpoints and is
killed. Flushes, merges and evictions are jobs: what one will install is decided when it begins, and
other jobs may come between that and its end.

Every key is read the two ways the engine reads, source after source (Get) and merged (iterator), now,
at the snapshot, and in the pinned view, and held against the whole history:

  STALE     something older than the newest version was found
  LOST      a live version is missed, and neither eviction nor refusal nor a ghost explains it
  DIFFERS   the iterator and Get disagree
  GHOSTS    more ghosts than the budget allows, and no way to get rid of them
"""

import collections

KEYS = range(3)
FOREVER = 10**9
GHOSTS_MAX = 3

Version = collections.namedtuple("Version", "sequence kind expires_at")
# Deletes [low, high) below the sequence.
Range = collections.namedtuple("Range", "low high sequence")


def name(version):
    expiry = "" if version.expires_at == FOREVER else "<%d" % version.expires_at
    return "%s%d%s" % ("x" if version.kind == "delete" else "", version.sequence, expiry)


class Source:
    """A memtable, segment or ghost. points: key -> versions, newest first."""

    def __init__(self, kind, epoch):
        self.kind, self.epoch = kind, epoch
        self.points, self.ranges = {}, []
        self.strays = frozenset()  # keys within the bounds that the filter accepts by chance
        self.bounds = range(0)  # kept by the manifest
        self.main = False  # a label: made by salvage
        self.applied_to = 0  # segments: every ghost above it up to this stamp was applied to it
        self.stamp = 0  # ghosts: grows with each eviction
        self.filter = frozenset()  # ghosts
        self.wide = False  # ghosts: accepts all within the bounds
        self.low = 0  # ghosts: the lowest sequence
        self.durable = True  # ghosts
        self.on_disk = None  # ghosts: what the file has, where it could not be read

    def covers(self, key):
        return any(r.low <= key < r.high for r in self.ranges)

    def accepts(self, key):
        """Whether it may hold a version of the key: what judgements and ghosts go by."""
        if key in self.strays or self.covers(key) or (self.wide and key in self.bounds):
            return True
        return key in (self.filter if self.kind == "ghost" else self.points)

    def visible(self, key, at):
        found = [v for v in self.points.get(key, ()) if v.sequence <= at]
        ranges = [r for r in self.ranges if r.low <= key < r.high and r.sequence <= at]
        found += [Version(r.sequence, "delete", FOREVER) for r in ranges]
        return found

    def seal(self, rng, broken):
        """What a finished segment knows of itself."""
        touched = list(self.points)
        if "damage bounded by points" not in broken:
            touched += [k for r in self.ranges for k in range(r.low, r.high)]
        self.bounds = range(min(touched, default=0), max(touched, default=-1) + 1)
        self.strays = frozenset(k for k in self.bounds if rng.random() < 0.05)

    def __repr__(self):
        points = {k: [name(v) for v in versions] for k, versions in self.points.items()}
        what = sorted(self.filter) if self.kind == "ghost" else points
        return "%s/%s%s%s" % (self.kind, self.epoch, what, [tuple(r) for r in self.ranges] or "")


Job = collections.namedtuple("Job", "what inputs install stamp")


class Engine:
    def __init__(self, rng, broken=(), trace=None):
        self.rng, self.broken = rng, frozenset(broken)
        self.changes, self.trace = 0, trace
        self.sequence = self.now = self.epoch = self.evictions = 0
        self.history = {k: [] for k in KEYS}  # all versions, oldest first
        self.excused = set()  # (key, sequence) evicted or refused
        self.snapshot = self.pinned = None
        self.sources, self.jobs = [], []
        self.active = None
        self.rotate()

    def is_broken(self, name):
        return name in self.broken

    def note(self, *what):
        self.changes += 1
        if self.trace is not None:
            self.trace.append(" ".join(str(w) for w in what))

    def of_kind(self, *kinds):
        return [s for s in self.sources if s.kind in kinds]

    def busy(self):
        return [s for job in self.jobs for s in job.inputs]

    # Writes -------------------------------------------------------------------------------------

    def rotate(self):
        if self.active is not None and not self.active.points and not self.active.ranges:
            return
        self.epoch += 1
        self.active = Source("memtable", self.epoch)
        self.sources.append(self.active)

    def write(self, key, kind, ttl=None, refused=False):
        self.sequence += 1
        version = Version(self.sequence, kind, FOREVER if ttl is None else self.now + ttl)
        self.history[key].append(version)
        self.note("refuse" if refused else kind, key, tuple(version))
        if refused:
            self.excused.add((key, self.sequence))
            if self.is_broken("refusal not logged"):
                return
            version = Version(self.sequence, "delete", FOREVER)
        self.active.points.setdefault(key, []).insert(0, version)

    def delete_range(self, low, high):
        self.sequence += 1
        self.note("delete range", low, high, "@", self.sequence)
        self.active.ranges.append(Range(low, high, self.sequence))
        for key in range(low, high):
            self.history[key].append(Version(self.sequence, "delete", FOREVER))

    # Reads --------------------------------------------------------------------------------------

    def live(self, version):
        """The one predicate of expiry."""
        return version.kind == "put" and self.now < version.expires_at

    def get(self, sources, key, at):
        """(version or None, whether a ghost ended it): by epoch from the highest, one epoch as one source."""
        places = sorted({self.place(s) for s in sources}, reverse=True)
        for place in places:
            group = [s for s in sources if self.place(s) == place]
            found = [v for s in group if s.kind != "ghost" for v in s.visible(key, at)]
            if found:
                best = max(found)
                return (best if self.live(best) else None), False
            if any(self.masks(s, key, at) for s in group):
                return None, True
        return None, False

    def place(self, source):
        if self.is_broken("main before probation"):
            return (source.main, source.epoch)
        return source.epoch

    def masks(self, source, key, at):
        if source.kind != "ghost" or not source.accepts(key):
            return False
        return source.low <= at or not self.is_broken("ghost spares snapshots")

    def scan(self, sources, key, at):
        """The same as an iterator finds it: the newest of all sources, unless a ghost stands above it."""
        found = [(v, s.epoch) for s in sources if s.kind != "ghost" for v in s.visible(key, at)]
        best, epoch = max(found, default=(None, 0))
        if best is None or not self.live(best):
            return None
        masked = any(s.epoch > epoch and self.masks(s, key, at) for s in sources)
        return best if not masked or self.is_broken("iterator passes ghosts") else None

    # Background ---------------------------------------------------------------------------------

    def beneath(self, key, epoch, inputs, kinds=("segment", "memtable")):
        """Whether anything of a lower epoch, and no input, may hold the key. Siblings share no key."""
        older = [s for s in self.of_kind(*kinds) if s.epoch < epoch and s not in inputs]
        return any(s.accepts(key) for s in older)

    def may_begin(self, inputs):
        """R1.4, R1.5."""
        if not self.is_broken("input shared") and any(s in self.busy() for s in inputs):
            return False
        top = max(s.epoch for s in inputs)
        others = [s for s in self.sources if s.kind != "ghost" and s not in inputs]
        for s in inputs:
            rising = [k for k in KEYS if k in s.points or s.covers(k)] if s.epoch < top else []
            if any(s.epoch <= o.epoch <= top and o.accepts(k) for k in rising for o in others):
                return self.is_broken("rise freely")
        return True

    def begin_merge(self, inputs, salvage=False, lift=False):
        """A flush is a merge of memtables. What becomes of every entry is decided here.

        `lift`: keys that no other source from here to the newest segment accepts rise to that one's epoch.
        """
        if not inputs or self.active in inputs or not self.may_begin(inputs):
            return
        flush = inputs[0].kind == "memtable"
        top = max(s.epoch for s in inputs)
        ghosts = self.of_kind("ghost")
        memory = ("segment",) if self.is_broken("tombstone over memory") else ("segment", "memtable")
        snapshots = [] if self.snapshot is None or self.is_broken("snapshot ignored") else [self.snapshot]
        readers = snapshots + [self.sequence]
        ranges = sorted({(r, s.epoch) for s in inputs for r in s.ranges})
        kept, risen = {}, {}
        for key in KEYS:
            entries = sorted(((v, s.epoch) for s in inputs for v in s.points.get(key, ())), reverse=True)
            versions, newer = [], [r.sequence for r, _ in ranges if r.low <= key < r.high]
            for version, epoch in entries:
                if any(self.dropped_by(g, key, epoch, top) for g in ghosts):
                    self.excused.add((key, version.sequence))
                    continue
                first = min(r for r in readers if r >= version.sequence)  # the first reader to see it
                if any(version.sequence < n <= first for n in newer):
                    continue
                if salvage and versions and self.is_broken("salvage keeps the newest"):
                    self.excused.add((key, version.sequence))
                    continue
                newer.append(version.sequence)
                versions.append((version, epoch))
            stay = []
            for version, epoch in reversed(versions):  # the oldest first: it says what lies beneath the next
                below = bool(stay) or self.beneath(key, epoch, inputs, memory)
                gone = Version(version.sequence, "delete", FOREVER)
                if version.kind == "delete":
                    stays = below
                    if self.is_broken("tombstone early"):
                        stays = bool(stay)
                elif not self.live(version):
                    version, stays = gone, below and not self.is_broken("expired uncovers")
                elif salvage and self.rng.random() < 0.5:
                    self.excused.add((key, version.sequence))
                    version, stays = gone, below and not self.is_broken("salvage leaves nothing")
                    if self.is_broken("tombstone renumbered"):
                        version = gone._replace(sequence=self.sequence)
                    if self.is_broken("tombstone rises") and stays:
                        risen.setdefault(key, []).insert(0, version)
                        continue
                else:
                    stays = True
                if stays:
                    stay.insert(0, version)
            if stay:
                kept[key] = stay
        ranges = [r for r, epoch in ranges if self.hides_anything(r, epoch, kept, inputs, memory)]
        newest = max((s.epoch for s in self.of_kind("segment")), default=top)
        lifted = {k: kept.pop(k) for k in list(kept) if lift and self.may_rise(k, kept[k], top, newest, inputs)}
        outputs = self.bucket(kept, ranges, top, flush) + self.bucket(lifted, [], newest, flush)
        if risen:
            outputs.append(Source("segment", max(s.epoch for s in self.of_kind("segment")) + 0.5))
            outputs[-1].points = risen
        running = [job.stamp for job in self.jobs if job.stamp]
        stamp = self.evictions
        if running and not self.is_broken("recorded beside an eviction"):
            stamp = min(running) - 1
        for out in outputs:
            out.main, out.applied_to = salvage, stamp
            out.seal(self.rng, self.broken)

        def install():
            for s in inputs:
                if s in self.sources:
                    self.sources.remove(s)
            for out in outputs:
                if self.is_broken("epoch at install") and flush:
                    out.epoch = max([out.epoch] + [s.epoch + 0.25 for s in self.of_kind("segment")])
                if self.is_broken("recorded at install"):
                    out.applied_to = self.evictions
                if self.is_broken("never recorded"):
                    out.applied_to = 0
                self.sources.append(out)

        self.jobs.append(Job("flush" if flush else "salvage" if salvage else "merge", inputs, install, 0))
        self.note("begin", self.jobs[-1].what, inputs, "->", outputs)

    def may_rise(self, key, versions, epoch, to, inputs):
        """One key of a salvage, with all its versions. Its range tombstones stay where they are."""
        ranges = [r for s in inputs for r in s.ranges if r.low <= key < r.high]
        if any(v.sequence < r.sequence for r in ranges for v in versions):
            return self.is_broken("risen past its range")
        others = [s for s in self.of_kind("segment", "memtable") if s not in inputs and epoch <= s.epoch <= to]
        return self.is_broken("risen key by key") or not any(s.accepts(key) for s in others)

    def hides_anything(self, tombstone, epoch, kept, inputs, kinds):
        for key in range(tombstone.low, tombstone.high):
            if any(v.sequence < tombstone.sequence for v in kept.get(key, ())):
                return True
            if self.beneath(key, epoch, inputs, kinds):
                return True
        return False

    def dropped_by(self, ghost, key, epoch, top):
        if self.is_broken("ghost ignored"):
            return False
        if self.is_broken("merge forgets a ghost's ranges") and ghost.covers(key) and key not in ghost.filter:
            return False
        return ghost.epoch > (top if self.is_broken("risen past a ghost") else epoch) and ghost.accepts(key)

    def bucket(self, kept, ranges, epoch, flush):
        """R1.3: outputs by expiry, all versions of a key in the one of the longest, range tombstones in all."""
        outputs = {}
        split = self.is_broken("versions split" if flush else "versions split by a merge")
        for key, versions in kept.items():
            longest = max(v.expires_at for v in versions)
            for v in versions:
                expiry = v.expires_at if split else longest
                out = outputs.setdefault(expiry < FOREVER, Source("segment", epoch))
                out.points.setdefault(key, []).append(v)
        if ranges:
            outputs.setdefault(False, Source("segment", epoch))
            for expires, out in outputs.items():
                if not expires or not self.is_broken("ranges in one sibling"):
                    out.ranges = list(ranges)
        return [outputs[b] for b in sorted(outputs)]

    def begin_eviction(self, victim):
        """A whole segment goes, unread: for room, or because all in it has expired."""
        if victim in self.busy() and not self.is_broken("input evicted"):
            return
        kinds = ("segment",) if self.is_broken("memory forgotten") else ("segment", "memtable")
        needed = any(victim.accepts(k) and self.beneath(k, victim.epoch, [victim], kinds) for k in KEYS)
        stamp = self.next_stamp()

        def install():
            self.excuse(victim)
            if victim in self.sources:
                self.sources.remove(victim)
            if needed and not self.is_broken("no ghost"):
                self.leave_ghost(victim, stamp)
            if self.is_broken("emptied in place"):
                victim.points, victim.ranges = {}, []

        self.jobs.append(Job("eviction", [victim], install, stamp))
        self.note("begin eviction", victim, "with a ghost" if needed else "without")

    def begin_save(self, victim):
        """Before a segment is evicted, what was hit of it goes to the epoch of the newest segment, key by key, if
        nothing from here up to the memtables holds the key. The victim stays as it is until its eviction."""
        top = max((s.epoch for s in self.of_kind("segment")), default=0)
        if victim in self.busy() or top <= victim.epoch:
            return
        others = [s for s in self.of_kind("segment", "memtable") if s is not victim and s.epoch >= victim.epoch]
        ghosts = [g for g in self.of_kind("ghost") if g.epoch > victim.epoch]
        saved = {}
        for key, versions in victim.points.items():
            newest = versions[0]
            if not self.live(newest) or self.rng.random() < 0.5:
                continue
            ranges = [r for r in victim.ranges if r.low <= key < r.high]
            if any(r.sequence > newest.sequence for r in ranges) and not self.is_broken("saved past its range"):
                continue
            held = any(key in s.points or s.covers(key) for s in others)
            if held and not self.is_broken("saved over a newer version"):
                continue
            if any(g.accepts(key) for g in ghosts) and not self.is_broken("saved past a ghost"):
                continue
            saved[key] = [newest]
        out = Source("segment", top)
        out.points, out.main = saved, True
        out.seal(self.rng, self.broken)

        def install():
            if saved:
                self.sources.append(out)
            self.begin_eviction(victim)

        self.jobs.append(Job("save", [victim], install, 0))
        self.note("begin save", victim, "->", out)

    def next_stamp(self):
        self.evictions += 1
        return len(self.of_kind("ghost")) + 1 if self.is_broken("stamp reused") else self.evictions

    def excuse(self, source):
        self.excused.update((k, v.sequence) for k, vs in source.points.items() for v in vs)

    def leave_ghost(self, victim, stamp, wide=False):
        ghost = Source("ghost", victim.epoch)
        forgets = self.is_broken("ghost forgets deletes")
        ghost.filter = frozenset(k for k, vs in victim.points.items() if vs[0].kind == "put" or not forgets)
        ghost.strays, ghost.bounds, ghost.stamp, ghost.wide = victim.strays, victim.bounds, stamp, wide
        if not wide and not self.is_broken("ghost forgets ranges"):
            ghost.ranges = list(victim.ranges)
        if wide:
            ghost.filter = ghost.strays = frozenset()
        sequences = [v.sequence for vs in victim.points.values() for v in vs]
        sequences += [r.sequence for r in victim.ranges]
        ghost.low = min(sequences, default=0)
        ghost.durable = not self.is_broken("ghost after the commit")
        self.sources.append(ghost)

    def damage(self, source):
        """R2.3: a segment or a ghost file cannot be read any more."""
        self.note("damage", source)
        self.jobs = [job for job in self.jobs if source not in job.inputs]  # they fail
        self.excuse(source)
        if source.kind == "ghost":
            source.on_disk = source.on_disk or (source.filter, source.strays, source.ranges)
            source.wide, source.filter, source.strays, source.ranges = True, frozenset(), frozenset(), []
            return
        self.sources.remove(source)
        if not self.is_broken("damage leaves a hole"):
            self.leave_ghost(source, self.next_stamp(), wide=True)

    def install(self, job):
        self.note("install", job.what, job.inputs)
        self.jobs.remove(job)
        job.install()

    def retire(self):
        for ghost in self.of_kind("ghost"):
            ghost.durable = True
            older = [s for s in self.of_kind("segment", "memtable") if s.epoch < ghost.epoch]
            older = [s for s in older if s.kind == "memtable" or any(k in s.bounds for k in ghost.bounds)]
            waiting = [s for s in older if s.applied_to < ghost.stamp]
            if not waiting or (self.is_broken("retired by one") and len(waiting) < len(older)):
                self.note("retire", ghost)
                self.sources.remove(ghost)

    def keep_ghost_budget(self):
        """R2.5: what is older than the oldest ghost is rewritten until it retires."""
        while self.jobs:
            self.install(self.jobs[0])
        for _ in range(len(self.of_kind("ghost")) - GHOSTS_MAX):
            oldest = min(self.of_kind("ghost"), key=lambda s: (s.epoch, s.stamp), default=None)
            if oldest is None:
                break
            for s in [s for s in self.of_kind("segment", "memtable") if s.epoch < oldest.epoch]:
                self.begin_merge([s])
                while self.jobs:
                    self.install(self.jobs[0])
            self.retire()

    # Life ---------------------------------------------------------------------------------------

    def pass_time(self, by):
        self.now += by
        self.note("time", self.now)

    def take_snapshot(self):
        self.snapshot = self.sequence if self.snapshot is None else None
        self.note("snapshot", self.snapshot)

    def pin(self):
        self.pinned = (list(self.sources), self.sequence) if self.pinned is None else None
        self.note("pin", self.pinned is not None)

    def checkpoint(self):
        """All that is live, in a directory of its own: read at once, and forgotten."""
        view = list(self.sources)
        if self.is_broken("checkpoint without ghosts"):
            view = [s for s in view if s.kind != "ghost"]
        return self.judge(view, self.sequence)

    def kill(self):
        """The process dies; logs hold what was in memory, which recovery flushes in order."""
        self.note("kill")
        self.jobs, self.snapshot, self.pinned = [], None, None
        self.sources = [s for s in self.sources if s.durable]
        for ghost in self.of_kind("ghost"):
            if ghost.on_disk and self.is_broken("wide in memory alone"):
                ghost.wide, ghost.on_disk, exact = False, None, ghost.on_disk
                ghost.filter, ghost.strays, ghost.ranges = exact
        self.rotate()
        for memtable in [s for s in self.of_kind("memtable") if s is not self.active]:
            if self.is_broken("recovered on top"):
                memtable.epoch = self.epoch
            self.begin_merge([memtable])
            while self.jobs:
                self.install(self.jobs[0])

    # The oracle ---------------------------------------------------------------------------------

    def check(self):
        finding = self.judge(self.sources, self.sequence)
        if finding is None and self.snapshot is not None:
            finding = self.judge(self.sources, self.snapshot)
        if finding is None and self.pinned is not None:
            finding = self.judge(*self.pinned)
        return finding

    def judge(self, sources, at):
        for key in KEYS:
            newest = next((v for v in reversed(self.history[key]) if v.sequence <= at), None)
            got, masked = self.get(sources, key, at)
            scanned = self.scan(sources, key, at)
            for found in (got, scanned):
                if found is not None and found != newest:
                    return "STALE key %d at %d: %s, newest %s" % (key, at, tuple(found), newest and tuple(newest))
            if got != scanned:
                return "DIFFERS key %d at %d: %s, iterator %s" % (key, at, got, scanned)
            if got is not None or masked or newest is None or not self.live(newest):
                continue
            if (key, newest.sequence) not in self.excused:
                return "LOST key %d at %d: %s" % (key, at, tuple(newest))
        return None

    def finish(self):
        """The end of a history: ghosts must be within their budget."""
        self.keep_ghost_budget()
        ghosts = len(self.of_kind("ghost"))
        return "GHOSTS %d" % ghosts if ghosts > GHOSTS_MAX else self.check()
