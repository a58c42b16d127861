// Iterators within one prefix leave segments alone that have no key of it, and find what any other
// iterator finds.

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "table/segment_reader.h"
#include "tests/support/comparators.h"
#include "tests/support/sim_env.h"
#include "tests/support/sim_file_system.h"
#include "varve/db.h"
#include "varve/segment_writer.h"

namespace varve {
namespace {

using Extractor = std::shared_ptr<const PrefixExtractor>;

std::string User(int number) {
  char key[32];
  snprintf(key, sizeof(key), "user:%03d:", number);
  return key;
}
// Behind every key of the user.
std::string AfterUser(int number) {
  std::string key = User(number);
  ++key.back();
  return key;
}

class PrefixScan : public ::testing::Test {
 protected:
  PrefixScan() {
    options_.env = MakeSimEnv(nullptr, 7);
    options_.env.file_system = SimFileSystem::New({.track = false});
    options_.create_if_missing = true;
    options_.memtable_bytes = 1 << 20;
    options_.compaction_style = CompactionStyle::kNone;
    options_.statistics = Statistics::Create(false);
    options_.prefix_extractor = NewDelimiterPrefixExtractor(':', 2);
  }
  void Open() {
    db_.reset();
    const Status status = DB::Open(options_, "/db", &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void Put(const std::string& key, const std::string& value = "v") {
    ASSERT_TRUE(db_->Put({}, key, value).ok());
  }
  // A run that holds keys of the user, and whose bounds cover all users.
  void FlushRunOf(int user) {
    Put(User(0) + "first");
    Put(User(user) + "a");
    Put(User(user) + "b");
    Put(User(999) + "last");
    ASSERT_TRUE(db_->Flush().ok());
  }
  // The keys within the bounds, forwards, after finding the same backwards.
  std::string Scan(const std::string& lower, const std::string& upper) {
    ReadOptions options;
    options.lower_bound = lower;
    options.upper_bound = upper;
    const auto it = db_->NewIterator(options);
    std::vector<std::string> keys, backwards;
    for (it->SeekToFirst(); it->Valid(); it->Next()) keys.emplace_back(it->key());
    EXPECT_TRUE(it->status().ok()) << it->status().ToString();
    for (it->SeekToLast(); it->Valid(); it->Prev()) backwards.emplace(backwards.begin(), it->key());
    EXPECT_TRUE(it->status().ok()) << it->status().ToString();
    EXPECT_EQ(keys, backwards);
    std::string text;
    for (const std::string& key : keys) text += (text.empty() ? "" : " ") + key;
    return text;
  }
  std::string ScanUser(int user) { return Scan(User(user), AfterUser(user)); }
  // "skipped of asked", since the last call.
  std::string Skips() {
    const uint64_t checks = options_.statistics->Get(Counter::kPrefixChecks);
    const uint64_t skips = options_.statistics->Get(Counter::kPrefixSkips);
    const std::string text = std::to_string(skips - std::exchange(skips_, skips)) + " of " +
                             std::to_string(checks - std::exchange(checks_, checks));
    return text;
  }
  uint64_t BlocksAsked() const {
    return options_.statistics->Get(Counter::kBlockCacheHits) +
           options_.statistics->Get(Counter::kBlockCacheMisses);
  }
  uint64_t Property(const char* name) {
    uint64_t value = 0;
    EXPECT_TRUE(db_->GetIntProperty(name, &value));
    return value;
  }

  Options options_;
  std::unique_ptr<DB> db_;
  uint64_t checks_ = 0, skips_ = 0;
};

TEST_F(PrefixScan, LeavesRunsWithoutThePrefixAlone) {
  Open();
  for (int user = 1; user <= 10; ++user) FlushRunOf(user);
  ASSERT_EQ(Property("varve.num-sorted-runs"), 10u);
  EXPECT_EQ(ScanUser(5), "user:005:a user:005:b");
  EXPECT_EQ(Skips(), "9 of 10");
  const uint64_t blocks = BlocksAsked();
  EXPECT_EQ(ScanUser(500), "");
  EXPECT_EQ(Skips(), "10 of 10");
  EXPECT_EQ(BlocksAsked(), blocks);
  EXPECT_EQ(ScanUser(0), "user:000:first");
  EXPECT_EQ(Skips(), "0 of 10");
  // Both bounds within the prefix.
  EXPECT_EQ(Scan(User(7) + "b", User(7) + "z"), "user:007:b");
  EXPECT_EQ(Skips(), "9 of 10");
}

TEST_F(PrefixScan, BoundsThatPassThePrefixSkipNothing) {
  Open();
  for (int user = 1; user <= 4; ++user) FlushRunOf(user);
  EXPECT_EQ(Scan(User(2), User(4)), "user:002:a user:002:b user:003:a user:003:b");
  EXPECT_EQ(Scan(User(2), AfterUser(2) + "!"), "user:002:a user:002:b");
  EXPECT_EQ(Scan("user:002", AfterUser(2)), "user:002:a user:002:b");
  EXPECT_EQ(Skips(), "0 of 0");
  const auto it = db_->NewIterator({});
  int keys = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next()) ++keys;
  EXPECT_EQ(keys, 10);
  EXPECT_EQ(Skips(), "0 of 0");
}

TEST_F(PrefixScan, RangeTombstonesOfASkippedSegmentHide) {
  Open();
  FlushRunOf(5);
  Put(User(0) + "x");
  Put(User(999) + "x");
  ASSERT_TRUE(db_->DeleteRange({}, User(4), User(6)).ok());
  ASSERT_TRUE(db_->Flush().ok());
  Put(User(5) + "c");
  ASSERT_TRUE(db_->Flush().ok());
  for (int life = 0; life < 2; ++life) {
    EXPECT_EQ(ScanUser(5), "user:005:c");
    EXPECT_EQ(Skips(), "1 of 3");
    Open();
  }
}

// Of several children the second is left out: tombstones still count from the right one on.
TEST_F(PrefixScan, RangeTombstonesHideOlderRunsAlone) {
  Open();
  for (const char* key : {"a", "b", "c"}) Put(User(5) + key);
  ASSERT_TRUE(db_->Flush().ok());
  FlushRunOf(3);
  ASSERT_TRUE(db_->DeleteRange({}, User(5) + "b", User(6)).ok());
  Put(User(1) + "x");
  Put(User(999) + "x");
  ASSERT_TRUE(db_->Flush().ok());
  FlushRunOf(4);
  Put(User(5) + "d");
  ASSERT_TRUE(db_->Flush().ok());
  for (int n = 0; n < 5000; ++n) Put(User(5) + "e" + std::to_string(n));
  ASSERT_TRUE(db_->DeleteRange({}, User(5) + "e", User(5) + "f").ok());
  EXPECT_EQ(ScanUser(5), "user:005:a user:005:d");
  EXPECT_EQ(Skips(), "3 of 5");
}

TEST_F(PrefixScan, KeysWithoutAPrefixAreFound) {
  Open();
  for (const char* key :
       {"user:005", "user:005:", "user:005:a", "user:005;", "user:006", "plain"}) {
    Put(key);
  }
  ASSERT_TRUE(db_->Flush().ok());
  FlushRunOf(7);
  EXPECT_EQ(ScanUser(5), "user:005: user:005:a");
  EXPECT_EQ(Skips(), "1 of 2");
  EXPECT_EQ(Scan("user:005", "user:006"), "user:005 user:005: user:005:a user:005;");
  EXPECT_EQ(Scan("user:005;", "user:006:"), "user:005; user:006");
  EXPECT_EQ(Skips(), "0 of 0");
}

TEST_F(PrefixScan, AnotherExtractorSkipsWhatItWroteItself) {
  Open();
  FlushRunOf(1);
  options_.prefix_extractor = NewFixedPrefixExtractor(9);  // as long as "user:001:"
  Open();
  FlushRunOf(2);
  EXPECT_EQ(ScanUser(2), "user:002:a user:002:b");
  EXPECT_EQ(ScanUser(1), "user:001:a user:001:b");
  EXPECT_EQ(Skips(), "1 of 2");
  options_.prefix_extractor = nullptr;
  Open();
  FlushRunOf(3);
  EXPECT_EQ(ScanUser(2), "user:002:a user:002:b");
  EXPECT_EQ(Skips(), "0 of 0");
  options_.prefix_extractor = NewDelimiterPrefixExtractor(':', 2);
  Open();
  EXPECT_EQ(ScanUser(3), "user:003:a user:003:b");
  EXPECT_EQ(ScanUser(500), "");
  EXPECT_EQ(Skips(), "2 of 2");
}

TEST_F(PrefixScan, UnderAnotherOrderBoundsMustShareThePrefix) {
  options_.comparator = ReverseComparator();
  Open();
  for (int user = 1; user <= 4; ++user) FlushRunOf(user);
  EXPECT_EQ(Scan(User(3) + "z", User(3)), "user:003:b user:003:a");
  EXPECT_EQ(Skips(), "3 of 4");
  EXPECT_EQ(Scan(AfterUser(3), User(2) + "b"), "user:003:b user:003:a");
  EXPECT_EQ(Scan(User(3) + "z", User(2)), "user:003:b user:003:a user:002:b user:002:a");
  EXPECT_EQ(Skips(), "0 of 0");
}

// A level of many segments: of those whose filter denies the prefix no more are opened than the
// bounds meet.
TEST_F(PrefixScan, ALevelIsNotSearchedThrough) {
  options_.segment_bytes = 64 << 10;
  options_.compression = Compression::kNone;
  Open();
  for (int user = 0; user < 1000; ++user) {
    if (user % 50 != 49) Put(User(user) + "a", std::string(500, 'v'));
  }
  ASSERT_TRUE(db_->CompactRange({.rewrite_deepest = true}, {}, {}).ok());
  ASSERT_GE(Property("varve.num-segments"), 5u);
  ASSERT_EQ(Property("varve.num-sorted-runs"), 1u);
  Open();
  for (int user = 49; user < 1000; user += 50) {
    EXPECT_EQ(ScanUser(user), "");
    EXPECT_LE(Property("varve.open-segments"), static_cast<uint64_t>(user) / 50 + 1);
    EXPECT_EQ(ScanUser(user - 1), User(user - 1) + "a");
  }
  const uint64_t asked = options_.statistics->Get(Counter::kPrefixChecks);
  EXPECT_LE(asked, 2u * 40);
  EXPECT_GE(options_.statistics->Get(Counter::kPrefixSkips), 15u);
}

// A prefix that fills segments of its own.
TEST_F(PrefixScan, APrefixOfSeveralSegmentsIsFoundWhole) {
  options_.segment_bytes = 64 << 10;
  options_.compression = Compression::kNone;
  Open();
  std::string expected;
  for (int n = 1000; n < 2000; ++n) {
    Put(User(5) + std::to_string(n), std::string(400, 'v'));
    expected += (expected.empty() ? "" : " ") + User(5) + std::to_string(n);
  }
  Put(User(4) + "a");
  Put(User(6) + "a");
  ASSERT_TRUE(db_->CompactRange({.rewrite_deepest = true}, {}, {}).ok());
  ASSERT_GE(Property("varve.num-segments"), 4u);
  EXPECT_EQ(ScanUser(5), expected);
  EXPECT_EQ(ScanUser(4), User(4) + "a");
  EXPECT_EQ(ScanUser(6), User(6) + "a");
}

// Where segments come from, they have the prefixes.
TEST_F(PrefixScan, EveryWayToASegmentKeepsPrefixes) {
  Open();
  FlushRunOf(1);
  Put(User(2) + "a");
  Open();  // recovery
  EXPECT_EQ(ScanUser(500), "");
  EXPECT_EQ(Skips(), "1 of 1");  // the second run is not within the bounds
  FlushRunOf(3);
  ASSERT_TRUE(db_->CompactRange({}, {}, {}).ok());
  ASSERT_EQ(Property("varve.num-segments"), 1u);
  EXPECT_EQ(ScanUser(500), "");
  EXPECT_EQ(Skips(), "1 of 1");

  ASSERT_TRUE(options_.env.file_system->CreateDirectory("/in").ok());
  SegmentWriter writer(options_, "/in/file");
  ASSERT_TRUE(writer.Put(User(400) + "a", "v").ok());
  ASSERT_TRUE(writer.Put(User(600) + "a", "v").ok());
  ASSERT_TRUE(writer.Finish().ok());
  std::unique_ptr<RandomAccessFile> file;
  ASSERT_TRUE(options_.env.file_system->NewRandomAccessFile("/in/file", false, &file).ok());
  std::unique_ptr<SegmentReader> reader;
  ASSERT_TRUE(SegmentReader::Open({}, std::move(file), "/in/file", 0, &reader).ok());
  EXPECT_EQ(reader->properties().prefix_extractor, "varve.DelimiterPrefix.3a.2");
  EXPECT_EQ(reader->properties().prefixes, 2u);
  ASSERT_TRUE(db_->Ingest({"/in/file"}).ok());
  EXPECT_EQ(ScanUser(500), "");
  EXPECT_EQ(Skips(), "2 of 2");
  EXPECT_EQ(ScanUser(400), "user:400:a");
}

// Slices of the caller, and his extractor, are needed no longer than calls last.
TEST_F(PrefixScan, RefreshAsksAnew) {
  Open();
  FlushRunOf(1);
  std::unique_ptr<Iterator> it;
  {
    const std::string lower = User(2), upper = AfterUser(2);
    ReadOptions options;
    options.lower_bound = lower;
    options.upper_bound = upper;
    it = db_->NewIterator(options);
  }
  options_.prefix_extractor.reset();
  it->SeekToFirst();
  EXPECT_FALSE(it->Valid());
  FlushRunOf(2);
  FlushRunOf(3);
  ASSERT_TRUE(it->Refresh().ok());
  it->SeekToFirst();
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->key(), User(2) + "a");
  EXPECT_EQ(Skips(), "3 of 4");
}

TEST_F(PrefixScan, ANameIsNeeded) {
  class Named final : public PrefixExtractor {
   public:
    explicit Named(std::string name) : name_(std::move(name)) {}
    const char* Name() const override { return name_.c_str(); }
    std::optional<Slice> Prefix(Slice key) const override { return key; }

   private:
    const std::string name_;
  };
  for (const size_t bytes : {0, 257}) {
    options_.prefix_extractor = std::make_shared<Named>(std::string(bytes, 'n'));
    const Status status = DB::Open(options_, "/db", &db_);
    EXPECT_TRUE(status.IsInvalidArgument()) << status.ToString();
    EXPECT_NE(status.message().find("prefix_extractor"), std::string::npos);
  }
  options_.prefix_extractor = std::make_shared<Named>(std::string(256, 'n'));
  EXPECT_TRUE(options_.Validate().ok());
}

}  // namespace
}  // namespace varve
