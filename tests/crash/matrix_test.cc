#include "tools/crash/matrix.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tools/crash/crash_point.h"

namespace varve::crash {
namespace {

class Counter : public MatrixListener {
 public:
  bool OnImage(const Token&) override { return ++images < images_max; }
  void OnObserved() override { ++distinct; }
  void OnViolation(const Token& token, const std::string& text) override {
    ++violations;
    if (first_text.empty()) first_token = token, first_text = text;
  }
  uint64_t images = 0, images_max = UINT64_MAX, distinct = 0, violations = 0;
  Token first_token;
  std::string first_text;
};

// Runs seeds of a matrix; fails with the first violation.
void RunSeeds(const std::string& matrix, uint64_t first, uint64_t last, uint64_t images_max,
              uint64_t distinct_min, uint64_t boundary_one_in = 1) {
  Counter counter;
  Matrix crashes({.images_max = images_max, .boundary_one_in = boundary_one_in}, &counter);
  for (uint64_t seed = first; seed <= last; ++seed) {
    crashes.Run({.matrix = matrix, .seed = seed, .variant = "-", .points = {}});
  }
  EXPECT_EQ(counter.violations, 0u) << counter.first_token.ToString() << "\n" << counter.first_text;
  EXPECT_GE(counter.distinct, distinct_min);
}

// Checklist W1, W2, W8, W14, W16, W17.
TEST(Matrix, LogSurvivesItsCrashes) { RunSeeds("wal", 1, 15, 1500, 3000); }

// Checklist N1, N3, N4, N5, N8, S6.
TEST(Matrix, ManifestSurvivesItsCrashes) { RunSeeds("manifest", 1, 15, 1500, 1500); }

// Checklist W1, W6, W7, W10, W11, W15, N8, N9, S3, S4, S7, I1, L1.
TEST(Matrix, DatabaseSurvivesItsCrashes) { RunSeeds("db", 1, 5, 800, 1000); }

// Checklist N3, N4, E2, E13, R2.1, R6.1: what a cache at its capacity gave up it has told.
TEST(Matrix, CacheSurvivesItsCrashes) { RunSeeds("evict", 1, 4, 600, 300, 40); }

// Every mixture of old and new sectors of a root that is being written, and of pending pages.
TEST(Matrix, RootOfTheManifestMayBeAnyMixture) {
  Counter counter;
  Matrix crashes({.depth = 1, .exhaustive = true}, &counter);
  crashes.Run({.matrix = "manifest", .seed = 2, .variant = "-+s40", .points = {}});
  EXPECT_EQ(counter.violations, 0u) << counter.first_token.ToString() << "\n" << counter.first_text;
  uint64_t mixtures = 0;
  for (const auto& [place, cell] : crashes.cells()) {
    if (place.second == "sec") mixtures += cell.images;
  }
  EXPECT_GT(mixtures, 20u * 256);
}

TEST(Matrix, MakesTheKindsOfCrashThatAreWanted) {
  Counter counter;
  Matrix crashes({.images_max = 500, .faults = {"kill", "root"}}, &counter);
  crashes.Run({.matrix = "manifest", .seed = 1, .variant = "-", .points = {}});
  std::set<std::string> kinds;
  for (const auto& [place, cell] : crashes.cells()) kinds.insert(place.second);
  EXPECT_EQ(kinds, (std::set<std::string>{"kill", "kill~root"}));
}

// A file of records, each synced before it is acknowledged: the smallest engine. `syncs` says what
// it forgets. Records that share a sector with a synced one are a defect of their own (RULES R5.2).
class ToySession : public Session {
 public:
  enum Syncs { kAll, kNoFileSync, kNoDirectorySync };

  explicit ToySession(Syncs syncs, size_t record_bytes = kSimSectorBytes)
      : record_bytes_(record_bytes) {
    fs_ = SimFileSystem::New({.record = true});
    ledger_ = std::make_shared<Ledger>(1);
    std::unique_ptr<WritableFile> file;
    EXPECT_TRUE(fs_->NewWritableFile("/toy", 0, &file).ok());
    if (syncs != kNoDirectorySync) {
      EXPECT_TRUE(fs_->SyncDirectory("/").ok());
    }
    for (int i = 0; i < 20; ++i) {
      const std::string key(1, static_cast<char>('a' + i));
      const auto batch = ledger_->Begin(0, {{key, key}}, true, fs_->op_count());
      EXPECT_TRUE(file->Append(std::string(record_bytes_, key[0])).ok());
      if (syncs != kNoFileSync) {
        EXPECT_TRUE(file->Sync().ok());
      }
      ledger_->Acknowledge(0, batch, true, fs_->op_count());
    }
  }

