// The command line: db_bench's names, errors that name the flag, and the defaults of the programs
// that use the bench as a library. Checklist I7, T1.

#include <gflags/gflags.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"
#include "tools/bench/benchmark.h"
#include "tools/bench/flags.h"

namespace varve::bench {
namespace {

using ::testing::HasSubstr;

Status Parse(std::vector<std::string> arguments, BenchOptions* options) {
  gflags::FlagSaver saver;
  arguments.insert(arguments.begin(), "varve_bench");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  return ParseCommandLine(static_cast<int>(arguments.size()), argv.data(), options);
}

std::string ErrorOf(std::vector<std::string> arguments) {
  BenchOptions options;
  const Status status = Parse(std::move(arguments), &options);
  EXPECT_TRUE(status.IsInvalidArgument()) << status.ToString();
  return status.ToString();
}

TEST(Flags, NoFlagsGiveTheProgrammaticDefaults) {
  BenchOptions parsed;
  // Whatever is not set by the command line would show.
  parsed.num = parsed.reads = -7;
  parsed.engine.memtable_bytes = 1;
  parsed.engine.block_cache_bytes = 1;
  parsed.engine.filter_bits_per_key = 1;
  ASSERT_TRUE(Parse({}, &parsed).ok());
  const BenchOptions expected;
  EXPECT_EQ(parsed.benchmarks, expected.benchmarks);
  EXPECT_EQ(parsed.num, expected.num);
  EXPECT_EQ(parsed.reads, expected.reads);
  EXPECT_EQ(parsed.duration_seconds, expected.duration_seconds);
  EXPECT_EQ(parsed.threads, expected.threads);
  EXPECT_EQ(parsed.seed, expected.seed);
  EXPECT_EQ(parsed.histogram, expected.histogram);
  EXPECT_EQ(parsed.statistics, expected.statistics);
  EXPECT_EQ(parsed.json, expected.json);
  EXPECT_EQ(parsed.key_bytes, expected.key_bytes);
  EXPECT_EQ(parsed.value_bytes, expected.value_bytes);
  EXPECT_EQ(parsed.compression_ratio, expected.compression_ratio);
  EXPECT_EQ(parsed.batch_size, expected.batch_size);
  EXPECT_EQ(parsed.seek_nexts, expected.seek_nexts);
  EXPECT_EQ(parsed.reverse_iterator, expected.reverse_iterator);
  EXPECT_EQ(parsed.write_bytes_per_second, expected.write_bytes_per_second);
  EXPECT_EQ(parsed.prefix_bytes, expected.prefix_bytes);
  EXPECT_EQ(parsed.engine.prefix_extractor, nullptr);
  EXPECT_EQ(parsed.path, expected.path);
  EXPECT_EQ(parsed.use_existing_db, expected.use_existing_db);
  EXPECT_EQ(parsed.sync, expected.sync);
  EXPECT_EQ(parsed.disable_wal, expected.disable_wal);
  EXPECT_EQ(parsed.verify_checksums, expected.verify_checksums);
  EXPECT_EQ(parsed.trace, expected.trace);
  const Options engine;
  EXPECT_EQ(parsed.engine.memtable_bytes, engine.memtable_bytes);
  EXPECT_EQ(parsed.engine.memtables_max, engine.memtables_max);
  EXPECT_EQ(parsed.engine.flush_memtables_min, engine.flush_memtables_min);
  EXPECT_EQ(parsed.engine.wal_sync, engine.wal_sync);
  EXPECT_EQ(parsed.engine.wal_sync_interval_ms, engine.wal_sync_interval_ms);
  EXPECT_EQ(parsed.engine.wal_mapped, engine.wal_mapped);
  EXPECT_EQ(parsed.engine.compression, engine.compression);
  EXPECT_EQ(parsed.engine.block_bytes, engine.block_bytes);
  EXPECT_EQ(parsed.engine.filter_bits_per_key, engine.filter_bits_per_key);
  EXPECT_EQ(parsed.engine.use_direct_reads, engine.use_direct_reads);
  EXPECT_EQ(parsed.engine.compaction_style, engine.compaction_style);
  EXPECT_EQ(parsed.engine.eviction, engine.eviction);
  EXPECT_EQ(parsed.engine.admission, engine.admission);
  EXPECT_EQ(parsed.engine.segment_bytes, engine.segment_bytes);
  EXPECT_EQ(parsed.engine.level0_runs_trigger, engine.level0_runs_trigger);
  EXPECT_EQ(parsed.engine.level_base_bytes, engine.level_base_bytes);
  EXPECT_EQ(parsed.engine.level_size_ratio, engine.level_size_ratio);
  EXPECT_EQ(parsed.engine.block_cache_bytes, engine.block_cache_bytes);
  EXPECT_EQ(parsed.engine.open_segments_max, engine.open_segments_max);
  EXPECT_EQ(parsed.engine.background_threads, engine.background_threads);
  EXPECT_EQ(parsed.engine.background_bytes_per_second, engine.background_bytes_per_second);
}

TEST(Flags, EveryFlagArrives) {
  BenchOptions o;
  ASSERT_TRUE(Parse({"--benchmarks=trace,fillseq",
                     "--num=5",
                     "-reads",
                     "6",
                     "--duration=7",
                     "--seed=8",
                     "--histogram",
                     "--statistics=1",
                     "--json",
                     "--key_size=9",
                     "--value_size=10",
                     "--compression_ratio=0.25",
                     "--batch_size=11",
                     "--seek_nexts=12",
                     "--reverse_iterator",
                     "--benchmark_write_rate_limit=1300",
                     "--prefix_size=4",
                     "--db=/d",
                     "--use_existing_db=true",
                     "--sync",
                     "--noverify_checksum",
                     "--cache_size=13000",
                     "--compression_type=zstd",
                     "--bloom_bits=14",
                     "--block_size=2048",
                     "--use_direct_reads",
                     "--open_files=16",
                     "--write_buffer_size=131072",
                     "--max_write_buffer_number=18",
                     "--min_write_buffer_number_to_merge=3",
                     "--compaction_style=tiered",
                     "--eviction=fifo",
                     "--admission=seen_before",
                     "--target_file_size_base=1000000",
                     "--level0_file_num_compaction_trigger=22",
                     "--max_bytes_for_level_base=2000000",
                     "--max_bytes_for_level_multiplier=23",
                     "--max_background_jobs=19",
                     "--rate_limiter_bytes_per_sec=20",
                     "--wal_sync=never",
                     "--wal_sync_interval_ms=21",
                     "--nowal_mapped",
                     "--trace=t.csv"},
                    &o)
                  .ok());
  EXPECT_EQ(o.benchmarks, (std::vector<std::string>{"trace", "fillseq"}));
  EXPECT_EQ(o.num, 5);
  EXPECT_EQ(o.reads, 6);
  EXPECT_EQ(o.duration_seconds, 7);
  EXPECT_EQ(o.seed, 8u);
  EXPECT_TRUE(o.histogram);
  EXPECT_TRUE(o.statistics);
  EXPECT_TRUE(o.json);
  EXPECT_EQ(o.key_bytes, 9);
  EXPECT_EQ(o.value_bytes, 10);
  EXPECT_EQ(o.compression_ratio, 0.25);
  EXPECT_EQ(o.batch_size, 11);
  EXPECT_EQ(o.seek_nexts, 12);
  EXPECT_EQ(o.write_bytes_per_second, 1300u);
  EXPECT_TRUE(o.reverse_iterator);
  EXPECT_EQ(o.prefix_bytes, 4);
  ASSERT_NE(o.engine.prefix_extractor, nullptr);
  EXPECT_STREQ(o.engine.prefix_extractor->Name(), "varve.FixedPrefix.4");
  EXPECT_EQ(o.path, "/d");
  EXPECT_TRUE(o.use_existing_db);
  EXPECT_TRUE(o.sync);
  EXPECT_FALSE(o.verify_checksums);
  EXPECT_EQ(o.engine.block_cache_bytes, 13000u);
  EXPECT_EQ(o.engine.compression, Compression::kZstd);
  EXPECT_EQ(o.engine.filter_bits_per_key, 14);
  EXPECT_EQ(o.engine.block_bytes, 2048u);
  EXPECT_TRUE(o.engine.use_direct_reads);
  EXPECT_EQ(o.engine.open_segments_max, 16);
  EXPECT_EQ(o.engine.memtable_bytes, 131072u);
  EXPECT_EQ(o.engine.memtables_max, 18);
  EXPECT_EQ(o.engine.flush_memtables_min, 3);
  EXPECT_EQ(o.engine.compaction_style, CompactionStyle::kTiered);
  EXPECT_EQ(o.engine.eviction, EvictionPolicy::kFifo);
  EXPECT_EQ(o.engine.admission, AdmissionPolicy::kSeenBefore);
  EXPECT_EQ(o.engine.segment_bytes, 1'000'000u);
  EXPECT_EQ(o.engine.level0_runs_trigger, 22);
  EXPECT_EQ(o.engine.level_base_bytes, 2'000'000u);
  EXPECT_EQ(o.engine.level_size_ratio, 23);
  EXPECT_EQ(o.engine.background_threads, 19);
  EXPECT_EQ(o.engine.background_bytes_per_second, 20u);
  EXPECT_EQ(o.engine.wal_sync, WalSyncMode::kNever);
  EXPECT_EQ(o.engine.wal_sync_interval_ms, 21u);
  EXPECT_FALSE(o.engine.wal_mapped);
  EXPECT_EQ(o.trace, "t.csv");
}

// Options::ForCache() is all that a cache needs, so what no flag says is as it leaves it.
TEST(Flags, OfACacheOnlyTheGivenOnesCount) {
  BenchOptions o;
  ASSERT_TRUE(Parse({"--capacity_bytes=1000000000", "--memory_bytes=500000000", "--bloom_bits=12",
                     "--compression_type=none"},
                    &o)
                  .ok());
  Options expected = Options::ForCache(1'000'000'000);
  EXPECT_EQ(o.engine.capacity_bytes, 1'000'000'000u);
  EXPECT_EQ(o.engine.memory_bytes, 500'000'000u);
  EXPECT_EQ(o.engine.filter_bits_per_key, 12);
  EXPECT_EQ(o.engine.compression, Compression::kNone);
  EXPECT_EQ(o.engine.block_cache_bytes, expected.block_cache_bytes);
  EXPECT_EQ(o.engine.memtable_bytes, expected.memtable_bytes);
  EXPECT_EQ(o.engine.compaction_style, expected.compaction_style);
  EXPECT_EQ(o.engine.segment_bytes, expected.segment_bytes);
  ASSERT_TRUE(
      Parse({"--capacity_bytes=1000000000", "--cache_size=77", "--compaction_style=tiered"}, &o)
          .ok());
  EXPECT_EQ(o.engine.block_cache_bytes, 77u);
  EXPECT_EQ(o.engine.compaction_style, CompactionStyle::kTiered);
}

TEST(Flags, CapacityMayBeAPartOfTheTrace) {
  TempDir dir;
  std::ofstream(dir.File("t.csv")) << "op,key,size\nget,a,1000000\nput,b,3000000\nget,a,900000\n"
                                      "get,a,2000000\nget,c\ndelete,d\nput,c,100000000\n";
  BenchOptions o;
  ASSERT_TRUE(Parse({"--benchmarks=trace", "--trace=" + dir.File("t.csv"), "--capacity_percent=50",
                     "--value_size=5000000", "--reads=6"},
                    &o)
                  .ok());
  EXPECT_EQ(o.engine.capacity_bytes, 5'000'000u);  // half of 2 + 3 + 5
  EXPECT_TRUE(o.engine.cache());
  ASSERT_TRUE(
      Parse({"--benchmarks=trace", "--seed=3", "--num=100000", "--capacity_percent=1000"}, &o)
          .ok());
  EXPECT_GT(o.engine.capacity_bytes, 100'000u);
}

TEST(Flags, OthersArriveToo) {
  BenchOptions o;
  ASSERT_TRUE(Parse({"--threads=3", "--disable_wal=1", "--bloom_bits=-1"}, &o).ok());
  EXPECT_EQ(o.threads, 3);
  EXPECT_TRUE(o.disable_wal);
  EXPECT_EQ(o.engine.filter_bits_per_key, 0);
}

TEST(Flags, UnknownFlagIsNamedWithTheNearestOne) {
  EXPECT_THAT(ErrorOf({"--num=1", "--cache_sise=7"}),
              HasSubstr("unknown flag --cache_sise; did you mean --cache_size?"));
  EXPECT_THAT(ErrorOf({"fillseq"}), HasSubstr("\"fillseq\" is no flag"));
  EXPECT_THAT(ErrorOf({"--nonum"}), HasSubstr("unknown flag --nonum"));
}

TEST(Flags, BadValuesAreNamed) {
  EXPECT_THAT(ErrorOf({"--num=0"}), HasSubstr("--num=0"));
  EXPECT_THAT(ErrorOf({"--threads=0"}), HasSubstr("--threads=0"));
  EXPECT_THAT(ErrorOf({"--key_size=0"}), HasSubstr("--key_size=0"));
  EXPECT_THAT(ErrorOf({"--key_size=1", "--num=257"}), HasSubstr("--num=257"));
  EXPECT_THAT(ErrorOf({"--value_size=-1"}), HasSubstr("--value_size=-1"));
  EXPECT_THAT(ErrorOf({"--prefix_size=17"}), HasSubstr("--prefix_size=17"));
  EXPECT_THAT(ErrorOf({"--batch_size=0"}), HasSubstr("--batch_size=0"));
  EXPECT_THAT(ErrorOf({"--cache_size=-1"}), HasSubstr("--cache_size=-1"));
  EXPECT_THAT(ErrorOf({"--compression_type=lzma"}), HasSubstr("--compression_type=lzma"));
  EXPECT_THAT(ErrorOf({"--compaction_style=2"}), HasSubstr("--compaction_style=2"));
  EXPECT_THAT(ErrorOf({"--admission=some"}), HasSubstr("--admission=some"));
  EXPECT_THAT(ErrorOf({"--eviction=random"}), HasSubstr("--eviction=random"));
  EXPECT_THAT(ErrorOf({"--wal_sync=perhaps"}), HasSubstr("--wal_sync=perhaps"));
  EXPECT_THAT(ErrorOf({"--compression_ratio=0"}), HasSubstr("--compression_ratio"));
  EXPECT_THAT(ErrorOf({"--sync", "--disable_wal"}), HasSubstr("exclude each other"));
  EXPECT_THAT(ErrorOf({"--benchmarks="}), HasSubstr("--benchmarks"));
  EXPECT_THAT(ErrorOf({"--benchmarks=fillseq", "--trace=x"}), HasSubstr("no \"trace\""));
  EXPECT_THAT(ErrorOf({"--benchmarks=trace", "--threads=2"}), HasSubstr("--threads=2"));
  EXPECT_THAT(ErrorOf({"--benchmarks=trace", "--capacity_percent=5"}), HasSubstr("with a --seed"));
  EXPECT_THAT(ErrorOf({"--benchmarks=trace", "--trace=-", "--capacity_percent=5"}),
              HasSubstr("can be read twice"));
  EXPECT_THAT(ErrorOf({"--capacity_percent=5", "--seed=1"}), HasSubstr("the benchmark \"trace\""));
  EXPECT_THAT(ErrorOf({"--capacity_percent=-5"}), HasSubstr("--capacity_percent=-5"));
  EXPECT_THAT(ErrorOf({"--benchmarks=trace", "--seed=1", "--capacity_percent=5",
                       "--capacity_bytes=50000000"}),
              HasSubstr("exclude each other"));
  EXPECT_THAT(ErrorOf({"--memory_bytes=1000"}), HasSubstr("memory_bytes = 1000"));
}

TEST(Benchmarks, DefaultsAreKnown) {
  for (const std::string& name : BenchOptions().benchmarks) {
    EXPECT_NE(FindBenchmark(name), nullptr) << name;
  }
  EXPECT_EQ(FindBenchmark("nosuch"), nullptr);
}

}  // namespace
}  // namespace varve::bench
