// checkconsistency: what is whole passes, each kind of damage is found and named with its file, and
// nothing is ever written. Checklist I7, N7, S11.

#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "db/manifest.h"
#include "db/write_batch_internal.h"
#include "table/ghost_builder.h"
#include "tests/support/comparators.h"
#include "tests/support/fault_file_system.h"
#include "tests/tools/ldb_test_util.h"
#include "util/coding.h"
#include "util/hash.h"
#include "wal/wal.h"

namespace varve::ldb {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

class CheckConsistencyTest : public LdbTest {
 protected:
  CheckConsistencyTest() { MakeDatabase(); }

  std::string segment(size_t i) const { return Files(FileType::kSegment).at(i); }
  std::string log() const { return Files(FileType::kLog).back(); }

  Outcome ExpectGood() {
    Outcome outcome = Run({"checkconsistency"});
    EXPECT_EQ(outcome.exit, kExitOk);
    EXPECT_THAT(outcome.out, EndsWith("\nOK\n"));
    EXPECT_EQ(outcome.err, "");
    return outcome;
  }
  // One problem, whose line holds all of `parts`.
  Outcome ExpectProblem(const std::vector<std::string>& parts) {
    const auto before = Contents();
    Outcome outcome = Run({"checkconsistency"});
    EXPECT_EQ(outcome.exit, kExitFailed);
    EXPECT_THAT(outcome.out, Not(HasSubstr("\nOK\n")));
    const std::string first = outcome.err.substr(0, outcome.err.find('\n'));
    for (const std::string& part : parts) EXPECT_THAT(first, HasSubstr(part));
    EXPECT_THAT(outcome.err, EndsWith("problems found: 1\n"));
    EXPECT_EQ(Contents(), before);
    return outcome;
  }
  // Commits what the files do not bear out.
  void Commit(const std::function<void(const ManifestState&, ManifestEdit*)>& make) {
    const Env env = Env::Default();
    ManifestOptions options;
    options.file_system = env.file_system;
    options.machine = env.machine;
    options.comparator = BytewiseComparator()->Name();
    ManifestState state;
    std::unique_ptr<Manifest> manifest;
    ASSERT_TRUE(Manifest::Open(options, path(), &state, &manifest).ok());
    ManifestEdit edit;
    make(state, &edit);
    const Status status = manifest->Commit(edit);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void CommitChanged(const std::function<void(SegmentEntry*)>& change) {
    Commit([&change](const ManifestState& state, ManifestEdit* edit) {
      SegmentEntry entry = state.segments.at(0);
      change(&entry);
      edit->removed = {entry.number};
      edit->added = {entry};
    });
  }
};

TEST_F(CheckConsistencyTest, AWholeDatabasePasses) {
  const Outcome outcome = ExpectGood();
  EXPECT_THAT(outcome.out, HasSubstr(path() + "/MANIFEST: generation "));
  EXPECT_THAT(outcome.out, HasSubstr(segment(0) + ": 2 entries, "));
  EXPECT_THAT(outcome.out, HasSubstr(segment(1) + ": 2 entries, "));
  EXPECT_THAT(outcome.out, HasSubstr(log() + ": 2 records\n"));
}

TEST_F(CheckConsistencyTest, GhostsAndTheirFiles) {
  FileNumber number = 0;
  Commit([&number](const ManifestState& state, ManifestEdit* edit) {
    SegmentEntry ghost = state.segments.at(0);
    number = edit->removed.emplace_back(ghost.number);
    ghost.flags |= kSegmentGhost;
    ghost.evicted = 1;
    ghost.file_bytes = 0;
    edit->added = {ghost};
  });
  // One without a file: the segment is not missed, nor needed.
  const std::string unreachable = GhostFileName(path(), number);
  WriteFile(unreachable, "a ghost");
  const Outcome outcome = ExpectGood();
  EXPECT_THAT(outcome.out, HasSubstr(segment(0) + ": unreachable"));
  EXPECT_THAT(outcome.out, HasSubstr(unreachable + ": unreachable"));

  // One with a file.
  const auto build = [&](FileNumber of, int keys) {
    const std::string file_path = GhostFileName(path(), number);
    std::unique_ptr<WritableFile> file;
    Env::Default().file_system->RemoveFile(file_path).ok();  // what an earlier call made
    EXPECT_TRUE(Env::Default().file_system->NewWritableFile(file_path, 0, &file).ok());
    GhostBuilderOptions options;
    options.number = of;
    options.path = file_path;
    GhostBuilder builder(options, file.get());
    for (int key = 0; key < keys; ++key) builder.AddKey(Hash64(std::to_string(key)));
    EXPECT_TRUE(builder.Finish().ok());
    EXPECT_TRUE(file->Close().ok());
    return builder.FileBytesMax();
  };
  uint64_t entries = 0, bytes = 0;
  Commit([&](const ManifestState& state, ManifestEdit* edit) {
    SegmentEntry ghost = state.segments.at(0);
    number = ++ghost.number;  // the entry is of nothing that was there
    entries = ghost.entries;
    bytes = build(number, 2);
    ghost.flags |= kSegmentHasGhostFile;
    ghost.file_bytes = bytes;
    edit->added = {ghost};
  });
  ASSERT_EQ(entries, 2u);
  const std::string ghost = GhostFileName(path(), number);
  EXPECT_THAT(ExpectGood().out, HasSubstr(ghost + ": 2 keys, " + std::to_string(bytes) + " bytes"));
  ASSERT_EQ(build(number + 1, 2), bytes);
  ExpectProblem({ghost, "ghost number"});
  ASSERT_TRUE(Env::Default().file_system->RemoveFile(ghost).ok());
  ExpectProblem({ghost, "missing, but the manifest names it"});
  WriteFile(ghost, std::string(bytes - 1, 'x'));
  ExpectProblem({ghost, "expected " + std::to_string(bytes) +
                            " bytes as the manifest says, found " + std::to_string(bytes - 1)});
  WriteFile(ghost, std::string(bytes, 'x'));
  ExpectProblem({ghost, "Corruption"});
}

TEST_F(CheckConsistencyTest, AnEmptyDatabasePasses) {
  ASSERT_EQ(Run({"destroy", "--yes"}).exit, kExitOk);
  Open().reset();
  ExpectGood();
}

// Beside an owner that holds the lock, and without a single operation that could change something.
TEST_F(CheckConsistencyTest, ReadOnlyCommandsTakeNoLockAndWriteNothing) {
  auto db = Open();
  ASSERT_TRUE(db->Put({}, "e", "in a log that is in use").ok());
  ASSERT_TRUE(db->SyncWAL().ok());
  const auto faults = FaultFileSystem::New(Env::Default().file_system);
  base_.env.file_system = faults;
  ExpectGood();
  EXPECT_EQ(Run({"wal_dump"}).exit, kExitOk);
  EXPECT_EQ(Run({"manifest_dump"}).exit, kExitOk);
  EXPECT_EQ(Run({"segment_dump", segment(0), "--entries"}).exit, kExitOk);
  EXPECT_GT(faults->count(FaultOp::kRead), 0u);
  for (const FaultOp op : {FaultOp::kWrite, FaultOp::kCopy, FaultOp::kSync, FaultOp::kDirectorySync,
                           FaultOp::kRename, FaultOp::kRemove, FaultOp::kCreate, FaultOp::kOther}) {
    EXPECT_EQ(faults->count(op), 0u) << static_cast<int>(op);
  }
}

TEST_F(CheckConsistencyTest, NoDatabase) {
  ASSERT_EQ(mkdir(dir_.File("empty").c_str(), 0755), 0);
  for (const std::string& path : {dir_.File("missing"), dir_.File("empty")}) {
    const Outcome outcome = RunLine({"checkconsistency", "--db", path});
    EXPECT_EQ(outcome.exit, kExitFailed);
    EXPECT_THAT(outcome.err, HasSubstr(path));
    EXPECT_EQ(outcome.out, "");
  }
  EXPECT_FALSE(std::filesystem::exists(dir_.File("missing")));
  EXPECT_TRUE(std::filesystem::is_empty(dir_.File("empty")));
}

// No byte of a segment may change unnoticed.
TEST_F(CheckConsistencyTest, EveryByteOfASegment) {
  const std::string file = segment(1);
  const std::string good = ReadFile(file);
  for (size_t i = 0; i < good.size(); ++i) {
    FlipByte(file, i);
    const Outcome outcome = Run({"checkconsistency"});
    ASSERT_EQ(outcome.exit, kExitFailed) << "byte " << i;
    ASSERT_THAT(outcome.err, HasSubstr(file));
    WriteFile(file, good);
  }
  ExpectGood();
}

TEST_F(CheckConsistencyTest, ADamagedBlockIsNamedWithItsOffset) {
  FlipByte(segment(0), 3);
  const Outcome outcome = ExpectProblem({"Corruption: " + segment(0), "offset 0"});
  EXPECT_THAT(outcome.out, HasSubstr(segment(1) + ": 2 entries"));  // the rest was checked
  EXPECT_THAT(outcome.out, HasSubstr(log() + ": 2 records"));
}

TEST_F(CheckConsistencyTest, SegmentsMissingShortOrExchanged) {
  const std::string first = ReadFile(segment(0)), second = ReadFile(segment(1));
  const std::string file = segment(1);
  ASSERT_EQ(unlink(file.c_str()), 0);
  ExpectProblem({"Corruption: " + file + ": missing"});
  WriteFile(file, second.substr(0, second.size() - 1));
  ExpectProblem({"Corruption: " + file, "expected " + std::to_string(second.size()) + " bytes",
                 "found " + std::to_string(second.size() - 1)});
  WriteFile(file, second + "x");
  ExpectProblem({"Corruption: " + file, "found " + std::to_string(second.size() + 1)});
  WriteFile(file, first);  // whole, but another one
  ExpectProblem({"Corruption: " + file});
}

TEST_F(CheckConsistencyTest, BothRootsOfTheManifest) {
  const std::string file = path() + "/MANIFEST";
  FlipByte(file, 100);
  EXPECT_THAT(ExpectGood().out, HasSubstr("note: " + file + ": "));  // as after a crash
  FlipByte(file, 4096 + 100);
  const Outcome outcome = ExpectProblem({"Corruption: " + file});
  EXPECT_THAT(outcome.out, AllOf(HasSubstr(segment(0) + ": 2 entries"),  // each on its own
                                 HasSubstr(segment(1) + ": 2 entries")));
  FlipByte(segment(0), 3);
  EXPECT_THAT(Run({"checkconsistency"}).err, HasSubstr("Corruption: " + segment(0)));
}

TEST_F(CheckConsistencyTest, MissingManifest) {
  ASSERT_EQ(unlink((path() + "/MANIFEST").c_str()), 0);
  ExpectProblem({"Corruption: " + path() + "/MANIFEST: missing"});
}

TEST_F(CheckConsistencyTest, WhatTheManifestSaysOfASegment) {
  struct Change {
    const char* name;
    std::function<void(SegmentEntry*)> change;
  };
  const Change changes[] = {
      {"bytes", [](SegmentEntry* entry) { entry->file_bytes++; }},
      {"entries", [](SegmentEntry* entry) { entry->entries++; }},
      {"deletes", [](SegmentEntry* entry) { entry->deletes++; }},
      {"range tombstones", [](SegmentEntry* entry) { entry->flags ^= kHasRangeDeletes; }},
      {"raw bytes", [](SegmentEntry* entry) { entry->raw_bytes++; }},
      {"lowest sequence", [](SegmentEntry* entry) { entry->smallest_sequence--; }},
      {"highest sequence", [](SegmentEntry* entry) { entry->largest_sequence++; }},
      {"first", [](SegmentEntry* entry) { entry->smallest[0] = 'A'; }},
      {"last", [](SegmentEntry* entry) { entry->largest[0] = 'z'; }},
  };
  const std::string good = ReadFile(path() + "/MANIFEST");
  for (const Change& change : changes) {
    SCOPED_TRACE(change.name);
    CommitChanged(change.change);
    ExpectProblem({"Corruption: " + segment(0), change.name});
    WriteFile(path() + "/MANIFEST", good);
  }
  ExpectGood();
}

TEST_F(CheckConsistencyTest, ADamagedLog) {
  const size_t value = ReadFile(log()).find("logged");
  ASSERT_NE(value, std::string::npos);
  FlipByte(log(), value);
  ExpectProblem({"Corruption: " + log(), "8192"});  // it was closed, so this was durable
}

TEST_F(CheckConsistencyTest, AMissingLog) {
  ASSERT_EQ(unlink(log().c_str()), 0);
  ExpectProblem({"Corruption: " + path()});
}

TEST_F(CheckConsistencyTest, ALogOfAnotherDatabase) {
  WriteFile(path() + "/999999.log", std::string(8192, '\0'));
  ExpectProblem({"Corruption: " + path() + "/999999.log", "not of this database"});
}

// A log that verifies, with a payload that is no batch, or one from beyond what was reserved.
TEST_F(CheckConsistencyTest, ARecordThatIsNoBatch) {
  ASSERT_EQ(Run({"get", "a"}).exit, kExitOk);  // replays the log: none is needed any more
  const auto append = [this](const std::string& payload) {
    ManifestState state;
    ASSERT_TRUE(Manifest::Inspect(Env::Default().file_system.get(), path(), &state).ok());
    for (const std::string& old : Files(FileType::kLog)) ASSERT_EQ(unlink(old.c_str()), 0);
    WalOptions options;
    options.env = Env::Default();
    options.directory = path();
    options.log_bytes = 16384;
    std::unique_ptr<Wal> wal;
    ASSERT_TRUE(Wal::Create(options, &wal).ok());
    std::unique_ptr<PreparedLog> prepared;
    ASSERT_TRUE(wal->Prepare(state.next_file_number - 1, payload.size(), &prepared).ok());
    ASSERT_TRUE(wal->Use(std::move(prepared)).ok());
    const Slice parts[] = {payload};
    LogPosition end;
    ASSERT_TRUE(wal->Append(parts, &end).ok());
    ASSERT_TRUE(wal->Close().ok());
  };
  append("no batch at all");
  ExpectProblem({"Corruption: " + log() + ": record ending at "});
  WriteBatch batch;
  ASSERT_TRUE(batch.Put("k", "v").ok());
  WriteBatchInternal::SetSequence(&batch, uint64_t{1} << 50);
  append(std::string(batch.Data()));
  ExpectProblem({"Corruption: " + log(), "found 1125899906842624"});
}

TEST_F(CheckConsistencyTest, OtherFilesAreNotedOnly) {
  WriteFile(path() + "/000001.sst", "another engine's");
  WriteFile(path() + "/999998.seg", "left by a crash");
  WriteFile(path() + "/999999.recycled", "");
  WriteFile(path() + "/MANIFEST.tmp", "");
  const Outcome outcome = ExpectGood();
  EXPECT_THAT(outcome.out, HasSubstr("note: " + path() + "/000001.sst: not a file of"));
  EXPECT_THAT(outcome.out, HasSubstr("note: " + path() + "/999998.seg: unreachable"));
  EXPECT_THAT(outcome.out, HasSubstr("note: " + path() + "/999999.recycled: a log that waits"));
  EXPECT_THAT(outcome.out, HasSubstr("note: " + path() + "/MANIFEST.tmp: unreachable"));
}

TEST_F(CheckConsistencyTest, AnUnknownOrderLeavesTheChecksums) {
  ASSERT_EQ(Run({"destroy", "--yes"}).exit, kExitOk);
  make_.comparator = ReverseComparator();
  MakeDatabase();
  EXPECT_THAT(ExpectGood().out, AllOf(HasSubstr("note: the keys are ordered by \"test.Reverse\""),
                                      HasSubstr(segment(0) + ": checksums are good")));
  FlipByte(segment(0), 3);
  ExpectProblem({"Corruption: " + segment(0), "offset 0"});
  FlipByte(segment(0), 3);
  base_.comparator = ReverseComparator();
  EXPECT_THAT(ExpectGood().out, HasSubstr(segment(0) + ": 2 entries"));
}

TEST_F(CheckConsistencyTest, AReadErrorIsAProblem) {
  const auto faults = FaultFileSystem::New(Env::Default().file_system);
  base_.env.file_system = faults;
  const size_t fault =
      faults->Inject({.op = FaultOp::kRead, .forever = true, .path_part = segment(0)});
  ExpectProblem({"IOError: "});
  EXPECT_GT(faults->hits(fault), 0u);
}

}  // namespace
}  // namespace varve::ldb
