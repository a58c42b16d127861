// What is printed, to the character.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tools/bench/cache_report.h"
#include "tools/bench/json_object.h"
#include "tools/bench/progress_bar.h"
#include "tools/bench/report.h"
#include "tools/bench/text_format.h"
#include "tools/bench/trace_report.h"

namespace varve::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ThreadStats Stats(uint64_t operations, uint64_t bytes, double seconds) {
  ThreadStats stats;
  stats.operations = operations;
  stats.bytes = bytes;
  stats.started_nanos = 5;
  stats.finished_nanos = 5 + static_cast<uint64_t>(seconds * 1e9);
  stats.busy_seconds = seconds;
  return stats;
}

TEST(ResultLine, IsDbBenchs) {
  // As db_bench 7.8.3 prints them.
  EXPECT_EQ(ResultLine("fillseq", Stats(3000000, 348000000, 7.1214)),
            "fillseq      :       2.374 micros/op 421265 ops/sec 7.121 seconds 3000000 operations;"
            "   46.6 MB/s\n");
  ThreadStats read = Stats(100000, 7332476, 0.1354);
  read.counts_found = true;
  read.found = 63211;
  read.sought = 100000;
  EXPECT_EQ(ResultLine("readrandom", read),
            "readrandom   :       1.354 micros/op 738552 ops/sec 0.135 seconds 100000 operations;"
            "   51.6 MB/s (63211 of 100000 found)\n");
  read.bytes = read.found = 0;
  EXPECT_EQ(ResultLine("readmissing", read),
            "readmissing  :       1.354 micros/op 738552 ops/sec 0.135 seconds 100000 operations; "
            "(0 of 100000 found)\n");
}

// Checklist I7: latency is that of a thread's operation, throughput that of all threads.
TEST(ThreadStats, LatencyIsPerOperationAndThroughputPerTime) {
  ThreadStats total;
  total.Merge(Stats(1000, 0, 2));
  total.Merge(Stats(1000, 0, 2));
  EXPECT_DOUBLE_EQ(total.MicrosPerOperation(), 2000);
  EXPECT_DOUBLE_EQ(total.OperationsPerSecond(), 1000);
}

TEST(ThreadStats, BackgroundThreadsDoNotCount) {
  ThreadStats writer = Stats(77, 77, 9);
  writer.background = true;
  ThreadStats total;
  total.Merge(writer);
  total.Merge(Stats(10, 20, 1));
  EXPECT_EQ(total.operations, 10u);
  EXPECT_DOUBLE_EQ(total.ElapsedSeconds(), 1);
}

TEST(HistogramText, IsInMicroseconds) {
  Histogram histogram;
  for (uint64_t i = 1; i <= 1000; ++i) histogram.Add(i * 1000);
  const std::string text = HistogramText("read", histogram);
  EXPECT_THAT(text, HasSubstr("Microseconds per read:\nCount: 1000 Average: 500.5000\n"));
  EXPECT_THAT(text, HasSubstr("Min: 1.000  Median: "));
}

TEST(Intervals, AreSummarised) {
  EXPECT_EQ(IntervalsText(Summarised({})), "");
  EXPECT_EQ(IntervalsText(Summarised({300, 0, 200})),
            "Intervals: 3  ops/sec: Min: 0  Median: 200  Max: 300\n");
  JsonObject json;
  AddIntervals(Summarised({2, 1}), &json);
  EXPECT_EQ(
      json.ToString(),
      "{\"intervals\": 2, \"interval_ops_per_sec_min\": 1, \"interval_ops_per_sec_median\": 2, "
      "\"interval_ops_per_sec_max\": 2}");
}

TEST(Amplification, IsARatioToWhatWasGiven) {
  Amplification measured;
  measured.user_bytes = 100;
  measured.flush_bytes = 90;
  measured.compaction_bytes = 210;
  measured.segment_bytes = 55;
  measured.live_bytes = 50;
  EXPECT_DOUBLE_EQ(measured.write(), 3);
  EXPECT_DOUBLE_EQ(measured.space(), 1.1);
  EXPECT_TRUE(std::isnan(Amplification().write()));
}

