#include <algorithm>
#include <iterator>
#include <set>

#include "tests/db/manifest_fixture.h"

// Power cuts and kills at every boundary of random histories of the manifest and of the files that
// it names, on the strict simulated disk; faults on the way, crashes within recovery too.
//
// The history plays the part of the database: it writes segments and logs, commits them, and
// unlinks what the manifest releases. Each commit carries its index in the clock mark, so that what
// a crash leaves tells which commit it is. Of every image
//   - the manifest opens, with the content of one commit, not older than the last acknowledged one
//     (or, if the machine lost power while the manifest was being opened, than what both roots
//     carried: the newest root is the first to be replaced);
//   - every file it names, be it of a segment or of the ghost of one (RULES R2.1), and every log it
//     may need, is there and whole (Checklist N4, N9);
//   - no number given out before the crash is below its next one (S6);
//   - opening again gives the same, after a crash within the opening too;
//   - with the newest root destroyed all that holds for what both roots carried (N8).

namespace varve {
namespace {

constexpr uint64_t kNever = UINT64_MAX;

std::string SegmentPath(FileNumber n) { return SegmentFileName("/db", n); }
std::string GhostPath(FileNumber n) { return GhostFileName("/db", n); }
std::string LogPath(FileNumber n) { return LogFileName("/db", n); }
std::string ContentOf(FileNumber n) { return "content of " + std::to_string(n); }

// All ops are counted as SimFileSystem does; `acked_at` of a commit is the count when it returned.
struct CommitRecord {
  EntryMap entries;
  FileNumber lowest_log = 0;
  uint64_t begun_at = 0;
  uint64_t acked_at = kNever;
  uint64_t in_both_at = kNever;  // both roots carry it, or a later one
};
struct LogRecord {
  FileNumber number;
  uint64_t durable_at;
};

class History {
 public:
  History(uint64_t seed, bool faults) : random_(seed), faults_(faults), seed_(seed) {
    fs_ = SimFileSystem::New({.seed = seed, .record = true});
    EXPECT_TRUE(fs_->CreateDirectory("/db").ok());
    EXPECT_TRUE(fs_->SyncDirectory("/").ok());
    const ManifestOptions options = ManifestTestOptions(fs_, seed * 1000);
    Status s = Manifest::Create(options, "/db", &manifest_);
    EXPECT_TRUE(s.ok()) << s.ToString();
    created_at_ = fs_->op_count();
    commits_.emplace_back();
    commits_[0].acked_at = commits_[0].in_both_at = created_at_;
    live_commit_ = 0;
  }

  void Run(int steps) {
    for (int i = 0; i < steps; ++i) {
      if (faults_ && random_.OneIn(12)) {
        SimFault fault;
        fault.calls = kSimWrite | kSimSync | kSimTruncate | kSimRename | kSimDirectorySync;
        fault.path_part = random_.OneIn(4) ? "" : "MANIFEST";
        fault.nth = 1 + random_.Uniform(4);
        fs_->InjectFault(fault);
      }
      Step(i);
      if (manifest_ != nullptr && !manifest_->poisoned().ok()) {
        ++poisonings_;
        manifest_.reset();
      }
      fs_->ClearFault();
      if (manifest_ == nullptr) Reopen();
      if (testing::Test::HasFailure()) return;
    }
  }

  const std::shared_ptr<SimFileSystem>& fs() const { return fs_; }
  const std::vector<CommitRecord>& commits() const { return commits_; }
  const std::vector<LogRecord>& logs() const { return logs_; }
  const std::vector<std::pair<uint64_t, FileNumber>>& numbers() const { return numbers_; }
  uint64_t created_at() const { return created_at_; }
  int poisonings() const { return poisonings_; }
  uint64_t rewrites() const { return rewrites_; }
  // Whether an opening was under way between the ops before and after `at`.
  bool OpeningAt(uint64_t at) const { return Within(openings_at_, at); }
  // Likewise, that something was written which no root names yet.
  bool QuietAt(uint64_t at) const { return Within(quiet_, at); }

