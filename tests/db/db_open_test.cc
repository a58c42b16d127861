// Opening: what is refused, what it says, and that nothing is lost by it.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "db/manifest.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/temp_dir.h"
#include "util/filename.h"
#include "varve/db.h"

namespace varve {
namespace {

class OpenTest : public ::testing::Test {
 protected:
  OpenTest() { options_.create_if_missing = true; }

  Status Open() { return DB::Open(options_, path(), &db_); }
  void Make() {
    ASSERT_TRUE(Open().ok());
    ASSERT_TRUE(db_->Put({}, "a", "1").ok());
    ASSERT_TRUE(db_->Flush().ok());
    ASSERT_TRUE(db_->Put({}, "b", "2").ok());
    db_.reset();
  }
  void ExpectWhole() {
    const Status status = Open();
    ASSERT_TRUE(status.ok()) << status.ToString();
    std::string value;
    EXPECT_TRUE(db_->Get({}, "a", &value).ok());
    EXPECT_TRUE(db_->Get({}, "b", &value).ok());
    db_.reset();
  }
  std::string path() const { return dir_.File("db"); }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    EXPECT_TRUE(Env::Default().file_system->ListDirectory(path(), &names).ok());
    return names;
  }
  std::string FirstOf(FileType wanted) {
    for (const std::string& name : Names()) {
      FileNumber number;
      FileType type;
      if (ParseFileName(name, &number, &type) && type == wanted) return path() + "/" + name;
    }
    ADD_FAILURE() << "no such file";
    return "";
  }
  static std::string Read(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void WriteFile(const std::string& file, const std::string& bytes) {
    std::ofstream(file, std::ios::binary) << bytes;
  }
  void ExpectRefused(Status::Code code, const std::string& part) {
    const Status status = Open();
    EXPECT_EQ(status.code(), code) << status.ToString();
    EXPECT_NE(status.message().find(part), std::string::npos) << status.ToString();
    EXPECT_EQ(db_, nullptr);
  }

  TempDir dir_;
  Options options_;
  std::unique_ptr<DB> db_;
};

TEST_F(OpenTest, MissingDirectory) {
  options_.create_if_missing = false;
  ExpectRefused(Status::Code::kInvalidArgument, path() + ": no such directory");
  struct stat st;
  EXPECT_NE(stat(path().c_str(), &st), 0);  // nothing was left
}

TEST_F(OpenTest, MissingParent) {
  const Status status = DB::Open(options_, path() + "/a/b", &db_);
  EXPECT_TRUE(status.IsNotFound()) << status.ToString();
}

TEST_F(OpenTest, NotADatabase) {
  options_.create_if_missing = false;
  ASSERT_EQ(mkdir(path().c_str(), 0755), 0);
  WriteFile(path() + "/notes.txt", "mine");
  ExpectRefused(Status::Code::kInvalidArgument, "no database there");
  EXPECT_EQ(Names(), (std::vector<std::string>{"notes.txt"}));
}

TEST_F(OpenTest, AFileInPlaceOfTheDirectory) {
  WriteFile(path(), "x");
  ExpectRefused(Status::Code::kInvalidArgument, "not a directory");
}

TEST_F(OpenTest, ErrorIfExists) {
  Make();
  options_.error_if_exists = true;
  ExpectRefused(Status::Code::kInvalidArgument, "error_if_exists");
  options_.error_if_exists = false;
  ExpectWhole();
}

TEST_F(OpenTest, InvalidOptionIsNamed) {
  options_.memtables_max = 0;
  ExpectRefused(Status::Code::kInvalidArgument, "memtables_max = 0");
}

// Checklist L7.
TEST_F(OpenTest, SecondOpenerInThisProcess) {
  Make();
  ASSERT_TRUE(Open().ok());
  std::unique_ptr<DB> second;
  Status status = DB::Open(options_, path(), &second);
  EXPECT_TRUE(status.IsBusy()) << status.ToString();
  EXPECT_NE(status.message().find("LOCK"), std::string::npos) << status.ToString();
  status = DB::Open(options_, path(), &second);  // the refusal did not free the lock
  EXPECT_TRUE(status.IsBusy()) << status.ToString();
  EXPECT_TRUE(DB::Destroy(options_, path()).IsBusy());
  db_.reset();
  ExpectWhole();
}

TEST_F(OpenTest, SecondOpenerInAnotherProcess) {
  Make();
  ASSERT_TRUE(Open().ok());
  const pid_t child = fork();
  if (child == 0) {
    std::unique_ptr<DB> second;
    _exit(DB::Open(options_, path(), &second).IsBusy() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  db_.reset();
  ExpectWhole();
}

TEST_F(OpenTest, ForeignFilesStay) {
  Make();
  WriteFile(path() + "/000001.sst", "not ours");
  WriteFile(path() + "/12.seg", "too few digits");
  ExpectWhole();
  EXPECT_EQ(Read(path() + "/000001.sst"), "not ours");
  EXPECT_EQ(Read(path() + "/12.seg"), "too few digits");
  ASSERT_TRUE(DB::Destroy(options_, path()).ok());
  EXPECT_EQ(Names(), (std::vector<std::string>{"000001.sst", "12.seg", "LOCK"}));
}

TEST_F(OpenTest, DestroyRemovesAll) {
  Make();
  WriteFile(path() + "/000002.ghost", "of a segment that was evicted");
  ASSERT_TRUE(DB::Destroy(options_, path()).ok());
  struct stat st;
  EXPECT_NE(stat(path().c_str(), &st), 0);
  EXPECT_TRUE(DB::Destroy(options_, path()).IsNotFound());
}

// Checklist N7.
TEST_F(OpenTest, MissingManifestBesideData) {
  Make();
  ASSERT_EQ(rename((path() + "/MANIFEST").c_str(), dir_.File("kept").c_str()), 0);
  ExpectRefused(Status::Code::kCorruption, "MANIFEST: missing");
  options_.create_if_missing = false;
  ExpectRefused(Status::Code::kCorruption, "MANIFEST: missing");
  ASSERT_EQ(rename(dir_.File("kept").c_str(), (path() + "/MANIFEST").c_str()), 0);
  ExpectWhole();
}

TEST_F(OpenTest, MissingManifestBesideAGhost) {
  ASSERT_EQ(mkdir(path().c_str(), 0755), 0);
  WriteFile(path() + "/000002.ghost", "of a segment that was evicted");
  ExpectRefused(Status::Code::kCorruption, "MANIFEST: missing, but 000002.ghost is there");
}

TEST_F(OpenTest, DamagedManifest) {
  Make();
  const std::string good = Read(path() + "/MANIFEST");
  WriteFile(path() + "/MANIFEST", "");
  ExpectRefused(Status::Code::kCorruption, "MANIFEST");
  WriteFile(path() + "/MANIFEST", std::string(good.size(), 'x'));
  ExpectRefused(Status::Code::kCorruption, "MANIFEST");
  WriteFile(path() + "/MANIFEST", good);
  ExpectWhole();
}

TEST_F(OpenTest, MissingSegmentIsCorruptionWhenRead) {
  Make();
  const std::string segment = FirstOf(FileType::kSegment);
  ASSERT_EQ(rename(segment.c_str(), dir_.File("kept").c_str()), 0);
  ASSERT_TRUE(Open().ok());
  std::string value;
  const Status status = db_->Get({}, "a", &value);
  EXPECT_TRUE(status.IsCorruption()) << status.ToString();
  EXPECT_NE(status.message().find(".seg"), std::string::npos) << status.ToString();
  auto it = db_->NewIterator({});
  it->SeekToFirst();
  EXPECT_FALSE(it->Valid());
  EXPECT_TRUE(it->status().IsCorruption());
  it.reset();
  db_.reset();
  ASSERT_EQ(rename(dir_.File("kept").c_str(), segment.c_str()), 0);
  ExpectWhole();
}

// What was synced and is damaged afterwards is never silently dropped (RULES R5.3).
TEST_F(OpenTest, DamagedSyncedLogIsCorruption) {
  ASSERT_TRUE(Open().ok());
  WriteOptions synced;
  synced.sync = true;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(db_->Put(synced, "key" + std::to_string(i), "value").ok());
  }
  db_.reset();
  const std::string log = FirstOf(FileType::kLog);
  std::string bytes = Read(log);
  const size_t at = bytes.find("key1");
  ASSERT_NE(at, std::string::npos);
  bytes[at] ^= 1;
  WriteFile(log, bytes);
  ExpectRefused(Status::Code::kCorruption, log);
  options_.wal_recovery = WalRecoveryMode::kPointInTime;
  ASSERT_TRUE(Open().ok());
  std::string value;
  EXPECT_TRUE(db_->Get({}, "key0", &value).ok());
  EXPECT_TRUE(db_->Get({}, "key1", &value).IsNotFound());
  EXPECT_TRUE(db_->Get({}, "key2", &value).IsNotFound());
}

TEST_F(OpenTest, LogOfAnotherDatabaseIsRefused) {
  Make();
  const std::string log = path() + "/999999.log";
  WriteFile(log, std::string(8192, '\0'));
  ExpectRefused(Status::Code::kCorruption, "999999.log");
  ExpectRefused(Status::Code::kCorruption, "999999.log");  // nor the next time
  ASSERT_EQ(unlink(log.c_str()), 0);
  ExpectWhole();
}

TEST_F(OpenTest, NoPermission) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read everything";
  Make();
  ASSERT_EQ(chmod((path() + "/MANIFEST").c_str(), 0), 0);
  ExpectRefused(Status::Code::kIOError, "MANIFEST");
  ASSERT_EQ(chmod((path() + "/MANIFEST").c_str(), 0644), 0);
  ExpectWhole();
}

// Checklist I7, S11: what nothing reaches goes after the open, what is reached stays.
TEST_F(OpenTest, UnreachableFilesGo) {
  Make();
  WriteFile(path() + "/000002.seg", "left by a crash");
  WriteFile(path() + "/000002.ghost", "likewise");
  ExpectWhole();
  bool there = true;
  for (int i = 0; i < 1000 && there; ++i) {
    struct stat st;
    there = stat((path() + "/000002.seg").c_str(), &st) == 0 ||
            stat((path() + "/000002.ghost").c_str(), &st) == 0;
    if (there) ExpectWhole();
  }
  EXPECT_FALSE(there);
}

// A sync that lied may have lost the roots that reserve the numbers of files that are there.
TEST_F(OpenTest, NumbersOfFilesThatAreThereAreNotGivenOut) {
  Make();
  ManifestState state;
  ASSERT_TRUE(Manifest::Inspect(Env::Default().file_system.get(), path(), &state).ok());
  for (FileNumber number = state.next_file_number; number < state.next_file_number + 9; ++number) {
    WriteFile(SegmentFileName(path(), number), "of a root that is lost");
  }
  // Nobody makes so many files.
  WriteFile(SegmentFileName(path(), FileNumber{1} << 61), "stray");
  ExpectWhole();  // what it makes of the log is a new segment
  ExpectWhole();
  ASSERT_TRUE(Manifest::Inspect(Env::Default().file_system.get(), path(), &state).ok());
  EXPECT_LT(state.next_file_number, FileNumber{1} << 60);
}

// RULES R4.3, Checklist W14: a process made the directory and was killed before it synced the
// parent. Whoever makes a database there does not trust the name.
TEST(OpenOnSimulatedDisk, DirectoryLeftByAKilledProcessIsMadeDurable) {
  auto fs = SimFileSystem::New();
  ASSERT_TRUE(fs->CreateDirectory("/db").ok());
  Options options;
  options.create_if_missing = true;
  options.env.file_system = fs;
  std::unique_ptr<DB> db;
  ASSERT_TRUE(DB::Open(options, "/db", &db).ok());
  ASSERT_TRUE(db->Put({.sync = true}, "key", "value").ok());
  const SimDisk after = fs->disk().PowerLoss(SimLoss::DropAll());
  db.reset();
  options.create_if_missing = false;
  options.env.file_system = SimFileSystem::New({}, after);
  const Status status = DB::Open(options, "/db", &db);
  ASSERT_TRUE(status.ok()) << status.ToString();
  std::string value;
  ASSERT_TRUE(db->Get({}, "key", &value).ok());
  EXPECT_EQ(value, "value");
}

// The names that Destroy removes may come back one by one, if the machine stops: never so that a
// database with holes is there.
TEST(OpenOnSimulatedDisk, ACrashDuringDestroyLeavesNoDatabaseWithHoles) {
  auto fs = SimFileSystem::New({.record = true});
  Options options;
  options.create_if_missing = true;
  options.env.file_system = fs;
  std::unique_ptr<DB> db;
  ASSERT_TRUE(DB::Open(options, "/db", &db).ok());
  for (const char* key : {"a", "b"}) {
    ASSERT_TRUE(db->Put({}, key, "value").ok());
    ASSERT_TRUE(db->Flush().ok());
  }
  ASSERT_TRUE(db->Close().ok());
  db.reset();
  const uint64_t begun_at = fs->op_count();
  ASSERT_TRUE(DB::Destroy(options, "/db").ok());
  options.create_if_missing = false;
  int whole = 0, gone = 0;
  SimReplay replay(&fs->history());
  for (replay.AdvanceTo(begun_at);; replay.Step()) {
    const size_t pending = replay.disk().PendingCount();
    for (size_t item = 0; item < 2 * pending; ++item) {
      const SimLoss loss = item % 2 == 0 ? SimLoss::Only(item / 2) : SimLoss::AllBut(item / 2);
      SCOPED_TRACE("op " + std::to_string(replay.position()) + ", " + loss.ToString());
      const auto image = SimFileSystem::New({.track = false}, replay.disk().PowerLoss(loss));
      FileInfo info;
      if (image->GetFileInfo(ManifestFileName("/db"), &info).IsNotFound()) {
        ++gone;
        continue;
      }
      options.env.file_system = image;
      const Status status = DB::Open(options, "/db", &db);
      ASSERT_TRUE(status.ok()) << status.ToString();
      std::string value;
      EXPECT_TRUE(db->Get({}, "a", &value).ok());
      EXPECT_TRUE(db->Get({}, "b", &value).ok());
      db.reset();
      ++whole;
    }
    if (replay.AtEnd()) break;
  }
  EXPECT_GT(whole, 0);
  EXPECT_GT(gone, 0);
}

// A database that opened a cache's directory would serve what its ghosts hide.
TEST_F(OpenTest, ACacheIsRefusedAndLeftAsItIs) {
  const Env env = Env::Default();
  ManifestOptions cache;
  cache.file_system = env.file_system;
  cache.machine = env.machine;
  cache.comparator = BytewiseComparator()->Name();
  cache.mode_bits = kCacheMode;
  ASSERT_TRUE(env.file_system->CreateDirectory(path()).ok());
  std::unique_ptr<Manifest> manifest;
  ASSERT_TRUE(Manifest::Create(cache, path(), &manifest).ok());
  manifest.reset();
  const std::string before = Read(ManifestFileName(path()));
  const Status status = Open();
  EXPECT_TRUE(status.IsInvalidArgument()) << status.ToString();
  EXPECT_NE(status.message().find("this is a cache"), std::string::npos) << status.ToString();
  EXPECT_EQ(Read(ManifestFileName(path())), before);
}

}  // namespace
}  // namespace varve
