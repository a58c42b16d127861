// The account of what became of a key, on a whole database. That it agrees with what reads answer,
// over every layout of sources, is compared in read_path_test.cc.

#include "db/why.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/support/concatenation.h"
#include "tests/support/quiet_logger.h"
#include "tests/support/sim_env.h"
#include "tests/support/sim_file_system.h"
#include "varve/db.h"

namespace varve {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

class WhyTest : public ::testing::Test {
 protected:
  WhyTest() {
    options_.create_if_missing = true;
    options_.memtable_bytes = 64 << 10;
    options_.compaction_style = CompactionStyle::kNone;
    options_.env = MakeSimEnv(files_, 1);
    options_.logger = std::make_shared<QuietLogger>();
    options_.merge_operator = std::make_shared<Concatenation>();
    options_.statistics = Statistics::Create(/*latencies=*/false);
    const Status status = DB::Open(options_, "/db", &db_);
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  SimClock& clock() { return static_cast<SimClock&>(*options_.env.clock); }
  std::string Why(const std::string& key) {
    std::string text;
    EXPECT_TRUE(db_->GetProperty("varve.why:" + key, &text));
    return text;
  }
  void PutUntil(Slice key, Slice value, uint64_t expires_at_ms) {
    WriteBatch batch;
    ASSERT_TRUE(batch.PutUntil(key, value, expires_at_ms).ok());
    ASSERT_TRUE(db_->Write({}, batch).ok());
  }
  void Flush() { ASSERT_TRUE(db_->Flush().ok()); }

  std::shared_ptr<SimFileSystem> files_ = SimFileSystem::New({.track = false});
  Options options_;
  std::unique_ptr<DB> db_;
};

TEST_F(WhyTest, TheNewestDecidesAndTheRestLiesBeneath) {
  ASSERT_TRUE(db_->Put({}, "k", "first").ok());
  Flush();
  ASSERT_TRUE(db_->Put({}, "k", "second").ok());
  Flush();
  ASSERT_TRUE(db_->Put({}, "k", "the third").ok());
  EXPECT_THAT(Why("k"), MatchesRegex("live: at sequence 3 in the active memtable, 9 bytes\n"
                                     "  beneath: value: at sequence 2 in segment [0-9]+ \\(epoch "
                                     "[0-9]+\\), 6 bytes\n"
                                     "  beneath: value: at sequence 1 in segment [0-9]+ \\(epoch "
                                     "[0-9]+\\), 5 bytes\n"));
  Flush();
  EXPECT_THAT(Why("k"), MatchesRegex("live: at sequence 3 in segment [^\n]*, 9 bytes\n.*"));
  ASSERT_TRUE(db_->CompactRange({}, std::nullopt, std::nullopt).ok());
  EXPECT_THAT(Why("k"),
              MatchesRegex("live: at sequence 3 in segment [0-9]+ \\(level [0-9]+\\), 9 bytes\n"));
}

TEST_F(WhyTest, NothingKnowsTheKey) {
  ASSERT_TRUE(db_->Put({}, "a", "1").ok());
  ASSERT_TRUE(db_->Put({}, "c", "1").ok());
  Flush();
  for (const char* key : {"", "b", "z", "aa"}) {
    EXPECT_THAT(Why(key), StartsWith("never seen: ")) << key;
  }
}

TEST_F(WhyTest, DeletedByADeleteOrARange) {
  ASSERT_TRUE(db_->Put({}, "k", "value").ok());
  ASSERT_TRUE(db_->Delete({}, "k").ok());
  EXPECT_EQ(Why("k"), "deleted: at sequence 2 in the active memtable\n");
  Flush();
  ASSERT_TRUE(db_->Put({}, "k", "again").ok());
  ASSERT_TRUE(db_->DeleteRange({}, "a", "z").ok());
  EXPECT_THAT(Why("k"),
              StartsWith("deleted: by a range tombstone at sequence 4 in the active memtable\n"
                         "  beneath: value: at sequence 3 in the active memtable, 5 bytes\n"
                         "  beneath: deleted: at sequence 2 in segment "));
  // The tombstone of a segment, over a key that no entry has.
  Flush();
  EXPECT_THAT(Why("y"), StartsWith("deleted: by a range tombstone at sequence 4 in segment "));
}

TEST_F(WhyTest, ExpiredAtAnInstant) {
  clock().SetWall(1'700'000'000'000);
  ASSERT_TRUE(db_->Put({}, "k", "old").ok());
  Flush();
  const auto snapshot = db_->GetSnapshot();  // keeps what is older
  PutUntil("k", "new", 1'700'000'090'000);
  EXPECT_THAT(Why("k"), StartsWith("live: at sequence 2 in the active memtable, 3 bytes, expires "
                                   "at 2023-11-14 22:14:50.000 UTC, in 1 min "));
  clock().Advance(100'000);
  EXPECT_THAT(Why("k"), StartsWith("expired: at 2023-11-14 22:14:50.000 UTC, sequence 2 in the "
                                   "active memtable\n  beneath: value: at sequence 1 in "));
  Flush();
  ASSERT_TRUE(db_->CompactRange({}, std::nullopt, std::nullopt).ok());
  EXPECT_THAT(Why("k"), StartsWith("expired: a merge found it so, and left a tombstone at sequence "
                                   "2 in segment "));
  PutUntil("ever", "v", UINT64_MAX);
  EXPECT_THAT(Why("ever"), HasSubstr("never expires"));
}

TEST_F(WhyTest, OperandsAreToldWithWhatTheyAreFor) {
  ASSERT_TRUE(db_->Put({}, "k", "base").ok());
  Flush();
  ASSERT_TRUE(db_->Merge({}, "k", "more").ok());
  EXPECT_THAT(Why("k"), StartsWith("operand: at sequence 2 in the active memtable, 4 bytes, for "
                                   "what is beneath\nlive: at sequence 1 in segment "));
}

// Keys are bytes: what stands behind the colon is never taken for anything else.
TEST_F(WhyTest, AnyBytesAreAKey) {
  const std::string key("a:b\0\xff\n", 6);
  ASSERT_TRUE(db_->Put({}, key, "value").ok());
  EXPECT_EQ(Why(key), "live: at sequence 1 in the active memtable, 5 bytes\n");
  ASSERT_TRUE(db_->Put({}, "", "empty").ok());
  EXPECT_EQ(Why(""), "live: at sequence 2 in the active memtable, 5 bytes\n");
}

// Checklist I5: an account counts nothing, and what cannot be read is told in its place.
TEST_F(WhyTest, WhatCannotBeReadIsToldAndNothingIsCounted) {
  ASSERT_TRUE(db_->Put({}, "k", "first").ok());
  Flush();
  ASSERT_TRUE(db_->Put({}, "k", "second").ok());
  Flush();
  files_->InjectFault({.calls = kSimRead | kSimOpen, .nth = 1, .forever = true});
  EXPECT_THAT(Why("k"), MatchesRegex("error: in segment [^\n]*IOError[^\n]*\n"
                                     "  beneath: error: in segment [^\n]*IOError[^\n]*\n"));
  files_->ClearFault();
  EXPECT_THAT(Why("k"), StartsWith("live: at sequence 2"));
  EXPECT_EQ(options_.statistics->Get(Counter::kGets), 0u);
  EXPECT_EQ(options_.statistics->Get(Counter::kGetMisses), 0u);
}

}  // namespace
}  // namespace varve