 private:
  using Ranges = std::vector<std::pair<uint64_t, uint64_t>>;
  static bool Within(const Ranges& ranges, uint64_t at) {
    return std::any_of(ranges.begin(), ranges.end(),
                       [at](const auto& r) { return r.first < at && at < r.second; });
  }
  const EntryMap& now() const { return commits_[live_commit_].entries; }

  FileNumber NewNumber() {
    FileNumber number;
    if (!manifest_->NewFileNumber(&number).ok()) return 0;
    numbers_.emplace_back(fs_->op_count(), number);
    return number;
  }

  // Created, written, synced, its name synced.
  bool WriteFile(const std::string& path, FileNumber number) {
    std::unique_ptr<WritableFile> file;
    const uint64_t begun_at = fs_->op_count();
    const bool ok = fs_->NewWritableFile(path, 0, &file).ok() &&
                    file->Append(ContentOf(number)).ok() && file->Sync().ok() &&
                    file->Close().ok() && fs_->SyncDirectory("/db").ok();
    quiet_.emplace_back(begun_at, fs_->op_count());
    return ok;
  }

  void Step(int i) {
    if (i == 20) return Sprawl();
    ManifestEdit edit;
    switch (random_.Uniform(10)) {
      case 0:
      case 1:
      case 2:
      case 3: {  // a flush, a bulk of them, or one with keys that spill
        const uint64_t count = random_.OneIn(6) ? 12 : 1 + random_.Uniform(2);
        static constexpr size_t kKeyBytes[] = {10, 100, 350, 450, 600, 4100, 30000};
        for (uint64_t i = 0; i < count; ++i) {
          const FileNumber number = NewNumber();
          if (number == 0 || !WriteFile(SegmentPath(number), number)) return;
          SegmentEntry entry =
              MakeEntry(number, kKeyBytes[random_.Uniform(random_.OneIn(3) ? 7 : 5)]);
          if (random_.OneIn(2)) {
            if (!WriteFile(GhostPath(number), number)) return;
            entry = WithGhostFile(std::move(entry));
          }
          edit.added.push_back(std::move(entry));
        }
        return Commit(edit);
      }
      case 4:
      case 5: {  // a merge
        for (const auto& [number, entry] : now()) {
          if (random_.OneIn(random_.OneIn(2) ? 2 : 8)) edit.removed.push_back(number);
        }
        if (edit.removed.empty()) return;
        const FileNumber number = NewNumber();
        if (number == 0 || !WriteFile(SegmentPath(number), number)) return;
        edit.added.push_back(MakeEntry(number, 40));
        return Commit(edit);
      }
      case 6: {  // a move to another level, an eviction, or a ghost that cannot be read
        if (now().empty()) return;
        const auto at = std::next(now().begin(), random_.Uniform(now().size()));
        edit.removed = {at->first};
        edit.added = {at->second};
        if (!HasGhostFile(at->second) || random_.OneIn(4)) {
          ++edit.added[0].level;
        } else {
          edit.added[0] = IsGhost(at->second) ? WithoutGhostFile(at->second)
                                              : Evicted(at->second, 1 + commits_.size());
        }
        return Commit(edit);
      }
      case 7: {  // a new log; the older ones go
        const FileNumber number = NewNumber();
        if (number == 0 || !WriteFile(LogPath(number), number)) return;
        logs_.push_back({number, fs_->op_count()});
        edit.lowest_log = number;
        return Commit(edit);
      }
      case 8:
        return Seal();
      default:
        if (random_.OneIn(2)) {
          Close();
        } else {
          manifest_.reset();  // as a kill would
        }
    }
  }

