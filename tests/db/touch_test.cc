// Touch and ExpireAt: the value stays, whenever it is to go.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/db/sim_database.h"
#include "tests/support/concatenation.h"
#include "tests/support/sim_file_system.h"
#include "varve/db.h"

namespace varve {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kStart = 1'700'000'000'000;
constexpr uint64_t kMinute = 60'000;

class ManualClock final : public Clock {
 public:
  uint64_t MonotonicNanos() override { return nanos_.fetch_add(1000); }
  uint64_t BootMillis() override { return 5000 + passed_ms; }
  uint64_t WallMillis() override { return kStart + passed_ms; }

  std::atomic<uint64_t> passed_ms{0};

 private:
  std::atomic<uint64_t> nanos_{1};
};

class TouchTest : public ::testing::Test {
 protected:
  TouchTest() {
    options_ = SimDatabaseOptions(files_);
    options_.env.clock = clock_;
    options_.merge_operator = std::make_shared<Concatenation>();
    Open();
  }
  void Open() {
    const Status status = DB::Open(options_, "/db", &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void Kill() {
    const SimDisk disk = files_->disk().Kill();
    db_.reset();
    files_ = SimFileSystem::New({}, disk);
    options_.env.file_system = files_;
    Open();
  }
  static WriteOptions For(uint64_t minutes) {
    WriteOptions options;
    options.ttl = milliseconds(minutes * kMinute);
    return options;
  }
  static WriteOptions ForEver() {
    WriteOptions options;
    options.ttl = kNoTtl;
    return options;
  }
  // "1", "1@30" if it expires in minute 30; or what is wrong.
  std::string Get(Slice key, const Snapshot* snapshot = nullptr) {
    ReadOptions options;
    options.snapshot = snapshot;
    PinnedValue value;
    const Status status = db_->Get(options, key, &value);
    EXPECT_EQ(Again(options, key), status.ok() ? Text(value) : "");
    EXPECT_EQ(ByIterator(options, key), status.ok() ? Text(value) : "");
    return status.ok() ? Text(value) : StatusCodeName(status.code());
  }
  uint64_t LastSequence() {
    uint64_t last = 0;
    EXPECT_TRUE(db_->GetIntProperty("varve.last-sequence", &last));
    return last;
  }

  std::shared_ptr<SimFileSystem> files_ = SimFileSystem::New();
  const std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
  Options options_;
  std::unique_ptr<DB> db_;

 private:
  static std::string Text(Slice value, std::optional<uint64_t> expires_at_ms) {
    std::string text(value);
    if (expires_at_ms.has_value()) {
      text += "@" + std::to_string((*expires_at_ms - kStart) / kMinute);
    }
    return text;
  }
  static std::string Text(const PinnedValue& value) { return Text(value, value.expires_at_ms()); }
  // The same by MultiGet; "" if it is not there.
  std::string Again(const ReadOptions& options, Slice key) {
    PinnedValue value;
    value.SetExpiresAt(7);  // of what was there before
    Status status;
    db_->MultiGet(options, {&key, 1}, {&value, 1}, {&status, 1});
    return status.ok() ? Text(value) : "";
  }
  // The same by an iterator that has come from either side.
  std::string ByIterator(const ReadOptions& options, Slice key) {
    std::string texts[2];
    for (const bool forward : {false, true}) {
      const auto it = db_->NewIterator(options);
      forward ? it->Seek(key) : it->SeekForPrev(key);
      if (it->Valid() && it->key() == key) texts[forward] = Text(it->value(), it->expires_at_ms());
    }
    EXPECT_EQ(texts[0], texts[1]) << key;
    return texts[0];
  }
};

TEST_F(TouchTest, GivesANewTimeToLive) {
  ASSERT_TRUE(db_->Put(For(10), "a", "1").ok());
  EXPECT_EQ(Get("a"), "1@10");
  clock_->passed_ms = 9 * kMinute;
  ASSERT_TRUE(db_->Touch(For(10), "a").ok());
  EXPECT_EQ(Get("a"), "1@19");
  clock_->passed_ms = 18 * kMinute;
  EXPECT_EQ(Get("a"), "1@19");
  // For ever, and back.
  ASSERT_TRUE(db_->Touch(ForEver(), "a").ok());
  EXPECT_EQ(Get("a"), "1");
  ASSERT_TRUE(db_->Touch(For(1), "a").ok());
  EXPECT_EQ(Get("a"), "1@19");
  clock_->passed_ms = 19 * kMinute;
  EXPECT_EQ(Get("a"), "NotFound");
  // Without one it is the default, which there is none of.
  ASSERT_TRUE(db_->Put(For(10), "b", "2").ok());
  ASSERT_TRUE(db_->Touch({}, "b").ok());
  EXPECT_EQ(Get("b"), "2");
  ASSERT_TRUE(db_->SetOptions({{"default_ttl_ms", std::to_string(3 * kMinute)}}).ok());
  ASSERT_TRUE(db_->Touch({}, "b").ok());
  EXPECT_EQ(Get("b"), "2@22");
}

TEST_F(TouchTest, ExpireAtSetsTheInstant) {
  ASSERT_TRUE(db_->Put({}, "a", "1").ok());
  ASSERT_TRUE(db_->ExpireAt(For(99), "a", kStart + 5 * kMinute).ok());  // the ttl is not looked at
  EXPECT_EQ(Get("a"), "1@5");
  ASSERT_TRUE(db_->ExpireAt({}, "a", UINT64_MAX).ok());
  EXPECT_EQ(Get("a"), "1");
  ASSERT_TRUE(db_->ExpireAt({}, "a", UINT64_MAX - 1).ok());
  EXPECT_NE(Get("a"), "1");
  EXPECT_EQ(Get("a").substr(0, 2), "1@");
  // One that has passed: it is gone, and so is what it replaced.
  clock_->passed_ms = kMinute;
  ASSERT_TRUE(db_->ExpireAt({}, "a", kStart + kMinute).ok());
  EXPECT_EQ(Get("a"), "NotFound");
  EXPECT_TRUE(db_->ExpireAt({}, "a", UINT64_MAX).IsNotFound());
}

// Checklist C9, E10: what is not there, for whatever reason, is not touched into being.
TEST_F(TouchTest, WhatIsNotThereStaysSo) {
  ASSERT_TRUE(db_->Put({}, "deleted", "1").ok());
  ASSERT_TRUE(db_->Put({}, "covered", "1").ok());
  ASSERT_TRUE(db_->Put({}, "expired", "old").ok());
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(db_->Put(For(1), "expired", "new").ok());
  ASSERT_TRUE(db_->Delete({}, "deleted").ok());
  ASSERT_TRUE(db_->DeleteRange({}, "c", "d").ok());
  clock_->passed_ms = kMinute;
  for (int stage = 0; stage < 3; ++stage) {
    const uint64_t before = LastSequence();
    for (const char* key : {"never", "deleted", "covered", "expired", ""}) {
      EXPECT_TRUE(db_->Touch(For(10), key).IsNotFound()) << key;
      EXPECT_TRUE(db_->ExpireAt({}, key, UINT64_MAX).IsNotFound()) << key;
      EXPECT_EQ(Get(key), "NotFound") << key;
    }
    EXPECT_EQ(LastSequence(), before);  // nothing was written
    if (stage == 0) {
      ASSERT_TRUE(db_->Flush().ok());
    }
    if (stage == 1) {
      ASSERT_TRUE(db_->CompactRange({}, std::nullopt, std::nullopt).ok());
    }
  }
}

TEST_F(TouchTest, IsInTheLogAndInSegmentsLikeAPut) {
  const std::string large(3000, 'v');
  ASSERT_TRUE(db_->Put(For(10), "a", large).ok());
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(db_->Touch(For(20), "a").ok());  // its value is pinned in a block
  ASSERT_TRUE(db_->ExpireAt({}, "a", kStart + 30 * kMinute).ok());
  Kill();
  EXPECT_EQ(Get("a"), large + "@30");
  ASSERT_TRUE(db_->Touch(ForEver(), "a").ok());
  ASSERT_TRUE(db_->Flush().ok());
  Kill();
  EXPECT_EQ(Get("a"), large);
  ASSERT_TRUE(db_->CompactRange({}, std::nullopt, std::nullopt).ok());
  clock_->passed_ms = 31 * kMinute;
  EXPECT_EQ(Get("a"), large);
}

// A whole new version: a snapshot sees the old one, with its own expiry.
TEST_F(TouchTest, SnapshotsSeeTheVersionBefore) {
  ASSERT_TRUE(db_->Put(For(10), "a", "1").ok());
  const auto snapshot = db_->GetSnapshot();
  ASSERT_TRUE(db_->Touch(For(20), "a").ok());
  EXPECT_EQ(Get("a"), "1@20");
  EXPECT_EQ(Get("a", snapshot.get()), "1@10");
  clock_->passed_ms = 10 * kMinute;
  EXPECT_EQ(Get("a"), "1@20");
  EXPECT_EQ(Get("a", snapshot.get()), "NotFound");
}

TEST_F(TouchTest, SumsEndAtNever) {
  ASSERT_TRUE(db_->Put({}, "a", "1").ok());
  WriteOptions longest;
  longest.ttl = kNoTtl - milliseconds(1);
  ASSERT_TRUE(db_->Touch(longest, "a").ok());
  PinnedValue value;
  ASSERT_TRUE(db_->Get({}, "a", &value).ok());
  ASSERT_TRUE(value.expires_at_ms().has_value());
  EXPECT_EQ(*value.expires_at_ms(), kStart + static_cast<uint64_t>(longest.ttl->count()));
}

TEST_F(TouchTest, WhatCannotBeIsRefusedAndNothingIsWritten) {
  ASSERT_TRUE(db_->Put({}, "a", "1").ok());
  const uint64_t before = LastSequence();
  for (const int64_t ttl : {int64_t{0}, int64_t{-1}}) {
    WriteOptions options;
    options.ttl = milliseconds(ttl);
    EXPECT_TRUE(db_->Touch(options, "a").IsInvalidArgument());
  }
  WriteOptions both;
  both.sync = both.disable_wal = true;
  EXPECT_TRUE(db_->Touch(both, "a").IsInvalidArgument());
  EXPECT_TRUE(db_->ExpireAt(both, "a", kStart).IsInvalidArgument());
  EXPECT_EQ(LastSequence(), before);
  EXPECT_EQ(Get("a"), "1");
  ASSERT_TRUE(db_->Close().ok());
  EXPECT_TRUE(db_->Touch({}, "a").IsAborted());
}

// What operands make is a value like any other; what no read can answer is not written.
TEST_F(TouchTest, MergeOperands) {
  ASSERT_TRUE(db_->Put({}, "a", "1").ok());
  ASSERT_TRUE(db_->Merge({}, "a", "2").ok());
  const std::string folded = Get("a");
  ASSERT_TRUE(db_->Touch(For(5), "a").ok());
  EXPECT_EQ(Get("a"), folded + "@5");
  ASSERT_TRUE(db_->Merge({}, "a", "3").ok());  // over a value that expires
  const uint64_t before = LastSequence();
  EXPECT_TRUE(db_->Touch(For(5), "a").IsNotSupported());
  EXPECT_TRUE(db_->ExpireAt({}, "a", UINT64_MAX).IsNotSupported());
  EXPECT_EQ(LastSequence(), before);
  ASSERT_TRUE(db_->Put({}, "a", "4").ok());
  ASSERT_TRUE(db_->Merge({}, "a", "5").ok());
  ASSERT_TRUE(db_->Close().ok());
  options_.merge_operator = nullptr;
  Open();
  EXPECT_TRUE(db_->Touch(For(5), "a").IsNotSupported());
}

// A value that cannot be read is not replaced: not by an older one either.
TEST_F(TouchTest, AnErrorOfTheReadIsReturned) {
  options_.block_cache_bytes = 0;
  ASSERT_TRUE(db_->Close().ok());
  Open();
  ASSERT_TRUE(db_->Put({}, "a", "old").ok());
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(db_->Put({}, "a", "new").ok());
  ASSERT_TRUE(db_->Flush().ok());
  const uint64_t before = LastSequence();
  files_->InjectFault({.calls = kSimRead | kSimOpen, .path_part = ".seg", .forever = true});
  EXPECT_TRUE(db_->Touch(For(5), "a").IsIOError());
  EXPECT_GT(files_->calls_failed(), 0u);
  files_->ClearFault();
  EXPECT_EQ(LastSequence(), before);
  EXPECT_EQ(Get("a"), "new");
  ASSERT_TRUE(db_->Touch(For(5), "a").ok());
}

TEST_F(TouchTest, UnloggedTouchesAreFlushedBeforeWhatIsLogged) {
  ASSERT_TRUE(db_->Put({}, "a", "1").ok());
  WriteOptions unlogged = For(9);
  unlogged.disable_wal = true;
  ASSERT_TRUE(db_->Touch(unlogged, "a").ok());
  ASSERT_TRUE(db_->Put({}, "b", "2").ok());
  Kill();
  EXPECT_EQ(Get("a"), "1@9");
  EXPECT_EQ(Get("b"), "2");
}

}  // namespace
}  // namespace varve
