// Commands on keys and values, against a real database.

#include "tests/support/comparators.h"
#include "tests/tools/ldb_test_util.h"

namespace varve::ldb {
namespace {

using ::testing::HasSubstr;

class DataCommandsTest : public LdbTest {
 protected:
  void ExpectFailure(const std::vector<std::string>& arguments, const std::string& line) {
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.exit, kExitFailed);
    EXPECT_EQ(outcome.err, "varve_ldb: " + line + "\n");
    EXPECT_EQ(outcome.out, "");
  }
  void ExpectOutput(const std::vector<std::string>& arguments, const std::string& out) {
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.exit, kExitOk) << outcome.err;
    EXPECT_EQ(outcome.out, out);
    EXPECT_EQ(outcome.err, "");
  }
};

TEST_F(DataCommandsTest, PutGetDelete) {
  ExpectOutput({"put", "--create_if_missing", "key", "value"}, "OK\n");
  ExpectOutput({"get", "key"}, "value\n");
  ExpectOutput({"put", "key", ""}, "OK\n");
  ExpectOutput({"get", "key"}, "\n");
  ExpectOutput({"delete", "key"}, "OK\n");
  ExpectFailure({"get", "key"}, "NotFound: no key key");
  ExpectOutput({"delete", "key"}, "OK\n");
}

TEST_F(DataCommandsTest, NothingIsCreatedUnasked) {
  const std::string missing =
      "InvalidArgument: " + path() + ": no such directory, and create_if_missing is not set";
  ExpectFailure({"get", "a"}, missing);
  ExpectFailure({"put", "a", "1"}, missing);
  ExpectFailure({"delete", "a"}, missing);
  ExpectFailure({"scan"}, missing);
}

TEST_F(DataCommandsTest, BatchPutIsOneBatch) {
  ExpectOutput({"batchput", "--create_if_missing", "a", "1", "b", "2", "a", "3"}, "OK\n");
  ExpectOutput({"scan"}, "a : 3\nb : 2\n");
  EXPECT_THAT(Run({"properties", "last-sequence"}).out, HasSubstr("varve.last-sequence: 3\n"));
}

// The database holds a@1, b@2 | a@3, b deleted @4 | c@5, d@6.
TEST_F(DataCommandsTest, ReadsAtASequence) {
  make_.history_retention_sequences = 100;
  MakeDatabase();
  ExpectOutput({"scan", "--at_sequence=4"}, "a : new\n");
  ExpectOutput({"scan", "--at_sequence=5", "--keys_only"}, "a\nc\n");
  ExpectFailure({"get", "--at_sequence", "4", "c"}, "NotFound: no key c");
  ExpectOutput({"get", "--at_sequence=2", "a"}, "old\n");
  const Outcome future = Run({"get", "--at_sequence=7", "a"});
  EXPECT_THAT(future.err, HasSubstr("InvalidArgument"));
  EXPECT_EQ(Run({"properties", "retained-sequence"}).out, "varve.retained-sequence: 0\n");
}

TEST_F(DataCommandsTest, ReadsNothingBelowTheRetainedSequence) {
  MakeDatabase();
  const Outcome old = Run({"get", "--at_sequence=1", "a"});
  EXPECT_EQ(old.exit, kExitFailed);
  EXPECT_THAT(old.err, HasSubstr("TooOld"));
}

TEST_F(DataCommandsTest, AKeyOverTheLimitIsRefused) {
  MakeDatabase();
  const Outcome outcome = Run({"put", std::string(WriteBatch::kKeyBytesMax + 1, 'k'), "v"});
  EXPECT_EQ(outcome.exit, kExitFailed);
  EXPECT_THAT(outcome.err, HasSubstr("InvalidArgument"));
}

TEST_F(DataCommandsTest, BytesThatDoNotPrint) {
  MakeDatabase();
  ExpectOutput({"get", "d"}, "\\x00\\\\x\n");
  ExpectOutput({"get", "d", "--value_hex"}, "0x005C78\n");
  ExpectOutput({"put", "--key_hex", "00ff", "0x1"}, "OK\n");
  ExpectOutput({"put", "--hex", "0x0A", "0X0b0C"}, "OK\n");
  ExpectOutput({"put", "--value_hex", "0x0A", "0x"}, "OK\n");
  ExpectOutput({"scan", "--to=0x0A"}, "\\x00\\xFF : 0x1\n\\x0A : \\x0B\\x0C\n");
  ExpectOutput({"scan", "--hex", "--to=0x30"}, "0x00FF : 0x307831\n0x0A : 0x0B0C\n");
  ExpectOutput({"get", "0x0A"}, "\n");
  ExpectFailure({"get", "--key_hex", "ee"}, "NotFound: no key 0xEE");
}

