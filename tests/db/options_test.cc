#include "varve/options.h"

#include <gtest/gtest.h>

#include "db/live_options.h"
#include "tests/support/comparators.h"
#include "tests/support/concatenation.h"

namespace varve {
namespace {

TEST(Options, DefaultsAreValid) { EXPECT_TRUE(Options::ForDatabase().Validate().ok()); }

TEST(Options, ValidateNamesTheField) {
  const auto message = [](auto change) {
    Options options;
    change(&options);
    const Status status = options.Validate();
    EXPECT_TRUE(status.IsInvalidArgument());
    return std::string(status.message());
  };
  EXPECT_EQ(message([](Options* o) { o->comparator = nullptr; }), "comparator = null: must be set");
  EXPECT_EQ(message([](Options* o) { o->listeners = {nullptr}; }), "listeners: one is null");
  EXPECT_EQ(message([](Options* o) { o->memtable_bytes = 1000; }),
            "memtable_bytes = 1000: must be from 65536 to 1073741824");
  EXPECT_EQ(message([](Options* o) { o->memtables_max = 1; }),
            "memtables_max = 1: must be from 2 to 128");
  EXPECT_EQ(message([](Options* o) { o->background_threads = -3; }),
            "background_threads = -3: must be from 1 to 64");
  EXPECT_EQ(message([](Options* o) { o->compression = static_cast<Compression>(9); }),
            "compression = 9: must be from 0 to 3");
  EXPECT_EQ(message([](Options* o) { o->compaction_style = static_cast<CompactionStyle>(7); }),
            "compaction_style = 7: must be from 0 to 3");
  EXPECT_EQ(message([](Options* o) { o->eviction = static_cast<EvictionPolicy>(2); }),
            "eviction = 2: must be from 0 to 1");
  EXPECT_EQ(message([](Options* o) { o->level_size_ratio = 1; }),
            "level_size_ratio = 1: must be from 2 to 100");
  EXPECT_EQ(message([](Options* o) { o->segment_bytes = 1000; }),
            "segment_bytes = 1000: must be from 65536 to 4294967296");
  EXPECT_EQ(message([](Options* o) {
              o->memtables_max = 4;
              o->flush_memtables_min = 4;
            }),
            "flush_memtables_min = 4: must be below memtables_max = 4");
}

TEST(Options, ACacheRefusesWhatCouldBeStale) {
  EXPECT_TRUE(Options::ForCache(1 << 30).cache());
  EXPECT_TRUE(Options::ForCache(1 << 30).Validate().ok());
  EXPECT_FALSE(Options::ForDatabase().cache());
  const auto message = [](auto change) {
    Options options = Options::ForCache(1 << 30);
    change(&options);
    const Status status = options.Validate();
    EXPECT_TRUE(status.IsInvalidArgument());
    return std::string(status.message());
  };
  EXPECT_EQ(message([](Options* o) { o->wal_recovery = WalRecoveryMode::kPointInTime; }),
            "wal_recovery = kPointInTime: a cache skips no records");
  EXPECT_EQ(message([](Options* o) { o->merge_operator = std::make_shared<Concatenation>(); }),
            "merge_operator: a cache takes no merges");
  EXPECT_EQ(message([](Options* o) { o->comparator = CaseInsensitiveComparator(); }),
            "comparator = test.CaseInsensitive: a cache needs one under which equal keys are "
            "identical bytes");
}

TEST(LiveOptions, AppliesAllOrNone) {
  Options options;
  EXPECT_TRUE(
      ApplyLiveChanges({{"wal_sync_interval_ms", "200"}, {"block_cache_bytes", "0"}}, &options)
          .ok());
  EXPECT_EQ(options.wal_sync_interval_ms, 200u);
  EXPECT_EQ(options.block_cache_bytes, 0u);
  EXPECT_FALSE(
      ApplyLiveChanges({{"block_cache_bytes", "5"}, {"memtables_max", "1"}}, &options).ok());
  EXPECT_EQ(options.block_cache_bytes, 0u);
}

TEST(LiveOptions, NamesWhatIsWrong) {
  Options options;
  const auto message = [&](const char* name, const char* value) {
    const Status status = ApplyLiveChanges({{name, value}}, &options);
    EXPECT_TRUE(status.IsInvalidArgument());
    return std::string(status.message());
  };
  EXPECT_EQ(message("no_such", "1"), "no_such: no such option");
  EXPECT_EQ(message("compression", "1"), "compression: cannot change while the database is open");
  EXPECT_EQ(message("memtables_max", "x1"), "memtables_max = x1: not a number");
  EXPECT_EQ(message("memtables_max", "12 "), "memtables_max = 12 : not a number");
  EXPECT_EQ(message("memtables_max", "500"), "memtables_max = 500: must be from 2 to 128");
}

// A description that leaves an option out hides it from whoever reads it.
TEST(Options, DescribesItself) {
  const std::string text = DescribeOptions(Options());
  for (const char* name : {"comparator = varve.BytewiseComparator", "memtable_bytes = 8388608",
                           "wal_sync = 1", "compression = 2", "block_bytes = 4096"}) {
    EXPECT_NE(text.find(name), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace varve
