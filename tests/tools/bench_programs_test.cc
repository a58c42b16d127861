// The programs as a shell sees them: exit status, standard output, standard error.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <string>

#include "tests/support/temp_dir.h"

namespace varve::bench {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

constexpr char kBench[] = "tools/varve_bench";
constexpr char kCompare[] = "tools/bench_compare";

// Runs a command of the shell; both outputs go to *output.
int Shell(const std::string& command, std::string* output) {
  output->clear();
  std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  char buffer[4096];
  for (size_t got; (got = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0;) {
    output->append(buffer, got);
  }
  const int status = pclose(pipe);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class ProgramsTest : public ::testing::Test {
 protected:
  std::string Database() const { return " --db=" + dir_.File("db"); }

  TempDir dir_;
  std::string output_;
};

TEST_F(ProgramsTest, UnknownFlagIsOneWithAHint) {
  EXPECT_EQ(Shell(std::string(kBench) + " --cache_sise=1", &output_), 1);
  EXPECT_THAT(output_, HasSubstr("unknown flag --cache_sise; did you mean --cache_size?"));
  EXPECT_THAT(output_, HasSubstr("Try varve_bench --help"));
  EXPECT_EQ(Shell(std::string(kBench) + " --num=many", &output_), 1);
  EXPECT_THAT(output_, HasSubstr("'many'"));
}

TEST_F(ProgramsTest, HelpListsTheFlags) {
  EXPECT_EQ(Shell(std::string(kBench) + " --help", &output_), 0);
  EXPECT_THAT(output_, HasSubstr("readwhilewriting"));
  EXPECT_THAT(output_, HasSubstr("-compression_type"));
}

TEST_F(ProgramsTest, ReplaysStandardInput) {
  EXPECT_EQ(Shell("printf 'get,1,10\\nget,1,10\\n' | " + std::string(kBench) +
                      " --benchmarks=trace --json --trace=-" + Database(),
                  &output_),
            0);
  EXPECT_THAT(output_, HasSubstr("\"source\": \"standard input\""));
  EXPECT_THAT(output_, HasSubstr("\"requests\": 2, "));
  EXPECT_THAT(output_, HasSubstr("\"hits\": 1, "));
  EXPECT_EQ(output_.find('\r'), std::string::npos) << "no progress bar without a terminal";
}

TEST_F(ProgramsTest, BadTraceLineIsOneAndNamed) {
  EXPECT_EQ(Shell("printf 'get,1,10\\nget\\n' | " + std::string(kBench) +
                      " --benchmarks=trace --trace=-" + Database(),
                  &output_),
            1);
  EXPECT_THAT(output_, HasSubstr("standard input:2: no key"));
}

TEST_F(ProgramsTest, CompareMakesATable) {
  // The bench against itself, under the name of the other.
  EXPECT_EQ(Shell(std::string(kCompare) + " --rounds=2 --num=500 --dir=" + dir_.path() +
                      " --varve_bench=" + kBench + " --db_bench=" + kBench,
                  &output_),
            0);
  for (const char* benchmark :
       {"fillseq", "fillrandom", "readrandom", "readmissing", "readseq", "seekrandom"}) {
    EXPECT_THAT(output_, ContainsRegex("\\| " + std::string(benchmark) +
                                       " \\| [0-9,]+ \\([0-9,]+ to [0-9,]+\\) \\| [0-9,]+ "
                                       "\\([0-9,]+ to [0-9,]+\\) \\| [*]{2}[0-9.]+[*]{2} \\|\n"))
        << output_;
  }
}

TEST_F(ProgramsTest, CompareMeasuresSustainedLoads) {
  const std::string results = dir_.path() + "/results.jsonl";
  EXPECT_EQ(Shell(std::string(kCompare) +
                      " --sustained --rounds=1 --num=2000 --style=tiered --read-seconds=1" +
                      " --dir=" + dir_.path() + " --results=" + results +
                      " --varve_bench=" + kBench + " --db_bench=" + kBench,
                  &output_),
            0)
      << output_;
  for (const char* row : {"overwrite, ops/s", "overwrite, p99.9 in us", "overwrite, longest in us",
                          "overwrite, peak memory in MB", "readwhilewriting, reads/s",
                          "readwhilewriting, writes/s", "memory budget in MB"}) {
    EXPECT_THAT(output_, ContainsRegex("\\| " + std::string(row) + " \\| [0-9,.]+ \\([0-9,.]+ to "))
        << output_;
  }
  // Both runs of keys are in segments, none of it merged yet or all of it.
  EXPECT_THAT(output_, ContainsRegex("\\| write amplification \\| [01][.][0-9]+ "));
  EXPECT_THAT(output_, ContainsRegex("\\| space amplification \\| [012][.][0-9]+ "));
  EXPECT_THAT(output_, HasSubstr("--compaction_style=1"));

  // What was measured is kept: the table comes again without a program to run.
  const std::string table = output_.substr(output_.find("Machine: "));
  EXPECT_EQ(Shell(std::string(kCompare) + " --sustained --summarize --results=" + results +
                      " --db_bench=/bin/false",
                  &output_),
            0)
      << output_;
  EXPECT_EQ(output_, table);
}

TEST_F(ProgramsTest, CompareStopsWhereAProgramFails) {
  EXPECT_NE(Shell(std::string(kCompare) + " --rounds=1 --num=500 --dir=" + dir_.path() +
                      " --varve_bench=" + kBench + " --db_bench=/bin/false",
                  &output_),
            0);
  EXPECT_THAT(output_, HasSubstr("exit status 1"));
}

}  // namespace
}  // namespace varve::bench
