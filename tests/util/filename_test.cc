#include "util/filename.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace varve {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

TEST(FileName, MakesTheNamesOfTheArchitectureDocument) {
  EXPECT_EQ(LogFileName("/db", 12), "/db/000012.log");
  EXPECT_EQ(RecycledLogFileName("/db", 12), "/db/000012.recycled");
  EXPECT_EQ(SegmentFileName("/db", 13), "/db/000013.seg");
  EXPECT_EQ(SegmentFileName("/db", 1234567), "/db/1234567.seg");
  EXPECT_EQ(GhostFileName("/db", 13), "/db/000013.ghost");
  EXPECT_EQ(ManifestFileName("/db"), "/db/MANIFEST");
  EXPECT_EQ(ManifestTempFileName("/db"), "/db/MANIFEST.tmp");
  EXPECT_EQ(LockFileName("/db"), "/db/LOCK");
  EXPECT_EQ(ProbeFileName("/db"), "/db/PROBE");
}

TEST(FileName, JoinsWithOneSlash) {
  EXPECT_EQ(JoinPath("/db", "x"), "/db/x");
  EXPECT_EQ(JoinPath("/db/", "x"), "/db/x");
  EXPECT_EQ(JoinPath("/", "x"), "/x");
  EXPECT_EQ(JoinPath("", "x"), "x");
  EXPECT_EQ(ParentDirectory("/a/b"), "/a");
  EXPECT_EQ(ParentDirectory("a/b//"), "a");
  EXPECT_EQ(ParentDirectory("/b/"), "/");
  EXPECT_EQ(ParentDirectory("b"), ".");
  EXPECT_EQ(ParentDirectory("/"), "/");
}

TEST(FileName, ParsesWhatItMakes) {
  for (const uint64_t n : {uint64_t{0}, uint64_t{1}, uint64_t{999999}, uint64_t{1000000}, kMax}) {
    const struct {
      std::string name;
      FileType type;
    } cases[] = {{LogFileName("", n), FileType::kLog},
                 {RecycledLogFileName("", n), FileType::kRecycledLog},
                 {SegmentFileName("", n), FileType::kSegment},
                 {GhostFileName("", n), FileType::kGhost}};
    for (const auto& expected : cases) {
      FileNumber number = n + 1;
      FileType type = FileType::kLock;
      ASSERT_TRUE(ParseFileName(expected.name, &number, &type)) << expected.name;
      EXPECT_EQ(number, n);
      EXPECT_EQ(type, expected.type);
      EXPECT_EQ(FileName("", {expected.type, n}), expected.name);
    }
  }
  const struct {
    std::string name;
    FileType type;
  } fixed[] = {{"MANIFEST", FileType::kManifest},
               {"MANIFEST.tmp", FileType::kManifestTemp},
               {"LOCK", FileType::kLock},
               {"PROBE", FileType::kProbe}};
  for (const auto& expected : fixed) {
    FileNumber number = 77;
    FileType type = FileType::kLog;
    ASSERT_TRUE(ParseFileName(expected.name, &number, &type)) << expected.name;
    EXPECT_EQ(number, 0u);
    EXPECT_EQ(type, expected.type);
  }
}

// Checklist L7: what is not ours is not recognised, so it is never deleted.
TEST(FileName, RejectsEveryOtherName) {
  const std::string foreign[] = {
      "",
      ".",
      "..",
      "LOG",
      "log",
      "lock",
      "LOCK ",
      "MANIFEST-1",
      "MANIFEST.tmp2",
      "manifest",
      ".log",
      ".seg",
      "12.log",
      "00012.log",  // too few digits
      "0000012.log",
      "00000000000000000012.seg",  // more digits than needed
      "000012",
      "000012.",
      "000012.lo",
      "000012.logs",
      "000012.log.bak",
      "000012.LOG",
      "000012.sst",
      "12.ghost",
      "000012.ghosts",
      "000012.recycled.log",
      "a00012.log",
      "00001a.log",
      "+00012.log",
      "-00012.log",
      " 00012.log",
      "000012 .log",
      "0x0012.log",
      "/000012.log",
      "db/000012.log",
      "18446744073709551616.log",  // one past 64 bits
      "18446744073709551625.seg",
      "99999999999999999999.seg",
      "184467440737095516150.log",
      std::string("000012.log\0", 11),
      std::string("00001\0.log", 10),
      std::string("LOCK\0", 5),
  };
  for (const std::string& name : foreign) {
    FileNumber number = 42;
    FileType type = FileType::kSegment;
    EXPECT_FALSE(ParseFileName(name, &number, &type)) << name;
    EXPECT_EQ(number, 42u) << name;
    EXPECT_EQ(type, FileType::kSegment) << name;
  }
}

}  // namespace
}  // namespace varve
