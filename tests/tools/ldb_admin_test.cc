// Properties, statistics, and the end of a database.

#include <chrono>
#include <filesystem>

#include "tests/tools/ldb_test_util.h"

namespace varve::ldb {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(LdbTest, OneProperty) {
  MakeDatabase();
  EXPECT_EQ(Run({"properties", "last-sequence"}).out, "varve.last-sequence: 6\n");
  EXPECT_EQ(Run({"get_property", "varve.last-sequence"}).out, "varve.last-sequence: 6\n");
  EXPECT_THAT(Run({"properties", "segments"}).out, HasSubstr("varve.segments:\nsegment "));
  const Outcome unknown = Run({"properties", "colour"});
  EXPECT_EQ(unknown.exit, kExitFailed);
  EXPECT_EQ(unknown.err, "varve_ldb: InvalidArgument: no property \"varve.colour\"\n");
}

TEST_F(LdbTest, AllProperties) {
  MakeDatabase();
  const Outcome outcome = Run({"properties"});
  EXPECT_EQ(outcome.exit, kExitOk) << outcome.err;
  // Recovery made a segment of the log.
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("varve.num-segments: 3\n"), HasSubstr("varve.durable-position: "),
                    HasSubstr("varve.background-error: \n")));
}

TEST_F(LdbTest, Stats) {
  MakeDatabase();
  const Outcome outcome = Run({"stats"});
  EXPECT_EQ(outcome.exit, kExitOk) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("num-segments: 3\n"), HasSubstr("num-entries: 6\n"),
                                 HasSubstr("2 entries, 1 deletes, sequences 3 to 4\n")));
}

TEST_F(LdbTest, Destroy) {
  MakeDatabase();
  WriteFile(path() + "/notes.txt", "mine");
  const Outcome outcome = Run({"destroy", "--yes"});
  EXPECT_EQ(outcome.exit, kExitOk) << outcome.err;
  EXPECT_EQ(outcome.out, "OK\n");
  EXPECT_TRUE(Files(FileType::kManifest).empty());
  EXPECT_EQ(ReadFile(path() + "/notes.txt"), "mine");
  const Outcome again = Run({"destroy", "--yes"});
  EXPECT_EQ(again.exit, kExitFailed);
  EXPECT_THAT(again.err, HasSubstr("varve_ldb: NotFound: " + path()));
}

TEST_F(LdbTest, ResetClock) {
  WriteOptions for_an_hour;
  for_an_hour.ttl = std::chrono::hours(1);
  auto db = Open();
  ASSERT_TRUE(db->Put(for_an_hour, "a", "1").ok());
  EXPECT_THAT(Run({"reset-clock", "--yes"}).err, HasSubstr("varve_ldb: Busy"));
  ASSERT_TRUE(db->Close().ok());
  EXPECT_EQ(Run({"get", "a"}).out, "1\n");
  // Years ahead, and back before anybody opened it: an open drops what has expired.
  const Outcome ahead = Run({"reset-clock", "4000000000000", "--yes"});
  EXPECT_EQ(ahead.exit, kExitOk) << ahead.err;
  EXPECT_THAT(ahead.out, HasSubstr(" -> 4000000000000 ms\nOK\n"));
  const Outcome back = Run({"reset-clock", "--yes"});
  EXPECT_THAT(back.out, HasSubstr("clock mark 4000000"));
  EXPECT_EQ(Run({"get", "a"}).out, "1\n");
  EXPECT_EQ(Run({"reset-clock", "4000000000000", "--yes"}).exit, kExitOk);
  EXPECT_THAT(Run({"get", "a"}).err, HasSubstr("NotFound"));
  EXPECT_EQ(Run({"reset-clock", "--yes"}).exit, kExitOk);

  EXPECT_EQ(Run({"reset-clock"}).exit, kExitUsage);
  EXPECT_EQ(Run({"reset-clock", "--yes", "today"}).exit, kExitUsage);
  EXPECT_EQ(Run({"reset-clock", "--yes", "0"}).exit, kExitUsage);
  EXPECT_THAT(RunLine({"--db=" + dir_.File("none"), "reset-clock", "--yes"}).err,
              HasSubstr("NotFound"));
}

TEST_F(LdbTest, DestroyOfAnOpenDatabase) {
  MakeDatabase();
  auto db = Open();
  EXPECT_THAT(Run({"destroy", "--yes"}).err, HasSubstr("varve_ldb: Busy"));
  std::string value;
  EXPECT_TRUE(db->Get({}, "a", &value).ok());
}

TEST_F(LdbTest, IngestTakesInWhatSegmentWriteMade) {
  MakeDatabase();
  const std::string file = dir_.File("in.seg");
  EXPECT_EQ(RunLine({"segment_write", file, "a", "ingested", "e", "5"}).out, "OK\n");
  EXPECT_EQ(RunLine({"segment_write", file, "b", "2", "c", "1"}).exit, kExitFailed);  // it exists
  EXPECT_EQ(RunLine({"segment_write", dir_.File("x"), "b", "2", "a", "1"}).exit, kExitFailed);
  EXPECT_EQ(RunLine({"segment_write", dir_.File("x"), "b", "1", "c"}).exit, kExitUsage);
  EXPECT_EQ(Run({"ingest", "--oldest", file}).out, "OK\n");
  EXPECT_EQ(Run({"get", "a"}).out, "new\n");
  EXPECT_EQ(Run({"get", "e"}).out, "5\n");
  EXPECT_EQ(Run({"ingest", "--move", file}).out, "OK\n");
  EXPECT_EQ(Run({"get", "a"}).out, "ingested\n");
  EXPECT_EQ(Run({"ingest", file}).exit, kExitFailed);  // it was moved
}

TEST_F(LdbTest, CompactLeavesOneRun) {
  MakeDatabase();
  const std::string before = Run({"scan"}).out;
  EXPECT_EQ(Run({"put", "zz", "last"}).out, "OK\n");
  EXPECT_EQ(Run({"delete", "zz"}).out, "OK\n");
  EXPECT_EQ(Run({"compact", "--from=x", "--to=a"}).exit, kExitFailed);
  EXPECT_EQ(Run({"compact"}).out, "OK\n");
  EXPECT_EQ(Run({"properties", "num-sorted-runs"}).out, "varve.num-sorted-runs: 1\n");
  EXPECT_EQ(Run({"scan"}).out, before);
  EXPECT_EQ(Run({"compact", "--rewrite"}).out, "OK\n");
  EXPECT_EQ(Run({"checkconsistency"}).exit, kExitOk);
  EXPECT_EQ(Run({"scan"}).out, before);
}

TEST_F(LdbTest, CheckpointIsADatabase) {
  MakeDatabase();
  EXPECT_EQ(Run({"checkpoint", dir_.File("cp")}).out, "OK\n");
  EXPECT_EQ(RunLine({"scan", "--db=" + dir_.File("cp")}).out, Run({"scan"}).out);
  const Outcome again = Run({"checkpoint", dir_.File("cp")});
  EXPECT_EQ(again.exit, kExitFailed);
  EXPECT_EQ(again.err, "varve_ldb: InvalidArgument: " + dir_.File("cp") + ": not empty\n");
}

}  // namespace
}  // namespace varve::ldb