  // Long keys come and go below pages that stay: the file is worth rewriting.
  void Sprawl() {
    ManifestEdit removal;
    for (const auto& [number, entry] : now()) removal.removed.push_back(number);
    for (int i = 0; i < 24 && manifest_->poisoned().ok(); ++i) {
      const FileNumber number = NewNumber();
      if (number == 0 || !WriteFile(SegmentPath(number), number)) return;
      ManifestEdit edit;
      edit.added.push_back(MakeEntry(number, i < 3 ? 60000 : 300));
      Commit(edit);
      if (i < 10 && now().contains(number)) removal.removed.push_back(number);
    }
    if (manifest_->poisoned().ok()) Commit(removal);
    for (int i = 0; i < 2 && manifest_->poisoned().ok(); ++i) Seal();
  }

  void Commit(ManifestEdit edit) {
    const uint64_t index = commits_.size();
    CommitRecord record;
    record.entries = now();
    record.lowest_log = std::max(commits_[live_commit_].lowest_log, edit.lowest_log);
    for (const FileNumber number : edit.removed) record.entries.erase(number);
    for (const SegmentEntry& e : edit.added) record.entries[e.number] = e;
    record.begun_at = fs_->op_count();
    commits_.push_back(record);
    edit.clock_mark_ms = index;
    const Status s = manifest_->Commit(edit);
    if (!s.ok()) {
      failed_ = index;
      // Not poisoned: as if it had never been; nothing may tell of it.
      if (manifest_->poisoned().ok()) commits_[index].begun_at = kNever;
      return;
    }
    const uint64_t now_at = fs_->op_count();
    commits_[index].acked_at = now_at;
    MarkInBoth(live_commit_, now_at);
    live_commit_ = index;
    CleanUp();
  }

  void Seal() {
    const uint64_t before = manifest_->stats().rewrites;
    if (!manifest_->Seal().ok()) return;
    rewrites_ += manifest_->stats().rewrites - before;
    MarkInBoth(live_commit_, fs_->op_count());
    CleanUp();
  }

  void Close() {
    ManifestEdit last;
    last.next_sequence = manifest_->sequence_limit();
    if (manifest_->Close(last).ok()) MarkInBoth(live_commit_, fs_->op_count());
    manifest_.reset();
  }

  void MarkInBoth(uint64_t upto, uint64_t at) {
    for (; in_both_ <= upto; ++in_both_) commits_[in_both_].in_both_at = at;
  }

  // What the manifest lets go, goes, there and then.
  void CleanUp() {
    for (const NumberedFile& file : manifest_->TakeReleased()) {
      EXPECT_TRUE(fs_->RemoveFile(FileName("/db", file)).ok());
    }
    for (const LogRecord& log : logs_) {
      FileInfo info;
      if (log.number < manifest_->lowest_log_needed() &&
          fs_->GetFileInfo(LogPath(log.number), &info).ok()) {
        EXPECT_TRUE(fs_->RemoveFile(LogPath(log.number)).ok());
      }
    }
  }

  void Reopen() {
    ManifestState state;
    const ManifestOptions options = ManifestTestOptions(fs_, seed_ * 1000 + ++openings_);
    const uint64_t begun_at = fs_->op_count();
    Status s = Manifest::Open(options, "/db", &state, &manifest_);
    ASSERT_TRUE(s.ok()) << s.ToString();
    openings_at_.emplace_back(begun_at, fs_->op_count());
    // A commit that failed is there or it is not; from now on that is settled.
    ASSERT_TRUE(state.clock_mark_ms == live_commit_ || state.clock_mark_ms == failed_);
    if (state.clock_mark_ms != live_commit_) live_commit_ = failed_;
    commits_[live_commit_].acked_at = std::min(commits_[live_commit_].acked_at, fs_->op_count());
    ASSERT_EQ(ToMap(state.segments), now());
    MarkInBoth(live_commit_, fs_->op_count());
    // Cleanup as the database does it: by what is there.
    std::vector<std::string> names;
    ASSERT_TRUE(fs_->ListDirectory("/db", &names).ok());
    for (const std::string& name : names) {
      const FileNumber number = std::strtoull(name.c_str(), nullptr, 10);
      const auto entry = now().find(number);
      const bool there = entry != now().end();
      if ((name.ends_with(".seg") && !(there && !IsGhost(entry->second))) ||
          (name.ends_with(".ghost") && !(there && HasGhostFile(entry->second))) ||
          (name.ends_with(".log") && number < state.lowest_log)) {
        ASSERT_TRUE(fs_->RemoveFile("/db/" + name).ok());
      }
    }
  }

