// Whole runs on a real database, small: each benchmark does the work that its line claims.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "tests/support/temp_dir.h"
#include "tools/bench/runner.h"

namespace varve::bench {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class RunnerTest : public ::testing::Test {
 protected:
  RunnerTest() {
    options_.path = dir_.File("db");
    options_.num = 2000;
    options_.seed = 1;
    options_.engine.memtable_bytes = 64 << 10;
  }

  // What was printed.
  std::string Run(std::vector<std::string> benchmarks) {
    std::FILE* out = std::tmpfile();
    std::FILE* err = std::tmpfile();
    options_.benchmarks = std::move(benchmarks);
    status_ = options_.Validate();
    if (status_.ok()) status_ = Runner(options_, out, err).Run();
    std::string text(static_cast<size_t>(std::ftell(out)), '\0');
    std::rewind(out);
    EXPECT_EQ(text.size(), std::fread(text.data(), 1, text.size(), out));
    std::fclose(out);
    std::fclose(err);
    return text;
  }

  TempDir dir_;
  BenchOptions options_;
  Status status_;
};

TEST_F(RunnerTest, SequentialFillIsFoundWhole) {
  const std::string text = Run({"fillseq", "readrandom", "readmissing", "multireadrandom",
                                "readseq", "readreverse", "seekrandom"});
  ASSERT_TRUE(status_.ok()) << status_.ToString();
  EXPECT_THAT(text, ContainsRegex("fillseq      : .* 2000 operations; +[0-9.]+ MB/s\n"));
  EXPECT_THAT(text, ContainsRegex("readrandom   : .* \\(2000 of 2000 found\\)\n"));
  EXPECT_THAT(text, ContainsRegex("readmissing  : .* 2000 operations; \\(0 of 2000 found\\)\n"));
  EXPECT_THAT(text, ContainsRegex("multireadrandom : .* \\(2000 of 2000 found\\)\n"));
  EXPECT_THAT(text, ContainsRegex("readseq      : .* 2000 operations; "));
  EXPECT_THAT(text, ContainsRegex("readreverse  : .* 2000 operations; "));
  EXPECT_THAT(text, ContainsRegex("seekrandom   : .* \\(2000 of 2000 found\\)\n"));
}

TEST_F(RunnerTest, RandomFillLeavesGaps) {
  // 2,000 draws of 2,000 numbers leave out e^-1 of them.
  const std::string text = Run({"fillrandom", "readseq", "overwrite", "readseq"});
  ASSERT_TRUE(status_.ok()) << status_.ToString();
  uint64_t after_fill = 0, after_overwrite = 0;
  const size_t first = text.find("readseq"), second = text.rfind("readseq");
  const auto operations = [&text](size_t at, uint64_t* number) {
    at = text.find("seconds", at);
    return std::sscanf(text.c_str() + at, "seconds %lu operations", number);  // NOLINT
  };
  ASSERT_EQ(operations(first, &after_fill), 1);
  ASSERT_EQ(operations(second, &after_overwrite), 1);
  EXPECT_NEAR(static_cast<double>(after_fill), 2000 * (1 - 0.3679), 60);
  EXPECT_NEAR(static_cast<double>(after_overwrite), 2000 * (1 - 0.1353), 60);
}

TEST_F(RunnerTest, EachFillStartsFromNothing) {
  options_.num = 1000;
  const std::string text = Run({"fillseq", "fillrandom", "readseq"});
  ASSERT_TRUE(status_.ok()) << status_.ToString();
  EXPECT_THAT(text, ContainsRegex("readseq      : .* 6[0-9][0-9] operations; "));
}

TEST_F(RunnerTest, BatchesSyncAndUnloggedWrites) {
  options_.batch_size = 10;
  EXPECT_THAT(Run({"fillseq", "readrandom", "fillbatch", "readrandom"}),
              ContainsRegex("fillbatch    : .* 2000 operations; "));
  ASSERT_TRUE(status_.ok()) << status_.ToString();
  options_.batch_size = 1;
  options_.disable_wal = true;
  EXPECT_THAT(Run({"fillseq", "readrandom"}), HasSubstr("(2000 of 2000 found)"));
  ASSERT_TRUE(status_.ok()) << status_.ToString();
  options_.disable_wal = false;
  EXPECT_THAT(Run({"fillsync"}), ContainsRegex("fillsync     : .* 2 operations; "));
  ASSERT_TRUE(status_.ok()) << status_.ToString();
}

TEST_F(RunnerTest, ThreadsEachDoTheWhole) {
  options_.threads = 3;
  const std::string text = Run({"fillrandom", "readrandom", "readwhilewriting"});
  ASSERT_TRUE(status_.ok()) << status_.ToString();
  EXPECT_THAT(text, ContainsRegex("fillrandom   : .* 6000 operations; "));
  EXPECT_THAT(text, ContainsRegex("readrandom   : .* of 6000 found"));
  EXPECT_THAT(text, ContainsRegex("readwhilewriting : .* of 6000 found"));
}

TEST_F(RunnerTest, ReadsAndStepsAreAsManyAsAsked) {
  options_.reads = 300;
  options_.seek_nexts = 10;
  const std::string text = Run({"fillseq", "readrandom", "readseq", "seekrandom"});
  ASSERT_TRUE(status_.ok()) << status_.ToString();
  EXPECT_THAT(text, ContainsRegex("readrandom   : .* 300 operations; .*300 of 300 found"));
  EXPECT_THAT(text, ContainsRegex("readseq      : .* 300 operations; "));
  EXPECT_THAT(text, ContainsRegex("seekrandom   : .* 300 operations; +[0-9.]+ MB/s"));
  options_.reverse_iterator = true;
  EXPECT_THAT(Run({"fillseq", "seekrandom"}), HasSubstr("(300 of 300 found)"));
}

// Ten steps do not leave the prefix: of the keys 0 to 1999 it is all eight bytes of the number.
TEST_F(RunnerTest, SeeksStayWithinAPrefix) {
  options_.seek_nexts = 10;
  options_.prefix_bytes = 8;
  options_.engine.prefix_extractor = NewFixedPrefixExtractor(8);
  const std::string text = Run({"fillseq", "seekrandom"});
  ASSERT_TRUE(status_.ok()) << status_.ToString();
  EXPECT_THAT(text, HasSubstr("(2000 of 2000 found)"));
  options_.json = true;
  const std::string bytes_of_one = std::to_string(2000 * 116);
  EXPECT_THAT(Run({"fillseq", "seekrandom"}),
              ContainsRegex("seekrandom.*\"bytes\": " + bytes_of_one));
}

TEST_F(RunnerTest, ExistingDatabaseIsKept) {
  Run({"fillseq"});
  options_.use_existing_db = true;
  const std::string text = Run({"fillseq", "readrandom"});
  ASSERT_TRUE(status_.ok()) << status_.ToString();
  EXPECT_THAT(text, HasSubstr("fillseq      : skipped (--use_existing_db is true)\n"));
  EXPECT_THAT(text, HasSubstr("(2000 of 2000 found)"));
  options_.use_existing_db = false;
  EXPECT_THAT(Run({"readrandom"}), HasSubstr("(0 of 2000 found)"));
}

TEST_F(RunnerTest, ReadsDoNotRetraceTheFillOfTheSameSeed) {
  Run({"fillrandom"});
  options_.use_existing_db = true;
  EXPECT_THAT(Run({"readrandom"}), ContainsRegex("\\(1[23][0-9][0-9] of 2000 found\\)"));
}

TEST_F(RunnerTest, MissingDatabaseIsAnErrorThatNamesIt) {
  options_.use_existing_db = true;
  Run({"readrandom"});
  EXPECT_FALSE(status_.ok());
  EXPECT_THAT(status_.ToString(), HasSubstr(options_.path));
}

TEST_F(RunnerTest, UnknownBenchmarkStopsBeforeAnythingIsTouched) {
  Run({"fillseq"});
  Run({"readrandom", "fillsequential"});
  EXPECT_THAT(status_.ToString(), HasSubstr("unknown benchmark \"fillsequential\""));
  options_.use_existing_db = true;
  EXPECT_THAT(Run({"readrandom"}), HasSubstr("(2000 of 2000 found)"));
}

TEST_F(RunnerTest, HistogramAndStatisticsAppearWhenAskedFor) {
  const std::string plain = Run({"fillseq", "readrandom"});
  EXPECT_THAT(plain, Not(HasSubstr("Percentiles")));
  EXPECT_THAT(plain, Not(HasSubstr("STATISTICS")));
  options_.histogram = true;
  options_.statistics = true;
  const std::string text = Run({"fillseq", "readrandom", "seekrandom", "flush", "stats"});
  ASSERT_TRUE(status_.ok()) << status_.ToString();
  EXPECT_THAT(text, HasSubstr("Microseconds per write:\nCount: 2000 "));
  EXPECT_THAT(text, HasSubstr("Microseconds per read:\nCount: 2000 "));
  EXPECT_THAT(text, HasSubstr("Microseconds per seek:\nCount: 2000 "));
  EXPECT_THAT(text, HasSubstr("STATISTICS:\n"));
  EXPECT_THAT(text, HasSubstr("num-segments"));
}

TEST_F(RunnerTest, DurationEndsRandomOperations) {
  options_.duration_seconds = 1;
  options_.num = 100;
  const std::string text = Run({"fillseq", "readrandom"});
  ASSERT_TRUE(status_.ok()) << status_.ToString();
  EXPECT_THAT(text, ContainsRegex("fillseq      : .* 100 operations; "));
  EXPECT_THAT(text, ContainsRegex("readrandom   : .* [1-9][.][0-9]+ seconds [0-9]{4,} operations"));
}

TEST_F(RunnerTest, AmplificationCountsWhatWasWrittenAndWhatIsLive) {
  options_.json = true;
  options_.engine.compaction_style = CompactionStyle::kNone;  // what is flushed is what is written
  const std::string text = Run({"fillseq", "overwrite", "amplification"});
  ASSERT_TRUE(status_.ok()) << status_.ToString();
  EXPECT_THAT(text, HasSubstr("\"user_bytes\": 464000, "));  // 2 x 2000 x (16 + 100)
  EXPECT_THAT(text, HasSubstr("\"live_entries\": 2000, \"live_bytes\": 232000, "));
  EXPECT_THAT(text, ContainsRegex("\"flush_bytes\": [1-9][0-9]{4,}, "));
  EXPECT_THAT(text, ContainsRegex("\"write_amplification\": 0[.][1-9]"));
  EXPECT_THAT(text, ContainsRegex("\"space_amplification\": [0-9]+[.]"));
  options_.json = false;
  EXPECT_THAT(Run({"fillseq", "amplification"}),
              ContainsRegex("space amplification +[0-9.]+ +.* live in 2,000 entries"));
}

TEST_F(RunnerTest, CompactsAndWaitsUntilNothingIsMerged) {
  options_.num = 5000;
  options_.engine.level0_runs_trigger = 2;
  const std::string text =
      Run({"fillrandom", "overwrite", "waitforcompaction", "compact", "amplification", "readseq"});
  ASSERT_TRUE(status_.ok()) << status_.ToString();
  EXPECT_THAT(text, ContainsRegex("waitforcompaction : .* 1 operations;"));
  EXPECT_THAT(text, ContainsRegex("compact      : .* 1 operations;"));
  // Nothing is there twice any more.
  EXPECT_THAT(text, ContainsRegex("space amplification +(0[.][0-9]+|1[.]0[0-9]*) "));
}

TEST_F(RunnerTest, IntervalsAreReportedWhileItRuns) {
  options_.stats_interval_seconds = 1;
  options_.duration_seconds = 2;
  const std::string text = Run({"overwrite", "readwhilewriting"});
  ASSERT_TRUE(status_.ok()) << status_.ToString();
  EXPECT_THAT(text,
              ContainsRegex("overwrite    : .*\nIntervals: [1-9][0-9]*  ops/sec: Min: [0-9]"));
  EXPECT_THAT(text, ContainsRegex("readwhilewriting : .*\nIntervals: "));
}

TEST_F(RunnerTest, WriterBesideReadersIsHeldToItsRate) {
  options_.duration_seconds = 1;
  options_.write_bytes_per_second = 116 * 1000;  // a thousand entries
  options_.statistics = true;
  const std::string text = Run({"readwhilewriting"});
  ASSERT_TRUE(status_.ok()) << status_.ToString();
  const size_t at = text.find("write_entries");
  ASSERT_NE(at, std::string::npos) << text;
  const int entries = std::atoi(text.c_str() + text.find(':', at) + 1);
  EXPECT_LE(entries, 100'000);  // unbounded it is some hundred thousand, on any machine
  EXPECT_THAT(text, ContainsRegex("\nMemory budget: [1-9][0-9]+ bytes\n"));
  EXPECT_THAT(text, ContainsRegex("\nPeak memory: [1-9][0-9]+ bytes\n"));
}

TEST_F(RunnerTest, JsonIsAllThereIsOnStandardOutput) {
  options_.json = true;
  const std::string text = Run({"fillseq", "readrandom", "trace"});
  ASSERT_TRUE(status_.ok()) << status_.ToString();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
  EXPECT_THAT(text, ::testing::StartsWith("{\"benchmark\": \"fillseq\", "));
  EXPECT_THAT(text, HasSubstr("}\n{\"benchmark\": \"readrandom\", "));
  EXPECT_THAT(text, HasSubstr("}\n{\"benchmark\": \"trace\", "));
  EXPECT_THAT(text, HasSubstr("\"found\": 2000"));
}

TEST_F(RunnerTest, GeneratedTraceHitsWhateverIsReused) {
  options_.num = 20000;
  options_.engine.memtable_bytes = 1 << 20;
  const std::string text = Run({"trace"});
  ASSERT_TRUE(status_.ok()) << status_.ToString();
  EXPECT_THAT(text, HasSubstr("requests               20,000"));
  EXPECT_THAT(text, Not(HasSubstr("DEFECT")));
  EXPECT_THAT(text, Not(HasSubstr("0 B to logs")));
  EXPECT_THAT(text, Not(HasSubstr(" 0 B to the manifest")));
  EXPECT_THAT(text, Not(HasSubstr("segments, 0 B")));
}

TEST_F(RunnerTest, TraceOnAWarmDatabaseHitsMore) {
  options_.num = 3000;
  options_.json = true;
  const std::string cold = Run({"trace"});
  options_.use_existing_db = true;
  const std::string warm = Run({"trace"});
  ASSERT_TRUE(status_.ok()) << status_.ToString();
  const auto misses = [](const std::string& text) {
    return std::stoi(text.substr(text.find("\"misses\": ") + 10));
  };
  // The same requests again: what is missing now are keys that the first run deleted last.
  EXPECT_GT(misses(cold), 50);
  EXPECT_LT(misses(warm), misses(cold) / 2);
}

TEST_F(RunnerTest, TraceFileErrorsEndTheRun) {
  options_.trace = dir_.File("trace.csv");
  std::FILE* file = std::fopen(options_.trace.c_str(), "w");
  std::fputs("op,key,size\nget,1,10\nget,1,10\nget,2\nfetch,1,10\n", file);
  std::fclose(file);
  Run({"trace"});
  EXPECT_THAT(status_.ToString(), HasSubstr(options_.trace + ":5: unknown operation \"fetch\""));
  options_.reads = 3;
  EXPECT_THAT(Run({"trace"}), HasSubstr("(1 of 3 found)"));
  EXPECT_TRUE(status_.ok()) << status_.ToString();
}

TEST_F(RunnerTest, EmptyTraceIsAnError) {
  options_.trace = dir_.File("trace.csv");
  std::fclose(std::fopen(options_.trace.c_str(), "w"));
  Run({"trace"});
  EXPECT_THAT(status_.ToString(), HasSubstr(options_.trace + ": holds no request"));
}

}  // namespace
}  // namespace varve::bench
