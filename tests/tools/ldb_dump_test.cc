// The commands that print one kind of file: what they show, of damaged files too.

#include <sys/stat.h>

#include <chrono>
#include <memory>
#include <sstream>
#include <string>

#include "tests/support/fixed_wall_clock.h"
#include "tests/tools/ldb_test_util.h"

namespace varve::ldb {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class DumpTest : public LdbTest {
 protected:
  DumpTest() { MakeDatabase(); }
  std::string segment(size_t i) const { return Files(FileType::kSegment).at(i); }
  std::string log() const { return Files(FileType::kLog).back(); }
};

TEST_F(DumpTest, Segment) {
  const Outcome outcome = RunLine({"segment_dump", segment(1)});
  EXPECT_EQ(outcome.exit, kExitOk) << outcome.err;
  EXPECT_THAT(outcome.out, StartsWith("segment " + segment(1) + "\n"));
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("  entries: 2\n"), HasSubstr("  deletes: 1\n"),
                                 HasSubstr("  sequences: 3 to 4\n")));
  EXPECT_THAT(outcome.out, Not(HasSubstr("block 0")));
  const Outcome blocks = RunLine({"segment_dump", segment(1), "--blocks"});
  EXPECT_THAT(blocks.out, AllOf(HasSubstr("block 0: offset 0"), Not(HasSubstr("\"new\""))));
  const Outcome entries = RunLine({"segment_dump", segment(1), "--entries"});
  EXPECT_THAT(entries.out, AllOf(HasSubstr("  \"a\" @ 3 value = \"new\"\n"),
                                 HasSubstr("  \"b\" @ 4 delete = \"\"\n")));
}

TEST_F(DumpTest, DamagedSegment) {
  FlipByte(segment(0), 5);
  const Outcome outcome = RunLine({"segment_dump", segment(0), "--entries"});
  EXPECT_EQ(outcome.exit, kExitFailed);
  EXPECT_THAT(outcome.out, HasSubstr("  entries: 2\n"));
  EXPECT_THAT(outcome.out, HasSubstr("block 0: Corruption: "));
  EXPECT_THAT(outcome.err, StartsWith("varve_ldb: Corruption: " + segment(0)));
  // Without the blocks there is nothing wrong to see.
  EXPECT_EQ(RunLine({"segment_dump", segment(0)}).exit, kExitOk);
}

TEST_F(DumpTest, NoSegment) {
  for (const std::string& bytes : {std::string(), std::string(5000, 'x')}) {
    const std::string file = dir_.File("file");
    WriteFile(file, bytes);
    const Outcome outcome = RunLine({"segment_dump", file});
    EXPECT_EQ(outcome.exit, kExitFailed);
    EXPECT_THAT(outcome.err, StartsWith("varve_ldb: Corruption: " + file));
  }
  const Outcome missing = RunLine({"segment_dump", dir_.File("missing")});
  EXPECT_EQ(missing.exit, kExitFailed);
  EXPECT_THAT(missing.err, StartsWith("varve_ldb: NotFound: " + dir_.File("missing")));
}

TEST_F(DumpTest, Ghost) {
  const std::string file = "tests/golden/ghost-v1-example.ghost";
  const Outcome outcome = RunLine({"ghost_dump", file});
  EXPECT_EQ(outcome.exit, kExitOk) << outcome.err;
  EXPECT_THAT(outcome.out, StartsWith("ghost " + file + "\n"));
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("  segment number: 7\n"), HasSubstr("  keys: 3\n"),
                                 Not(HasSubstr("value")), Not(HasSubstr("cherry"))));
  const Outcome entries = RunLine({"ghost_dump", file, "--entries", "--bytes_max=3"});
  EXPECT_THAT(entries.out, AllOf(HasSubstr("  value 244, hashes from 0x5155555555555556\n"),
                                 HasSubstr("  \"c\" to \"che… (6 bytes)\" @ 300\n")));

  const std::string damaged = dir_.File("000007.ghost");
  WriteFile(damaged, ReadFile(file));
  FlipByte(damaged, 5);
  const Outcome refused = RunLine({"ghost_dump", damaged});
  EXPECT_EQ(refused.exit, kExitFailed);
  EXPECT_THAT(refused.err, StartsWith("varve_ldb: Corruption: " + damaged));
  const Outcome missing = RunLine({"ghost_dump", dir_.File("missing")});
  EXPECT_THAT(missing.err, StartsWith("varve_ldb: NotFound: " + dir_.File("missing")));
}