  Random random_;
  const bool faults_;
  const uint64_t seed_;
  std::shared_ptr<SimFileSystem> fs_;
  std::unique_ptr<Manifest> manifest_;
  std::vector<CommitRecord> commits_;
  std::vector<LogRecord> logs_;
  std::vector<std::pair<uint64_t, FileNumber>> numbers_;  // given out when so many ops were done
  Ranges openings_at_, quiet_;
  uint64_t created_at_ = 0;
  uint64_t live_commit_ = 0, failed_ = 0, in_both_ = 1;
  uint64_t openings_ = 0, rewrites_ = 0;
  int poisonings_ = 0;
};

class Oracle {
 public:
  explicit Oracle(const History& history) : h_(history) {}

  int images() const { return images_; }
  int older_roots() const { return older_roots_; }

  // Everything a crash may leave at the boundary where the replay stands.
  void CheckBoundary(const SimReplay& replay, Random* random) {
    const size_t at = replay.position();
    if (at < h_.created_at()) return CheckCreation(replay, random);
    if (h_.QuietAt(at) && !random->OneIn(10)) return;
    Check(replay.disk().Kill(), at, /*power=*/false, random);
    for (const SimLoss& loss : Losses(replay.disk(), random)) {
      SCOPED_TRACE("boundary " + std::to_string(at) + ", loss " + loss.ToString());
      Check(replay.disk().PowerLoss(loss), at, /*power=*/true, random);
      if (testing::Test::HasFailure()) return;
    }
  }

 private:
  static std::vector<SimLoss> Losses(const SimDisk& disk, Random* random) {
    std::vector<SimLoss> losses = {SimLoss::DropAll(), SimLoss::KeepAll()};
    const size_t pending = disk.PendingCount();
    if (pending <= 4) {
      for (uint64_t mask = 1; mask + 1 < (uint64_t{1} << pending); ++mask) {
        losses.push_back(SimLoss::Subset(mask));
      }
    } else {
      // A few of each kind; over the boundaries of a history every item gets its turn.
      for (int i = 0; i < 4; ++i) losses.push_back(SimLoss::Only(random->Uniform(pending)));
      for (int i = 0; i < 4; ++i) losses.push_back(SimLoss::AllBut(random->Uniform(pending)));
    }
    for (int i = 0; i < 4; ++i) losses.push_back(SimLoss::Random(random->Next()));
    return losses;
  }

  // Before creation has returned there may be a manifest or none, but no broken one.
  void CheckCreation(const SimReplay& replay, Random* random) {
    for (const SimLoss& loss : Losses(replay.disk(), random)) {
      auto fs = SimFileSystem::New({}, replay.disk().PowerLoss(loss));
      ManifestState state;
      std::unique_ptr<Manifest> manifest;
      Status s = Manifest::Open(ManifestTestOptions(fs, random->Next()), "/db", &state, &manifest);
      EXPECT_TRUE(s.ok() || s.IsNotFound()) << s.ToString();
      EXPECT_TRUE(state.segments.empty());
      ++images_;
    }
  }

  void Check(const SimDisk& disk, size_t at, bool power, Random* random) {
    if (!seen_.insert(disk.CachedHash() + 2 * at + power).second) return;
    CheckOpens(disk, at, Floor(at, power && h_.OpeningAt(at)), power, random, /*deep=*/true);
    if (!testing::Test::HasFailure()) CheckOlderRoot(disk, at, random);
  }

