#include <algorithm>

#include "tests/db/manifest_fixture.h"

// What the manifest promises to its caller, one promise a test.

namespace varve {
namespace {

TEST_F(ManifestTest, CreatesAnEmptyDatabaseThatOpens) {
  Create();
  const DatabaseId id = manifest_->database_id();
  Open();
  EXPECT_EQ(state_.database_id, id);
  EXPECT_EQ(state_.comparator, "varve.BytewiseComparator");
  EXPECT_EQ(state_.valid_roots, 2);
  EXPECT_TRUE(state_.segments.empty());
  EXPECT_FALSE(state_.clean_close);
  EXPECT_EQ(state_.format_version, 1u);
}

TEST_F(ManifestTest, KeepsEveryFieldOfAnEdit) {
  mode_bits_ = 4;
  Create();
  ManifestEdit edit;
  for (int i = 0; i < 10; ++i) edit.added.push_back(MakeEntry(NewNumber()));
  edit.lowest_log = 3;
  edit.durable_log = {4, 4711};
  edit.retained_sequence = 17;
  edit.clock_mark_ms = 1700000000001;
  ASSERT_TRUE(manifest_->Commit(edit).ok());
  Open();
  EXPECT_EQ(state_.segments, edit.added);
  EXPECT_EQ(state_.lowest_log, 3u);
  EXPECT_EQ(state_.durable_log, (LogPosition{4, 4711}));
  EXPECT_EQ(state_.retained_sequence, 17u);
  EXPECT_EQ(state_.clock_mark_ms, 1700000000001u);
  EXPECT_EQ(state_.mode_bits, 4u);
  EXPECT_EQ(state_.boot_id, "boot-1");

  // Commits may come in another order than their edits were made in: nothing runs back.
  ManifestEdit late;
  late.lowest_log = 2;
  late.durable_log = {4, 4000};
  late.retained_sequence = 16;
  late.clock_mark_ms = 1;
  ASSERT_TRUE(manifest_->Commit(late).ok());
  Open();
  EXPECT_EQ(state_.lowest_log, 3u);
  EXPECT_EQ(state_.durable_log, (LogPosition{4, 4711}));
  EXPECT_EQ(state_.retained_sequence, 17u);
  EXPECT_EQ(state_.clock_mark_ms, 1700000000001u);
  EXPECT_EQ(state_.mode_bits, 4u);
}

// What a directory is it stays for life, whatever happens to its manifest.
TEST_F(ManifestTest, ACacheIsNoDatabaseAndADatabaseNoCache) {
  for (const uint32_t mode : {0u, uint32_t{kCacheMode}}) {
    fs_ = SimFileSystem::New();
    SetUp();
    mode_bits_ = mode;
    Create();
    for (int i = 0; i < 300; ++i) Add(900);
    const EntryMap entries = Inspected();
    const std::string bytes = fs_->ReadAll(path());
    mode_bits_ = mode ^ kCacheMode;
    const Status status = TryOpen();
    EXPECT_TRUE(status.IsInvalidArgument()) << status.ToString();
    EXPECT_NE(status.message().find(mode == 0 ? "this is a database" : "this is a cache"),
              std::string::npos)
        << status.ToString();
    EXPECT_EQ(fs_->ReadAll(path()), bytes);  // and nothing was written
    mode_bits_ = mode;
    Open();
    EXPECT_EQ(ToMap(state_.segments), entries);
    EXPECT_EQ(state_.mode_bits, mode);
    std::string text;
    ASSERT_TRUE(Manifest::Describe(fs_.get(), kManifestTestDir, &text).ok());
    EXPECT_NE(text.find(mode == 0 ? " (a database)" : " (a cache)"), std::string::npos) << text;
    manifest_.reset();
  }
}

// Checklist N3: no cap on entries.
TEST_F(ManifestTest, TenThousandSegmentsCommitAndComeBack) {
  Create();
  EntryMap expected;
  for (int i = 0; i < 10000; ++i) {
    const FileNumber number = Add();
    expected[number] = MakeEntry(number);
  }
  Open();
  EXPECT_EQ(ToMap(state_.segments), expected);
  EXPECT_EQ(manifest_->stats().segments, 10000u);
}

// RULES R4.1: what root N or N-1 needs is not released until N+1 is durable.
TEST_F(ManifestTest, ASegmentIsReleasedByTheCommitAfterItsRemoval) {
  Create();
  const FileNumber a = Add(), b = Add();
  EXPECT_TRUE(manifest_->TakeReleased().empty());
  Remove(a);
  EXPECT_TRUE(manifest_->TakeReleased().empty());
  Remove(b);
  EXPECT_EQ(manifest_->TakeReleased(), std::vector<NumberedFile>{SegmentOf(a)});
  EXPECT_TRUE(manifest_->TakeReleased().empty());
  ASSERT_TRUE(manifest_->Seal().ok());
  EXPECT_EQ(manifest_->TakeReleased(), std::vector<NumberedFile>{SegmentOf(b)});
  ASSERT_TRUE(manifest_->Seal().ok());
  EXPECT_TRUE(manifest_->TakeReleased().empty());
}

TEST_F(ManifestTest, AReplacedSegmentIsNotReleased) {
  Create();
  const FileNumber a = Add();
  ManifestEdit edit;
  edit.removed = {a};
  edit.added = {MakeEntry(a, 16, /*level=*/4)};
  ASSERT_TRUE(manifest_->Commit(edit).ok());
  ASSERT_TRUE(manifest_->Seal().ok());
  ASSERT_TRUE(manifest_->Seal().ok());
  EXPECT_TRUE(manifest_->TakeReleased().empty());
  EXPECT_EQ(Inspected(), (EntryMap{{a, MakeEntry(a, 16, 4)}}));
}

// RULES R2.1, R4.1: a segment is unlinked two commits after its eviction, and its ghost when it
// retires.
TEST_F(ManifestTest, FilesOfAnEntryAreReleasedOneByOne) {
  for (const size_t key_bytes : {16, 5000}) {  // beside its neighbours, and on pages of its own
    for (const bool reopened : {false, true}) {
      SCOPED_TRACE(std::to_string(key_bytes) + (reopened ? " bytes, reopened" : " bytes"));
      fs_ = SimFileSystem::New();
      SetUp();
      Create();
      const FileNumber a = NewNumber(), b = NewNumber(), c = NewNumber();
      const SegmentEntry of_b = WithGhostFile(MakeEntry(b, key_bytes));
      ManifestEdit edit;
      edit.added = {MakeEntry(a, key_bytes), of_b, WithGhostFile(MakeEntry(c, key_bytes))};
      ASSERT_TRUE(manifest_->Commit(edit).ok());
      const auto next = [&](std::vector<FileNumber> removed, std::vector<SegmentEntry> added) {
        if (reopened) Open();
        ManifestEdit then;
        then.removed = std::move(removed);
        then.added = std::move(added);
        Status s = manifest_->Commit(then);
        EXPECT_TRUE(s.ok()) << s.ToString();
        EXPECT_TRUE(manifest_->TakeReleased().empty());
        EXPECT_TRUE(manifest_->Seal().ok());
        return manifest_->TakeReleased();
      };
      using Files = std::vector<NumberedFile>;
      EXPECT_EQ(next({b}, {Evicted(of_b, 1)}), Files{SegmentOf(b)});
      EXPECT_EQ(next({b}, {Evicted(of_b, 1)}), Files{});
      EXPECT_EQ(next({b}, {WithoutGhostFile(Evicted(of_b, 1))}), Files{GhostOf(b)});
      EXPECT_EQ(next({b}, {}), Files{});
      EXPECT_EQ(next({a, c}, {}), (Files{SegmentOf(a), SegmentOf(c), GhostOf(c)}));
      EXPECT_TRUE(Inspected().empty());
    }
  }
}

// A file that was let go may be unlinked any time.
TEST_F(ManifestTest, AReplacedEntryNamesNoFileThatItDidNotHave) {
  Create();
  const FileNumber plain = Add(), number = NewNumber();
  const SegmentEntry segment = WithGhostFile(MakeEntry(number));
  ManifestEdit edit;
  edit.added = {segment};
  ASSERT_TRUE(manifest_->Commit(edit).ok());
  const auto commit = [&](FileNumber removed, SegmentEntry added) {
    ManifestEdit replacing;
    replacing.removed = {removed};
    replacing.added = {std::move(added)};
    return manifest_->Commit(replacing);
  };
  EXPECT_TRUE(commit(plain, WithGhostFile(MakeEntry(plain))).IsInvalidArgument());
  EXPECT_TRUE(commit(plain, Evicted(WithGhostFile(MakeEntry(plain)), 1)).IsInvalidArgument());
  ASSERT_TRUE(commit(number, Evicted(segment, 1)).ok());
  EXPECT_TRUE(commit(number, segment).IsInvalidArgument());
  EXPECT_TRUE(commit(number, MakeEntry(number)).IsInvalidArgument());
  ASSERT_TRUE(commit(number, WithoutGhostFile(Evicted(segment, 1))).ok());
  EXPECT_TRUE(commit(number, Evicted(segment, 1)).IsInvalidArgument());
  Open();
  EXPECT_TRUE(commit(number, Evicted(segment, 1)).IsInvalidArgument());
  EXPECT_EQ(Inspected(),
            (EntryMap{{plain, MakeEntry(plain)}, {number, WithoutGhostFile(Evicted(segment, 1))}}));
}

TEST_F(ManifestTest, ALogIsNeededUntilBothRootsPassIt) {
  Create();
  ManifestEdit edit;
  edit.lowest_log = 7;
  ASSERT_TRUE(manifest_->Commit(edit).ok());
  EXPECT_EQ(manifest_->lowest_log_needed(), 0u);
  ASSERT_TRUE(manifest_->Seal().ok());
  EXPECT_EQ(manifest_->lowest_log_needed(), 7u);
  // And what open found needed is needed until both fresh roots say otherwise.
  edit.lowest_log = 9;
  ASSERT_TRUE(manifest_->Commit(edit).ok());
  Open();
  EXPECT_EQ(state_.lowest_log, 9u);
  EXPECT_EQ(manifest_->lowest_log_needed(), 9u);
}

// RULES R4.6; Checklist S6: numbers of uncommitted work are not used again.
TEST_F(ManifestTest, NumbersAreNeverGivenOutTwice) {
  Create();
  FileNumber highest = 0;
  for (int opening = 0; opening < 5; ++opening) {
    for (int i = 0; i < 30; ++i) {
      const FileNumber number = NewNumber();
      EXPECT_GT(number, highest);
      highest = number;
    }
    Open();
    EXPECT_GT(state_.next_file_number, highest);
  }
}

TEST_F(ManifestTest, ANumberIsReservedInBothRootsBeforeItIsUsed) {
  Create();
  for (int i = 0; i < 100; ++i) {
    const FileNumber number = NewNumber();
    for (const uint64_t slot : {0, 1}) {  // either root may be the one that is left
      auto copy = SimFileSystem::New({}, fs_->disk());
      copy->Damage(path(), slot * 4096 + 100, "X");
      ManifestState state;
      ASSERT_TRUE(Manifest::Inspect(copy.get(), kManifestTestDir, &state).ok());
      EXPECT_EQ(state.valid_roots, 1);
      EXPECT_GT(state.next_file_number, number);
      EXPECT_GE(state.next_sequence, manifest_->sequence_limit());
    }
    if (i % 10 == 3) Add();
    if (i % 10 == 7) {
      ASSERT_TRUE(manifest_->ReserveSequences(i * 50).ok());
    }
  }
}

TEST_F(ManifestTest, SequencesAreReservedAhead) {
  Create();
  SequenceNumber limit = manifest_->sequence_limit();
  EXPECT_EQ(limit, 101u);
  ASSERT_TRUE(manifest_->ReserveSequences(limit).ok());
  EXPECT_EQ(manifest_->stats().commits, 0u);  // nothing to do
  ASSERT_TRUE(manifest_->ReserveSequences(1000).ok());
  EXPECT_GE(manifest_->sequence_limit(), 1000u);
  // Every commit moves the reservation on, once both roots carry it.
  ManifestEdit edit;
  edit.next_sequence = 5000;
  ASSERT_TRUE(manifest_->Commit(edit).ok());
  EXPECT_LT(manifest_->sequence_limit(), 5000u);
  ASSERT_TRUE(manifest_->Seal().ok());
  EXPECT_EQ(manifest_->sequence_limit(), 5100u);
  Open();
  EXPECT_EQ(state_.next_sequence, 5100u);
  EXPECT_EQ(manifest_->sequence_limit(), 5200u);
}

TEST_F(ManifestTest, SequencesEndAt56Bits) {
  Create();
  ASSERT_TRUE(manifest_->ReserveSequences(kMaxSequence - 10).ok());
  ASSERT_TRUE(manifest_->ReserveSequences(kMaxSequence + 1).ok());
  EXPECT_EQ(manifest_->sequence_limit(), kMaxSequence + 1);
  EXPECT_TRUE(manifest_->ReserveSequences(kMaxSequence + 2).IsNoSpace());
  Open();
  EXPECT_EQ(manifest_->sequence_limit(), kMaxSequence + 1);
}

TEST_F(ManifestTest, ACleanCloseLeavesExactCounters) {
  Create();
  const FileNumber number = Add();
  ManifestEdit last;
  last.next_sequence = 42;
  last.durable_log = {9, 8};
  ASSERT_TRUE(manifest_->Close(last).ok());
  ASSERT_TRUE(manifest_->Close(last).ok());  // Checklist L1
  FileNumber unused;
  EXPECT_TRUE(manifest_->NewFileNumber(&unused).IsAborted());
  EXPECT_TRUE(manifest_->Commit({}).IsAborted());
  EXPECT_TRUE(manifest_->Seal().IsAborted());
  EXPECT_TRUE(manifest_->ReserveSequences(1).IsAborted());
  for (const uint64_t slot : {0, 1}) {  // in both roots
    auto copy = SimFileSystem::New({}, fs_->disk());
    copy->Damage(path(), slot * 4096 + 100, "X");
    ManifestState state;
    ASSERT_TRUE(Manifest::Inspect(copy.get(), kManifestTestDir, &state).ok());
    EXPECT_TRUE(state.clean_close);
    EXPECT_EQ(state.next_file_number, number + 1);
    EXPECT_EQ(state.next_sequence, 42u);
    EXPECT_EQ(state.durable_log, (LogPosition{9, 8}));
  }
  Open();
  EXPECT_TRUE(state_.clean_close);
  EXPECT_EQ(NewNumber(), number + 1);
  Open();  // no longer
  EXPECT_FALSE(state_.clean_close);
  EXPECT_GT(state_.next_file_number, number + 1);
}

TEST_F(ManifestTest, ACloseWithASequenceThatCannotBeTheNextIsRefused) {
  Create();
  ManifestEdit last;
  last.next_sequence = manifest_->sequence_limit() + 1;
  EXPECT_TRUE(manifest_->Close(last).IsInvalidArgument());
  last.next_sequence = 0;
  EXPECT_TRUE(manifest_->Close(last).IsInvalidArgument());
  last.next_sequence = 1;
  EXPECT_TRUE(manifest_->Close(last).ok());
}

// Checklist N5: a failed commit publishes nothing.
TEST_F(ManifestTest, AnEditThatContradictsTheStateIsRefusedAndChangesNothing) {
  Create();
  const FileNumber a = Add(), b = Add();
  Remove(b);
  const uint64_t generation = manifest_->stats().generation;
  const auto refused = [&](std::vector<SegmentEntry> added, std::vector<FileNumber> removed) {
    ManifestEdit edit;
    edit.added = std::move(added);
    edit.removed = std::move(removed);
    edit.lowest_log = 1000;
    Status s = manifest_->Commit(edit);
    EXPECT_TRUE(s.IsInvalidArgument()) << s.ToString();
  };
  refused({MakeEntry(a)}, {});                 // there already
  refused({MakeEntry(b)}, {});                 // removed a moment ago
  refused({MakeEntry(1000)}, {});              // never given out
  refused({}, {b});                            // gone
  refused({}, {a, a});                         // twice
  refused({MakeEntry(a), MakeEntry(a)}, {a});  // twice
  SegmentEntry wrong = MakeEntry(NewNumber());
  wrong.largest_sequence = wrong.smallest_sequence - 1;
  wrong.smallest_sequence += 2;
  refused({wrong}, {});
  wrong = MakeEntry(wrong.number, 1 << 20);  // longer than an entry may be
  refused({wrong}, {});
  wrong = MakeEntry(wrong.number);
  wrong.extensions = "\x01\x05x";
  refused({wrong}, {});
  EXPECT_EQ(manifest_->stats().generation, generation);
  ASSERT_TRUE(manifest_->poisoned().ok());
  ASSERT_TRUE(manifest_->Seal().ok());
  EXPECT_EQ(manifest_->lowest_log_needed(), 0u);
  EXPECT_EQ(Inspected(), (EntryMap{{a, MakeEntry(a)}}));
}

TEST_F(ManifestTest, LongKeysSpillAndAreNeverTruncated) {
  Create();
  EntryMap expected;
  const size_t sizes[] = {0, 300, 400, 470, 480, 500, 2000, 4044, 8200, 65536};
  for (const size_t key_bytes : sizes) {
    const FileNumber number = Add(key_bytes);
    expected[number] = MakeEntry(number, key_bytes);
  }
  EXPECT_EQ(Inspected(), expected);
  // Through the tree, replaced, removed again, and rewritten.
  for (int i = 0; i < 200; ++i) {
    const FileNumber number = Add();
    expected[number] = MakeEntry(number);
  }
  const FileNumber longest = 10;
  ManifestEdit edit;
  edit.removed = {longest};
  edit.added = {MakeEntry(longest, 65535, 3)};
  ASSERT_TRUE(manifest_->Commit(edit).ok());
  expected[longest] = edit.added[0];
  Open();
  EXPECT_EQ(ToMap(state_.segments), expected);
  for (FileNumber number = 1; number <= 200; ++number) {
    if (!expected.contains(number)) continue;
    Remove(number);
    expected.erase(number);
  }
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(manifest_->Seal().ok());
  EXPECT_EQ(Inspected(), expected);
  const uint64_t used = manifest_->stats().file_pages - manifest_->stats().free_pages;
  EXPECT_LT(used, 20u);  // no chain of spill pages was forgotten
  Open();
  EXPECT_EQ(ToMap(state_.segments), expected);
  EXPECT_EQ(manifest_->stats().file_pages - manifest_->stats().free_pages, used);
}

// The tree and the file do not leak: churn keeps both at the size of what lives.
TEST_F(ManifestTest, ChurnKeepsTheFileSmall) {
  Create();
  std::vector<FileNumber> live;
  Random random(5);
  for (int i = 0; i < 1000; ++i) live.push_back(Add());
  const uint64_t pages = manifest_->stats().file_pages;
  EXPECT_LT(pages, 30u);
  for (int i = 0; i < 20000; ++i) {
    const size_t victim = random.Uniform(live.size());
    ManifestEdit edit;
    edit.removed = {live[victim]};
    live[victim] = NewNumber();
    edit.added = {MakeEntry(live[victim])};
    ASSERT_TRUE(manifest_->Commit(edit).ok());
  }
  EXPECT_LT(manifest_->stats().file_pages, 5 * pages);  // leaves a quarter full at worst
  // Everything goes: the file follows.
  for (const FileNumber number : live) Remove(number);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(manifest_->Seal().ok());
  EXPECT_LE(fs_->ReadAll(path()).size() / 4096, 34u);
  Open();
  EXPECT_TRUE(state_.segments.empty());
}

TEST_F(ManifestTest, RewritesTheFileWhenLittleOfItIsLive) {
  Create();
  for (int i = 0; i < 5000; ++i) Add();
  // The last segments stay, in the last pages, so that no tail can be cut.
  ManifestEdit edit;
  for (FileNumber number = 1; number <= 4900; ++number) edit.removed.push_back(number);
  ASSERT_TRUE(manifest_->Commit(edit).ok());
  const uint64_t generation = manifest_->stats().generation;
  ASSERT_TRUE(manifest_->Seal().ok());
  EXPECT_EQ(manifest_->stats().rewrites, 1u);
  EXPECT_GT(manifest_->stats().generation, generation + 1);
  EXPECT_LT(fs_->ReadAll(path()).size(), 16u * 4096);
  EXPECT_EQ(manifest_->TakeReleased().size(), 4900u);
  std::vector<std::string> names;
  ASSERT_TRUE(fs_->ListDirectory(kManifestTestDir, &names).ok());
  EXPECT_EQ(names, std::vector<std::string>{"MANIFEST"});
  EXPECT_EQ(Inspected().size(), 100u);
  const FileNumber next = Add();  // it is the new file that is written
  Open();
  EXPECT_EQ(state_.segments.size(), 101u);
  EXPECT_EQ(state_.segments.back(), MakeEntry(next));
}

TEST_F(ManifestTest, OpenAndInspectSayWhatIsWrong) {
  ManifestState state;
  EXPECT_TRUE(TryOpen().IsNotFound());
  EXPECT_TRUE(Manifest::Inspect(fs_.get(), kManifestTestDir, &state).IsNotFound());
  Create();
  std::unique_ptr<Manifest> second;
  EXPECT_TRUE(Manifest::Create(Options(), kManifestTestDir, &second).IsInvalidArgument());
  ManifestOptions options = Options();
  options.comparator = "reverse";
  Status s = Manifest::Open(options, kManifestTestDir, &state, &second);
  EXPECT_TRUE(s.IsInvalidArgument()) << s.ToString();
  EXPECT_NE(s.message().find("varve.BytewiseComparator"), std::string::npos);
  EXPECT_NE(s.message().find("reverse"), std::string::npos);
}

// What it is made with is there from the first moment, spilled keys and a whole tree too, and its
// counters go on after it.
TEST_F(ManifestTest, IsMadeWithAContent) {
  for (const int segments : {1, 12, 500}) {
    fs_ = SimFileSystem::New();
    ASSERT_TRUE(fs_->CreateDirectory(kManifestTestDir).ok());
    ManifestEdit content;
    for (int i = segments; i >= 1; --i) {
      content.added.push_back(MakeEntry(i * 2, i % 10 == 1 ? 5000 : 16));
    }
    content.next_sequence = 77;
    content.retained_sequence = 70;
    ASSERT_TRUE(Manifest::Create(Options(), kManifestTestDir, content, &manifest_).ok());
    ASSERT_EQ(Inspected().size(), static_cast<size_t>(segments));
    FileNumber number;
    ASSERT_TRUE(manifest_->NewFileNumber(&number).ok());
    EXPECT_EQ(number, FileNumber(segments) * 6 + 1);  // above the highest epoch
    ManifestEdit edit;
    edit.added.push_back(MakeEntry(number));
    edit.removed.push_back(2);  // one with a spilled key
    ASSERT_TRUE(manifest_->Commit(edit).ok());
    ManifestEdit last;
    last.next_sequence = 78;
    ASSERT_TRUE(manifest_->Close(last).ok());
    Open();
    EXPECT_EQ(state_.segments.size(), static_cast<size_t>(segments));
    for (const SegmentEntry& entry : state_.segments) {
      if (entry.number == number) continue;
      EXPECT_EQ(entry, MakeEntry(entry.number, entry.number / 2 % 10 == 1 ? 5000 : 16));
    }
    EXPECT_EQ(state_.retained_sequence, 70u);
    EXPECT_EQ(state_.next_sequence, 78u);
    EXPECT_TRUE(state_.clean_close);
    manifest_.reset();
  }
  ManifestEdit twice;
  twice.added = {MakeEntry(3), MakeEntry(3)};
  fs_ = SimFileSystem::New();
  ASSERT_TRUE(fs_->CreateDirectory(kManifestTestDir).ok());
  EXPECT_TRUE(Manifest::Create(Options(), kManifestTestDir, twice, &manifest_).IsInvalidArgument());
}

TEST_F(ManifestTest, InspectAndDescribeWriteNothing) {
  Create();
  for (int i = 0; i < 300; ++i) Add();
  Add(5000);
  const uint64_t ops = fs_->op_count();
  EXPECT_EQ(Inspected().size(), 301u);
  std::string text;
  ASSERT_TRUE(Manifest::Describe(fs_.get(), kManifestTestDir, &text).ok());
  EXPECT_EQ(fs_->op_count(), ops);
  EXPECT_NE(text.find("segment 300: level 0, epoch 900"), std::string::npos);
  EXPECT_NE(text.find("301 segments"), std::string::npos);
  EXPECT_NE(text.find("spilled to 3 pages"), std::string::npos);
  EXPECT_NE(text.find("no damage found"), std::string::npos);
}

// RULES R4.3: one generation never stands for two contents.
TEST_F(ManifestTest, TwoOpeningsFromOneRootGoOnWithDistinctGenerations) {
  Create();
  Add();
  manifest_.reset();
  std::vector<uint64_t> generations;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    auto fs = SimFileSystem::New({}, fs_->disk());
    std::unique_ptr<Manifest> manifest;
    ASSERT_TRUE(
        Manifest::Open(ManifestTestOptions(fs, seed * 77), kManifestTestDir, &state_, &manifest)
            .ok());
    generations.push_back(manifest->stats().generation);
    EXPECT_GT(generations.back(), state_.generation + 1);
  }
  std::sort(generations.begin(), generations.end());
  for (size_t i = 1; i < generations.size(); ++i) {
    EXPECT_GT(generations[i] - generations[i - 1], 1000000u);  // room for commits between them
  }
}

// RULES R4.1, R8: one commit, whatever there is: in the tree, in the root, spilled, or a ghost.
TEST_F(ManifestTest, AResetTakesEveryEntryOut) {
  mode_bits_ = kCacheMode;
  Create();
  for (const size_t entries : {0, 3, 300}) {
    std::vector<NumberedFile> files;
    ManifestEdit edit;
    for (size_t i = 0; i < entries; ++i) {
      edit.added.push_back(MakeEntry(NewNumber(), i == 7 ? 3000 : 16));
      if (i % 3 == 0) edit.added.back() = WithGhostFile(edit.added.back());
      if (i % 6 == 0) edit.added.back() = Evicted(edit.added.back(), i + 1);
      for (const NumberedFile& file : FilesOf(edit.added.back())) files.push_back(file);
    }
    ASSERT_TRUE(manifest_->Commit(edit).ok());
    const FileNumber next = NewNumber();
    ASSERT_TRUE(manifest_->Seal().ok());
    manifest_->TakeReleased();
    ManifestEdit reset;
    reset.reset.emplace();
    reset.reset->reason = CacheResetReason::kClock;
    reset.reset->wall_ms = 17;
    ASSERT_TRUE(manifest_->Commit(reset).ok());
    EXPECT_TRUE(Inspected().empty());
    EXPECT_TRUE(manifest_->TakeReleased().empty());  // the other root still needs them
    ASSERT_TRUE(manifest_->Seal().ok());
    std::vector<NumberedFile> released = manifest_->TakeReleased();
    std::sort(released.begin(), released.end());
    std::sort(files.begin(), files.end());
    EXPECT_EQ(released, files);
    ASSERT_TRUE(manifest_->last_reset().has_value());
    EXPECT_EQ(manifest_->last_reset()->segments, entries);
    Open();
    EXPECT_TRUE(state_.segments.empty());
    EXPECT_GT(state_.next_file_number, next);
    EXPECT_EQ(state_.last_reset->segments, entries);
    EXPECT_EQ(state_.last_reset->reason, CacheResetReason::kClock);
  }
  EXPECT_EQ(manifest_->last_reset()->resets, 3u);
  ManifestEdit more;
  more.reset.emplace();
  more.added.push_back(MakeEntry(NewNumber()));
  EXPECT_TRUE(manifest_->Commit(more).IsInvalidArgument());
}

TEST_F(ManifestTest, ADatabaseHasNoStateOfACache) {
  Create();
  ManifestEdit reset, condemned;
  reset.reset.emplace();
  condemned.condemned = true;
  EXPECT_TRUE(manifest_->Commit(reset).IsInvalidArgument());
  EXPECT_TRUE(manifest_->Commit(condemned).IsInvalidArgument());
  Add();
}

// RULES R5.7: an open that has not judged what it found leaves the next one what it found.
TEST_F(ManifestTest, TheStateOfACacheOutlivesAnOpenThatEndsEarly) {
  mode_bits_ = kCacheMode;
  Create();  // by boot-1
  ManifestEdit edit;
  edit.unlogged = true;
  ASSERT_TRUE(manifest_->Commit(edit).ok());
  for (int i = 0; i < 3; ++i) {
    Open();
    Add();  // whatever it does meanwhile
    EXPECT_EQ(state_.boot_id, "boot-1");
    EXPECT_TRUE(state_.unlogged);
    EXPECT_FALSE(state_.all_synced);
    EXPECT_FALSE(state_.condemned);
  }
  ManifestEdit judged;
  judged.judged = true;
  judged.unlogged = false;
  judged.condemned = true;
  ASSERT_TRUE(manifest_->Commit(judged).ok());
  Add();
  Open();
  EXPECT_EQ(state_.boot_id, "boot-4");
  EXPECT_FALSE(state_.unlogged);
  EXPECT_TRUE(state_.condemned);
}

// After a clean end all is durable; the next root has lost the mark of it, but not the fact.
TEST_F(ManifestTest, ACleanEndOfACacheIsRememberedAsAllSynced) {
  mode_bits_ = kCacheMode;
  Create();
  ManifestEdit edit;
  edit.next_sequence = 10;
  ASSERT_TRUE(manifest_->Close(edit).ok());
  Open();
  EXPECT_TRUE(state_.clean_close);
  EXPECT_FALSE(state_.all_synced);
  Open();
  EXPECT_FALSE(state_.clean_close);
  EXPECT_TRUE(state_.all_synced);
  EXPECT_EQ(state_.boot_id, "boot-1");
}

TEST_F(ManifestTest, OpenRemovesATemporaryManifest) {
  Create();
  std::unique_ptr<WritableFile> file;
  ASSERT_TRUE(fs_->NewWritableFile("/db/MANIFEST.tmp", 0, &file).ok());
  file.reset();
  Open();
  FileInfo info;
  EXPECT_TRUE(fs_->GetFileInfo("/db/MANIFEST.tmp", &info).IsNotFound());
}

}  // namespace
}  // namespace varve