TEST_F(DumpTest, Log) {
  const Outcome outcome = RunLine({"wal_dump", log()});
  EXPECT_EQ(outcome.exit, kExitOk) << outcome.err;
  EXPECT_THAT(outcome.out, StartsWith(log() + "\n  header at 0: version 1, number "));
  EXPECT_THAT(outcome.out, HasSubstr("  header at 4096: version 1, number "));
  EXPECT_THAT(outcome.out, ContainsRegex("  record at 8192: 22 bytes, previous [^,]+, durable "
                                         "[^,]+, 1 entries from sequence 5\n"
                                         "    put \"c\" = \"logged\"\n"));
  EXPECT_THAT(outcome.out, HasSubstr("    put \"d\" = \"\\x00\\x5cx\"\n"));
  const Outcome keys = RunLine({"dump_wal", log(), "--keys_only"});
  EXPECT_THAT(keys.out, AllOf(HasSubstr("    put \"c\"\n"), Not(HasSubstr("logged"))));
  const Outcome cut = RunLine({"wal_dump", log(), "--bytes_max=3"});
  EXPECT_THAT(cut.out, HasSubstr("\"log… (6 bytes)\"\n"));
}

// Each kind of put that expires, and before a batch the time by which its entries do.
TEST_F(DumpTest, TimesToLive) {
  using std::chrono::milliseconds;
  make_.env.clock = std::make_shared<FixedWallClock>();
  auto db = Open();
  WriteOptions for_100;
  for_100.ttl = milliseconds(100);
  ASSERT_TRUE(db->Put(for_100, "e", "single").ok());
  WriteBatch batch;
  ASSERT_TRUE(batch.Put("f", "plain").ok());
  ASSERT_TRUE(batch.Put("g", "own", milliseconds(50)).ok());
  ASSERT_TRUE(batch.Put("h", "kept", kNoTtl).ok());
  ASSERT_TRUE(batch.PutUntil("i", "fixed", 1'800'000'000'000).ok());
  ASSERT_TRUE(db->Write(for_100, batch).ok());
  ASSERT_TRUE(db->Write({}, batch).ok());
  ASSERT_TRUE(db->Put({}, "j", "ever").ok());
  ASSERT_TRUE(db->Close().ok());

  // Where records lie is not for this test, nor what the logs before hold.
  const auto entries = [](const std::string& out) {
    std::istringstream lines(out);
    std::string line, shown;
    while (std::getline(lines, line)) {
      if (line.rfind("    ", 0) == 0) shown += line.substr(4) + "\n";
    }
    return shown;
  };
  EXPECT_THAT(entries(Run({"wal_dump"}).out),
              HasSubstr("put \"e\" = \"single\" until 1700000000100 ms\n"
                        "committed at 1700000000000 ms, plain puts for 100 ms\n"
                        "put \"f\" = \"plain\"\n"
                        "put \"g\" = \"own\" for 50 ms\n"
                        "put \"h\" = \"kept\" for ever\n"
                        "put \"i\" = \"fixed\" until 1800000000000 ms\n"
                        "committed at 1700000000000 ms, plain puts for ever\n"
                        "put \"f\" = \"plain\"\n"
                        "put \"g\" = \"own\" for 50 ms\n"
                        "put \"h\" = \"kept\" for ever\n"
                        "put \"i\" = \"fixed\" until 1800000000000 ms\n"
                        "put \"j\" = \"ever\"\n"));
  EXPECT_THAT(entries(Run({"wal_dump", "--keys_only"}).out),
              HasSubstr("put \"e\" until 1700000000100 ms\n"
                        "committed at 1700000000000 ms, plain puts for 100 ms\n"
                        "put \"f\"\n"
                        "put \"g\" for 50 ms\n"));
}

TEST_F(DumpTest, RangeTombstonesAndOperands) {
  class Last final : public MergeOperator {
   public:
    const char* Name() const override { return "test.Last"; }
    bool FullMerge(Slice, const Slice*, std::span<const Slice> operands,
                   std::string* result) const override {
      result->assign(operands.back());
      return true;
    }
  };
  make_.merge_operator = std::make_shared<Last>();
  auto db = Open();
  ASSERT_TRUE(db->DeleteRange({}, "a", "c").ok());
  ASSERT_TRUE(db->Merge({}, "m", "operand").ok());
  db.reset();
  const Outcome logs = Run({"wal_dump"});
  EXPECT_THAT(logs.out, HasSubstr("    delete from \"a\" to \"c\"\n"));
  EXPECT_THAT(logs.out, HasSubstr("    merge \"m\" with \"operand\"\n"));
  EXPECT_THAT(Run({"wal_dump", "--keys_only"}).out, Not(HasSubstr("operand")));

  ASSERT_EQ(Run({"deleterange", "x", "z"}).out, "OK\n");  // makes a segment of the log
  const Outcome segment = RunLine({"segment_dump", Files(FileType::kSegment).back(), "--entries"});
  EXPECT_EQ(segment.exit, kExitOk) << segment.err;
  EXPECT_THAT(segment.out, HasSubstr("  range tombstones: 1\n"));
  EXPECT_THAT(segment.out, HasSubstr("range tombstones\n  \"a\" to \"c\" @ "));
  EXPECT_THAT(segment.out, HasSubstr("  merge operands: 1\n"));
  EXPECT_THAT(segment.out, ContainsRegex("  \"m\" @ [0-9]+ merge = \"operand\"\n"));
  const Outcome manifest = Run({"manifest_dump"});
  EXPECT_THAT(manifest.out, HasSubstr("flags 0x0000000000000010"));
  EXPECT_THAT(Run({"checkconsistency"}).out, HasSubstr("1 range tombstones"));
  ASSERT_EQ(Run({"put", "y", "1"}).out, "OK\n");  // makes one of the tombstone alone
  EXPECT_THAT(Run({"manifest_dump"}).out, HasSubstr(" … before \"z\"\n"));
  EXPECT_EQ(Run({"deleterange", "z", "x"}).exit, kExitFailed);
}