TEST(JsonObject, EscapesAndKeepsTheOrder) {
  JsonObject json;
  json.Add("n", uint64_t{18446744073709551615u});
  json.Add("x", 0.25);
  json.Add("nan", std::nan(""));
  json.Add("s", "a\"b\\c\n");
  EXPECT_EQ(
      json.ToString(),
      "{\"n\": 18446744073709551615, \"x\": 0.25, \"nan\": null, \"s\": \"a\\\"b\\\\c\\u000a\"}");
}

TEST(TextFormat, ThreeDigits) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(999), "999 B");
  EXPECT_EQ(HumanBytes(1000), "1.00 kB");
  EXPECT_EQ(HumanBytes(45.64e6), "45.6 MB");
  EXPECT_EQ(HumanBytes(999.7e6), "1.00 GB");
  EXPECT_EQ(HumanCount(412345), "412 k");
  EXPECT_EQ(WithCommas(7), "7");
  EXPECT_EQ(WithCommas(123), "123");
  EXPECT_EQ(WithCommas(1234), "1,234");
  EXPECT_EQ(WithCommas(1234567), "1,234,567");
  EXPECT_EQ(HumanDuration(6.2), "0:07");
  EXPECT_EQ(HumanDuration(754), "12:34");
  EXPECT_EQ(HumanDuration(3723), "1:02:03");
}

TEST(Progress, ShowsBarRateAndTimeLeft) {
  EXPECT_EQ(RenderProgress({0.25, 250000, 5}, 80),
            "[########...........................]  25 %  250 k requests, 50.0 k/s, 0:15 left");
  EXPECT_EQ(RenderProgress({-1, 1500, 3}, 80), "1.50 k requests, 500/s");
}

TEST(Progress, FitsNarrowTerminals) {
  for (int columns = 1; columns < 100; ++columns) {
    EXPECT_LE(RenderProgress({0.5, 123456789, 77}, columns).size(), static_cast<size_t>(columns));
  }
}

TEST(Progress, WithoutATerminalNothingIsDrawn) {
  std::FILE* file = std::tmpfile();
  {
    ProgressBar bar(file);
    EXPECT_FALSE(bar.Due(UINT64_MAX));
    bar.Draw({0.5, 1, 1}, 1);
  }
  EXPECT_EQ(std::ftell(file), 0);
  std::fclose(file);
}

TraceResult SomeResult() {
  TraceResult result;
  result.source = "trace.csv";
  result.counts.gets = 100;
  result.counts.hits = 60;
  result.counts.misses = 40;
  result.counts.hit_bytes = 600;
  result.counts.miss_bytes = 200;
  result.counts.written_bytes = 1000;
  result.counts.seconds = 0.5;
  result.wal_bytes = 1100;
  result.flush_bytes = 900;
  result.manifest_bytes = 50;
  result.disk_bytes_max = 4096;
  return result;
}

TEST(TraceReport, WriteAmplificationCountsLogSegmentsAndManifest) {
  EXPECT_DOUBLE_EQ(SomeResult().write_amplification(), 2.05);
  TraceResult nothing_written;
  EXPECT_TRUE(std::isnan(nothing_written.write_amplification()));
}

CacheReport SomeCache() {
  CacheReport report;
  report.capacity_bytes = 1000000;
  report.used_bytes = 900000;
  report.hits = {75, 25, 7500, 10, 1000};
  report.misses[static_cast<size_t>(MissReason::kAbsent)] = 20;
  report.misses[static_cast<size_t>(MissReason::kGhost)] = 5;
  report.given_bytes = 1000;
  report.log_bytes = 1100;
  report.file_bytes = 950;
  return report;
}