  Observation Observe(SimDisk disk, const CrashPoint&, Ledger::State* state) const override {
    Ledger::State found;
    if (const InodeNumber inode = disk.Find("/toy"); inode != 0) {
      std::string bytes(disk.Size(inode), '\0');
      disk.Read(inode, 0, bytes.size(), bytes.data());
      for (size_t at = 0; at + record_bytes_ <= bytes.size(); at += record_bytes_) {
        const std::string record = bytes.substr(at, record_bytes_);
        const char letter = static_cast<char>('a' + at / record_bytes_);
        if (record != std::string(record_bytes_, letter)) break;
        found[record.substr(0, 1)] = record.substr(0, 1);
      }
    }
    Observation observation;
    uint64_t hash = 0;
    for (const auto& [key, value] : found) hash += Ledger::HashEntry(key, value);
    observation.hashes = {hash};
    if (state != nullptr) *state = std::move(found);
    return observation;
  }
  std::unique_ptr<Session> Continue(SimDisk, uint64_t, bool, uint64_t) const override {
    return nullptr;
  }

 private:
  const size_t record_bytes_;
};

// A matrix that catches nothing planted proves nothing. Checklist T2.
TEST(Matrix, SeesWhatAnEngineForgetsToSync) {
  const Token token{.matrix = "toy", .seed = 1, .variant = "-", .points = {}};
  Counter good, no_file, no_directory, shared_sector;
  EXPECT_TRUE(Matrix({}, &good).Examine(ToySession(ToySession::kAll), token));
  EXPECT_EQ(good.violations, 0u) << good.first_token.ToString() << "\n" << good.first_text;
  EXPECT_GT(good.distinct, 30u);
  EXPECT_TRUE(Matrix({}, &no_file).Examine(ToySession(ToySession::kNoFileSync), token));
  EXPECT_GT(no_file.violations, 0u);
  EXPECT_TRUE(Matrix({}, &no_directory).Examine(ToySession(ToySession::kNoDirectorySync), token));
  EXPECT_GT(no_directory.violations, 0u);
  EXPECT_TRUE(Matrix({}, &shared_sector).Examine(ToySession(ToySession::kAll, 600), token));
  EXPECT_GT(shared_sector.violations, 0u);
  EXPECT_NE(no_directory.first_text.find("must be there"), std::string::npos);
}

// A token leads to the same image and the same history each time, threads of the engine included.
TEST(Matrix, SeedGivesOneHistory) {
  for (const char* matrix : {"wal", "manifest", "db", "evict", "compaction", "recovery"}) {
    std::set<std::string> histories;
    for (int i = 0; i < 2; ++i) {
      const auto session =
          StartSession({.matrix = matrix, .seed = 3, .variant = "-", .points = {}});
      ASSERT_NE(session, nullptr);
      std::string text;
      for (const SimOp& op : session->history().ops) text += op.ToString() + "\n";
      histories.insert(text);
    }
    EXPECT_EQ(histories.size(), 1u) << matrix;
  }
}

TEST(Matrix, ReplayLooksAtOneImage) {
  Counter counter;
  Matrix crashes({}, &counter);
  Token token;
  ASSERT_TRUE(Token::Parse("db:1:-:40.rnd7/9.kill", &token));
  EXPECT_EQ(crashes.Replay(token), "");
  ASSERT_TRUE(Token::Parse("db:1:-:99999999.kill", &token));
  EXPECT_NE(crashes.Replay(token), "");
}

TEST(Token, TextRoundTrip) {
  for (const char* text :
       {"db:1f:-:", "wal:1:-:12.kill", "db:ff:always:1873.torn2.kill/44.rnd99/3.set1f",
        "manifest:3:-:7.only12~root/0.keep", "db:1:never:5.torn3.but4",
        "manifest:1:-:9.sec107ff/2.pagesa1"}) {
    Token token;
    ASSERT_TRUE(Token::Parse(text, &token)) << text;
    EXPECT_EQ(token.ToString(), text);
  }
  Token token;
  for (const char* bad : {"", "db", "db:x:-:", "db:1:-:5", "db:1:-:5.quake", "db:1:-:5.torn.kill",
                          "db:1:-:5.kill/", "db:1:-:.kill"}) {
    EXPECT_FALSE(Token::Parse(bad, &token)) << bad;
  }
}

TEST(Token, SeedsOfFurtherSessionsDependOnTheCrash) {
  Token a, b;
  ASSERT_TRUE(Token::Parse("db:1:-:5.kill/6.kill", &a));
  ASSERT_TRUE(Token::Parse("db:1:-:5.keep/6.kill", &b));
  EXPECT_EQ(a.SeedAt(0), b.SeedAt(0));
  EXPECT_NE(a.SeedAt(1), b.SeedAt(1));
}

}  // namespace
}  // namespace varve::crash