TEST_F(DumpTest, EveryLogOfADirectory) {
  auto db = Open();  // a second log; the first may wait to be removed
  ASSERT_TRUE(db->Delete({}, "c").ok());
  db.reset();
  const Outcome outcome = Run({"wal_dump"});
  EXPECT_EQ(outcome.exit, kExitOk) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("    delete \"c\"\n"));
  size_t at = 0;
  for (const std::string& file : Files(FileType::kLog)) {  // all of them, by number
    const size_t next = outcome.out.find(file + "\n");
    ASSERT_NE(next, std::string::npos) << file;
    EXPECT_GE(next, at);
    at = next;
  }
  EXPECT_EQ(RunLine({"wal_dump", path()}).out, outcome.out);
}

TEST_F(DumpTest, DamagedLog) {
  const std::string bytes = ReadFile(log());
  const size_t value = bytes.find("logged");
  ASSERT_NE(value, std::string::npos);
  FlipByte(log(), value);
  FlipByte(log(), 20);  // of the first header
  const Outcome outcome = RunLine({"wal_dump", log()});
  EXPECT_EQ(outcome.exit, kExitOk) << outcome.err;  // it judges nothing
  EXPECT_THAT(outcome.out, HasSubstr("  header at 0: !! "));
  EXPECT_THAT(outcome.out, HasSubstr("    !! "));
  EXPECT_THAT(outcome.out, Not(HasSubstr("\"c\"")));
  EXPECT_THAT(outcome.out, HasSubstr("    put \"d\" = "));  // what is behind it is shown
}

TEST_F(DumpTest, NoLog) {
  const std::string file = dir_.File("file");
  WriteFile(file, std::string(20000, 'x'));
  const Outcome outcome = RunLine({"wal_dump", file});
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("header at 0: !! "), HasSubstr("header at 4096: !! "),
                                 HasSubstr("no record from 8192 to 20000")));
  const Outcome missing = RunLine({"wal_dump", dir_.File("missing")});
  EXPECT_EQ(missing.exit, kExitFailed);
  EXPECT_THAT(missing.err, StartsWith("varve_ldb: NotFound: " + dir_.File("missing")));
  ASSERT_EQ(mkdir(dir_.File("empty").c_str(), 0755), 0);
  const Outcome empty = RunLine({"wal_dump", dir_.File("empty")});
  EXPECT_EQ(empty.exit, kExitOk);
  EXPECT_EQ(empty.out, "");
}

TEST_F(DumpTest, Manifest) {
  const Outcome outcome = Run({"manifest_dump"});
  EXPECT_EQ(outcome.exit, kExitOk) << outcome.err;
  EXPECT_THAT(
      outcome.out,
      AllOf(HasSubstr("root in page 0: generation "), HasSubstr("root in page 1: generation "),
            HasSubstr("2 entries (1 deletes), sequences 3…4"), HasSubstr("no damage found")));
  EXPECT_EQ(RunLine({"manifest_dump", path()}).out, outcome.out);
  EXPECT_EQ(RunLine({"manifest_dump", path() + "/MANIFEST"}).out, outcome.out);
  const Outcome missing = RunLine({"manifest_dump", dir_.File("missing")});
  EXPECT_EQ(missing.exit, kExitFailed);
  EXPECT_THAT(missing.err, HasSubstr(dir_.File("missing") + "/MANIFEST"));
}

TEST_F(DumpTest, DamagedManifest) {
  FlipByte(path() + "/MANIFEST", 60);
  const Outcome one = Run({"manifest_dump"});
  EXPECT_EQ(one.exit, kExitOk) << one.err;  // the other root says it all
  EXPECT_THAT(one.out, HasSubstr("root in page 0: not valid"));
  FlipByte(path() + "/MANIFEST", 4096 + 60);
  const Outcome both = Run({"manifest_dump"});
  EXPECT_EQ(both.exit, kExitFailed);
  EXPECT_THAT(both.out, HasSubstr("root in page 1: not valid"));
  EXPECT_THAT(both.err, StartsWith("varve_ldb: Corruption: " + path() + "/MANIFEST"));
}

}  // namespace
}  // namespace varve::ldb