TEST_F(DataCommandsTest, ScanBoundsAndOrder) {
  ASSERT_EQ(Run({"batchput", "--create_if_missing", "a", "1", "b", "2", "c", "3", "d", "4"}).exit,
            kExitOk);
  ASSERT_EQ(Run({"delete", "c"}).exit, kExitOk);
  ExpectOutput({"scan"}, "a : 1\nb : 2\nd : 4\n");
  ExpectOutput({"scan", "--from=b"}, "b : 2\nd : 4\n");
  ExpectOutput({"scan", "--to=b"}, "a : 1\n");
  ExpectOutput({"scan", "--from=b", "--to=d"}, "b : 2\n");
  ExpectOutput({"scan", "--reverse"}, "d : 4\nb : 2\na : 1\n");
  ExpectOutput({"scan", "--reverse", "--to=d", "--limit=1"}, "b : 2\n");
  ExpectOutput({"scan", "--limit=2", "--keys_only"}, "a\nb\n");
  ExpectOutput({"scan", "--max_keys=2", "--no_value"}, "a\nb\n");  // as RocksDB calls them
  ExpectOutput({"scan", "--limit=0"}, "");
  ExpectOutput({"scan", "--to="}, "");  // nothing is before the empty key
  ExpectOutput({"scan", "--from=x"}, "");
}

TEST_F(DataCommandsTest, ScanStopsAtDamageWithAnError) {
  MakeDatabase();
  const std::string segment = Files(FileType::kSegment).at(0);
  FlipByte(segment, 0);
  const Outcome outcome = Run({"scan"});
  EXPECT_EQ(outcome.exit, kExitFailed);
  EXPECT_THAT(outcome.err, HasSubstr("varve_ldb: Corruption: " + segment));
  EXPECT_EQ(outcome.out.find("c :"), std::string::npos);
}

TEST_F(DataCommandsTest, ApproximateSize) {
  make_.compression = Compression::kNone;
  auto db = Open();
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(db->Put({}, "k" + std::to_string(1000 + i), std::string(100, 'v')).ok());
  }
  ASSERT_TRUE(db->Flush().ok());
  db.reset();
  const auto size = [this](std::vector<std::string> flags) {
    flags.insert(flags.begin(), "approxsize");
    const Outcome outcome = Run(flags);
    EXPECT_EQ(outcome.exit, kExitOk) << outcome.err;
    return std::stoul(outcome.out);
  };
  EXPECT_GE(size({}), 100'000u);
  EXPECT_NEAR(static_cast<double>(size({"--to=k1500"})), 53'000, 6000);
  EXPECT_NEAR(static_cast<double>(size({"--from=k1750"})), 26'500, 6000);
  EXPECT_EQ(size({"--from=x"}), 0u);
}

TEST_F(DataCommandsTest, ApproximateSizeOfNothing) {
  Open().reset();
  ExpectOutput({"approxsize"}, "0\n");
}

TEST_F(DataCommandsTest, ASecondOpenerIsTold) {
  MakeDatabase();
  auto db = Open();
  const Outcome outcome = Run({"get", "a"});
  EXPECT_EQ(outcome.exit, kExitFailed);
  EXPECT_THAT(outcome.err, HasSubstr("varve_ldb: Busy: " + path() + "/LOCK"));
}

TEST_F(DataCommandsTest, AnotherComparatorIsNamed) {
  make_.comparator = ReverseComparator();
  MakeDatabase();
  const Outcome outcome = Run({"get", "a"});
  EXPECT_EQ(outcome.exit, kExitFailed);
  EXPECT_THAT(outcome.err, HasSubstr("InvalidArgument"));
  EXPECT_THAT(outcome.err, HasSubstr("test.Reverse"));
  base_.comparator = ReverseComparator();
  ExpectOutput({"scan", "--keys_only"}, "d\nc\na\n");
}

}  // namespace
}  // namespace varve::ldb