TEST(CacheReport, TellsHitsReasonsAndAmplification) {
  EXPECT_EQ(SomeCache().explained(), 25u);
  const std::string text = CacheText(SomeCache());
  EXPECT_THAT(text, HasSubstr("1.00 MB   900 kB used (90.0 %)"));
  EXPECT_THAT(text, HasSubstr("0.7500   of 100 gets; 0.7500 of their bytes\n"));
  EXPECT_THAT(text, HasSubstr("absent                   20   misses: never written"));
  EXPECT_THAT(text, HasSubstr("ghost                     5   misses: evicted with"));
  EXPECT_THAT(text, HasSubstr("2.0500   log included, 0.9500 without"));
  EXPECT_THAT(text, Not(HasSubstr("quarantined")));
  // Nothing was read or written: nothing is said of it.
  EXPECT_THAT(CacheText({}), Not(HasSubstr("hit ratio")));
  EXPECT_THAT(CacheText({}), Not(HasSubstr("write amplification")));
}

TEST(CacheReport, JsonHasWhatScriptsRelyOn) {
  JsonObject json;
  AddCache(SomeCache(), &json);
  const std::string text = json.ToString();
  for (const char* member :
       {"\"cache_capacity_bytes\": 1000000", "\"used_bytes\": 900000", "\"hit_ratio\": 0.75",
        "\"byte_hit_ratio\": 0.75", "\"miss_absent\": 20", "\"miss_ghost\": 5", "\"miss_reset\": 0",
        "\"write_amplification_with_log\": 2.05", "\"write_amplification_without_log\": 0.95"}) {
    EXPECT_THAT(text, HasSubstr(member));
  }
}

TEST(TraceReport, JsonHasWhatScriptsRelyOn) {
  JsonObject json;
  AddTrace(SomeResult(), &json);
  const std::string text = json.ToString();
  for (const char* member :
       {"\"requests\": 100", "\"hits\": 60", "\"misses\": 40", "\"miss_ratio\": 0.4",
        "\"byte_miss_ratio\": 0.25", "\"ops_per_sec\": 200", "\"write_amplification\": 2.05",
        "\"disk_bytes_max\": 4096"}) {
    EXPECT_THAT(text, HasSubstr(member));
  }
}

TEST(TraceReport, MergesCountAsWritten) {
  TraceResult result = SomeResult();
  result.compaction_bytes = 500;
  EXPECT_DOUBLE_EQ(result.write_amplification(), 2.55);
}

// Checklist E13: all files count.
TEST(TraceReport, ACapacityThatIsPassedIsAFailure) {
  TraceResult result = SomeResult();
  EXPECT_THAT(TraceText(result), Not(HasSubstr("capacity")));
  result.capacity_bytes = 4096;
  result.data_bytes_max = 3000;
  EXPECT_FALSE(result.failed());
  EXPECT_THAT(TraceText(result), HasSubstr("capacity"));
  EXPECT_THAT(TraceText(result), HasSubstr("segments and ghosts took 3.00 kB at most"));
  EXPECT_THAT(TraceText(result), Not(HasSubstr("DEFECT")));
  result.capacity_bytes = 4095;
  EXPECT_TRUE(result.failed());
  EXPECT_THAT(TraceText(result), HasSubstr("DEFECT"));
  EXPECT_THAT(TraceFailure(result), HasSubstr("passed the capacity"));
}

TEST(TraceReport, SaysWhatWentWrong) {
  TraceResult result = SomeResult();
  EXPECT_FALSE(result.failed());
  EXPECT_THAT(TraceText(result), Not(HasSubstr("DEFECT")));
  result.counts.wrong = 2;
  EXPECT_TRUE(result.failed());
  EXPECT_THAT(TraceText(result), HasSubstr("DEFECT"));
  EXPECT_THAT(TraceFailure(result), HasSubstr("2 values"));
  result.counts.wrong = 0;
  result.counts.lost = 1;
  EXPECT_TRUE(result.failed());
  result.counts.lost = 0;
  result.counts.unexplained = 3;
  EXPECT_TRUE(result.failed());
  EXPECT_THAT(TraceFailure(result), HasSubstr("3 misses had no reason"));
}

}  // namespace
}  // namespace varve::bench
