// The command line of varve_ldb: what is a mistake of whoever typed it ends with status 2 and the
// usage, and touches nothing. Checklist I7.

#include <filesystem>
#include <ostream>
#include <streambuf>

#include "tests/tools/ldb_test_util.h"

namespace varve::ldb {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class CommandLine : public LdbTest {
 protected:
  void ExpectUsage(const std::vector<std::string>& arguments, const std::string& what) {
    const Outcome outcome = RunLine(arguments);
    EXPECT_EQ(outcome.exit, kExitUsage) << what;
    EXPECT_THAT(outcome.err, StartsWith("varve_ldb: " + what + "\n"));
    EXPECT_THAT(outcome.err, HasSubstr("usage: varve_ldb"));
    EXPECT_EQ(outcome.out, "");
    EXPECT_FALSE(std::filesystem::exists(path()));
  }
  std::string db() const { return "--db=" + path(); }
};

TEST_F(CommandLine, MistakesAreNamed) {
  ExpectUsage({}, "no command");
  ExpectUsage({db()}, "no command");
  ExpectUsage({db(), "frobnicate"}, "unknown command \"frobnicate\"");
  ExpectUsage({"get", "a"}, "--db=<directory> is missing");
  ExpectUsage({"put", "a", "1"}, "--db=<directory> is missing");
  ExpectUsage({"checkconsistency"}, "--db=<directory> is missing");
  ExpectUsage({"wal_dump"}, "--db=<directory> is missing");
  ExpectUsage({"segment_dump"}, "segment_dump: missing argument, it takes <file>");
  ExpectUsage({db(), "get"}, "get: missing argument, it takes <key>");
  ExpectUsage({db(), "put", "a"}, "put: missing argument, it takes <key> <value>");
  ExpectUsage({db(), "get", "a", "b"}, "get: \"b\" is one argument too many");
  ExpectUsage({db(), "batchput", "a", "1", "b", "--create_if_missing"},
              "a value is missing for the last key");
}

TEST_F(CommandLine, FlagsAreChecked) {
  ExpectUsage({db(), "scan", "--limits=3"}, "unknown flag --limits; did you mean --limit?");
  ExpectUsage({db(), "scan", "--frobnicate"}, "unknown flag --frobnicate");
  ExpectUsage({db(), "scan", "--nolimit"}, "unknown flag --nolimit; did you mean --limit?");
  ExpectUsage({db(), "scan", "--limit=many"}, "--limit=many: not a value of this flag");
  ExpectUsage({db(), "scan", "--limit=-1"}, "--limit=-1: not a value of this flag");
  ExpectUsage({db(), "scan", "--limit"}, "--limit needs a value");
  ExpectUsage({db(), "scan", "--reverse=perhaps"}, "--reverse=perhaps: not a value of this flag");
  ExpectUsage({db(), "get", "a", "--limit=3"}, "get takes no --limit");
  // gflags' own are none of ours: this one would read a file.
  ExpectUsage({db(), "--flagfile=x", "scan"}, "unknown flag --flagfile");
}

TEST_F(CommandLine, HexadecimalIsChecked) {
  for (const char* typed : {"0x1", "0xzz", "q"}) {
    ExpectUsage({db(), "get", "--hex", typed},
                "\"" + std::string(typed) + "\" is no hexadecimal number of whole bytes");
  }
  ExpectUsage({db(), "put", "--value_hex", "--create_if_missing", "zz", "0xzz"},
              "\"0xzz\" is no hexadecimal number of whole bytes");
  ExpectUsage({db(), "scan", "--key_hex", "--from=1"},
              "\"1\" is no hexadecimal number of whole bytes");
}

TEST_F(CommandLine, DestroyWantsToBeSure) {
  MakeDatabase();
  const auto before = Contents();
  const Outcome outcome = Run({"destroy"});
  EXPECT_EQ(outcome.exit, kExitUsage);
  EXPECT_THAT(outcome.err, HasSubstr("say --yes"));
  EXPECT_EQ(Contents(), before);
}

TEST_F(CommandLine, HelpIsNoMistake) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--help"}, {"-h"}, {"help"}}) {
    const Outcome outcome = RunLine(arguments);
    EXPECT_EQ(outcome.exit, kExitOk);
    EXPECT_EQ(outcome.err, "");
    for (const char* command :
         {"get", "put", "batchput", "delete", "deleterange", "scan", "approxsize", "compact",
          "segment_dump", "ghost_dump", "wal_dump", "dump_wal", "manifest_dump", "checkconsistency",
          "properties", "stats", "destroy"}) {
      EXPECT_THAT(outcome.out, HasSubstr(command));
    }
  }
  const Outcome scan = RunLine({"scan", "--help"});
  EXPECT_EQ(scan.exit, kExitOk);
  EXPECT_THAT(scan.out, HasSubstr("--reverse "));
  EXPECT_THAT(scan.out, HasSubstr("From the last key to the first."));
  EXPECT_EQ(scan.out.find("--yes"), std::string::npos);
}

// A flag of one command line must not be there in the next.
TEST_F(CommandLine, FlagsAreForgotten) {
  MakeDatabase();
  EXPECT_EQ(Run({"scan", "--hex", "--limit=1", "--reverse"}).out, "0x64 : 0x005C78\n");
  EXPECT_EQ(Run({"scan", "--limit", "1"}).out, "a : new\n");
  EXPECT_EQ(RunLine({"scan"}).exit, kExitUsage);
}

TEST_F(CommandLine, ArgumentsMayBeginWithADash) {
  make_.create_if_missing = true;
  Open().reset();
  EXPECT_EQ(Run({"put", "--", "-k", "--help"}).exit, kExitOk);
  EXPECT_EQ(Run({"get", "--", "-k"}).out, "--help\n");
  EXPECT_EQ(Run({"put", "-", ""}).exit, kExitOk);  // a dash alone is no flag
  EXPECT_EQ(Run({"scan", "--from", "-", "--to=-k"}).out, "- : \n");
}

TEST_F(CommandLine, AFullOutputIsAnError) {
  MakeDatabase();
  struct Full : std::streambuf {};  // takes nothing
  Full buffer;
  std::ostream out(&buffer);
  std::ostringstream err;
  EXPECT_EQ(ldb::Run({"--db=" + path(), "scan"}, base_, out, err), kExitFailed);
  EXPECT_EQ(err.str(), "varve_ldb: IOError: the output could not be written\n");
}

}  // namespace
}  // namespace varve::ldb