  // The first commit that must be there: the last acknowledged, or the last that both roots carry.
  uint64_t Floor(size_t at, bool in_both) const {
    uint64_t floor = 0;
    for (uint64_t i = 0; i < h_.commits().size(); ++i) {
      const CommitRecord& c = h_.commits()[i];
      if ((in_both ? c.in_both_at : c.acked_at) <= at) floor = i;
    }
    return floor;
  }

  // N8: the newest root is gone; what both carried is not.
  void CheckOlderRoot(const SimDisk& disk, size_t at, Random* random) {
    auto fs = SimFileSystem::New({}, disk);
    ManifestState state;
    if (!Manifest::Inspect(fs.get(), "/db", &state).ok() || state.valid_roots != 2) return;
    const std::string bytes = fs->ReadAll("/db/MANIFEST");
    const bool second = DecodeFixed64(&bytes[16]) < DecodeFixed64(&bytes[4096 + 16]);
    fs->Damage("/db/MANIFEST", (second ? 4096 : 0) + 8 * random->Uniform(512), "DESTROY!");
    ++older_roots_;
    SCOPED_TRACE("the newest root destroyed");
    CheckOpens(fs->disk(), at, Floor(at, true), /*power=*/true, random, /*deep=*/false);
  }

  void CheckOpens(const SimDisk& disk, size_t at, uint64_t floor, bool power, Random* random,
                  bool deep) {
    ++images_;
    auto fs = SimFileSystem::New({.seed = random->Next(), .record = deep}, disk);
    ManifestState state;
    std::unique_ptr<Manifest> manifest;
    Status s = Manifest::Open(ManifestTestOptions(fs, random->Next()), "/db", &state, &manifest);
    ASSERT_TRUE(s.ok()) << s.ToString();
    CheckState(*fs, state, at, floor);
    // A root is written in one piece, and a process that dies loses none: there are always two.
    EXPECT_TRUE(power || !deep || h_.poisonings() > 0 || state.valid_roots == 2);
    manifest.reset();
    if (!deep || testing::Test::HasFailure()) return;

    // A crash within the opening, at a boundary of its own; then twice undisturbed.
    const SimHistory& opening = fs->history();
    SimReplay replay(&opening);
    const uint64_t cut = random->Uniform(opening.ops.size() + 1);
    replay.AdvanceTo(cut);
    const bool lost = !random->OneIn(3);
    auto after = SimFileSystem::New(
        {}, lost ? replay.disk().PowerLoss(SimLoss::Random(random->Next())) : replay.disk().Kill());
    if (lost) floor = cut == opening.ops.size() ? state.clock_mark_ms : Floor(at, true);
    ManifestState again;
    for (int i = 0; i < 2; ++i) {
      SCOPED_TRACE("opened again after a crash at op " + std::to_string(cut) + " of the opening");
      s = Manifest::Open(ManifestTestOptions(after, random->Next()), "/db", &again, &manifest);
      ASSERT_TRUE(s.ok()) << s.ToString();
      CheckState(*after, again, at, floor);
      floor = again.clock_mark_ms;
    }
    // Were numbers given out after the opening, they are not given out again.
    ASSERT_TRUE(cut < opening.ops.size() || again.next_file_number > state.next_file_number);
  }

  void CheckState(const SimFileSystem& fs, const ManifestState& state, size_t at, uint64_t floor) {
    const uint64_t index = state.clock_mark_ms;
    ASSERT_LT(index, h_.commits().size());
    const CommitRecord& commit = h_.commits()[index];
    EXPECT_GE(index, floor);
    EXPECT_LE(commit.begun_at, at);
    EXPECT_EQ(ToMap(state.segments), commit.entries);
    EXPECT_EQ(state.lowest_log, commit.lowest_log);
    const SimDisk disk = fs.disk();
    const auto check_file = [&](const std::string& path, FileNumber number) {
      char content[64];
      const InodeNumber inode = disk.Find(path);
      ASSERT_NE(inode, 0u) << path << " of commit " << index;
      ASSERT_EQ(Slice(content, disk.Read(inode, 0, sizeof(content), content)), ContentOf(number));
    };
    for (const auto& [number, entry] : commit.entries) {
      if (!IsGhost(entry)) check_file(SegmentPath(number), number);
      if (HasGhostFile(entry)) check_file(GhostPath(number), number);
      if (testing::Test::HasFatalFailure()) return;
    }
    for (const LogRecord& log : h_.logs()) {
      if (log.durable_at > at || log.number < commit.lowest_log) continue;
      ASSERT_NE(disk.Find(LogPath(log.number)), 0u) << log.number;
    }
    for (const auto& [given_at, number] : h_.numbers()) {
      ASSERT_TRUE(given_at > at || number < state.next_file_number) << number;
    }
  }

  const History& h_;
  std::set<uint64_t> seen_;
  int images_ = 0, older_roots_ = 0;
};

void RunHistories(int histories, int steps, bool faults) {
  int images = 0, older = 0, poisonings = 0;
  uint64_t rewrites = 0;
  for (int seed = 1; seed <= histories; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed) + (faults ? " with faults" : ""));
    History history(seed, faults);
    history.Run(steps);
    ASSERT_FALSE(testing::Test::HasFailure());
    Random random(seed);
    Oracle oracle(history);
    SimReplay replay(&history.fs()->history());
    // The directory itself is durable from here on.
    replay.AdvanceTo(3);
    while (true) {
      oracle.CheckBoundary(replay, &random);
      if (testing::Test::HasFailure()) return;
      if (replay.AtEnd()) break;
      replay.Step();
    }
    images += oracle.images();
    older += oracle.older_roots();
    poisonings += history.poisonings();
    rewrites += history.rewrites();
  }
  std::printf(
      "%d images opened, %d of them with the newest root destroyed; %d poisonings, %d rewrites\n",
      images, older, poisonings, static_cast<int>(rewrites));
  EXPECT_GT(images, 100 * histories);
  EXPECT_GT(older, 20 * histories);
  EXPECT_EQ(poisonings > 0, faults);
  EXPECT_GT(rewrites, 0u);
}

// Checklist N4, N5, N8, N9, S6.
TEST(ManifestCrash, EveryBoundaryOfRandomHistories) { RunHistories(2, 30, /*faults=*/false); }

// Checklist N1, N5.
TEST(ManifestCrash, EveryBoundaryOfRandomHistoriesWithFaults) {
  RunHistories(3, 30, /*faults=*/true);
}

// RULES R4.3: a name left by a killed process may still vanish, unless opening makes it durable.
TEST(ManifestCrash, ANameThatAKilledProcessLeftIsMadeDurable) {
  auto fs = SimFileSystem::New({.record = true});
  ASSERT_TRUE(fs->CreateDirectory("/db").ok());
  ASSERT_TRUE(fs->SyncDirectory("/").ok());
  std::unique_ptr<Manifest> manifest;
  ASSERT_TRUE(Manifest::Create(ManifestTestOptions(fs, 1), "/db", &manifest).ok());
  SimReplay replay(&fs->history());
  while (replay.disk().Find("/db/MANIFEST") == 0) replay.Step();  // renamed, the name not synced
  auto after = SimFileSystem::New({}, replay.disk().Kill());
  ManifestState state;
  ASSERT_TRUE(Manifest::Open(ManifestTestOptions(after, 2), "/db", &state, &manifest).ok());
  ManifestEdit edit;
  edit.clock_mark_ms = 7;
  ASSERT_TRUE(manifest->Commit(edit).ok());
  auto last = SimFileSystem::New({}, after->disk().PowerLoss(SimLoss::DropAll()));
  ASSERT_TRUE(Manifest::Inspect(last.get(), "/db", &state).ok());
  EXPECT_EQ(state.clock_mark_ms, 7u);
}

}  // namespace
}  // namespace varve
