#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "table/ghost_dump.h"
#include "tests/table/ghost_test_util.h"

// tests/golden/ghost-v1*.ghost were written by the first build of format version 1. Every later
// build must read them, and must write them again byte for byte. A new file, for a new version, is
// made by running this test with VARVE_GOLDEN_OUT naming a directory.

namespace varve {
namespace {

std::string ReadGolden(const std::string& name) {
  std::ifstream in("tests/golden/" + name, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

void WriteIfAsked(const std::string& name, const std::string& bytes) {
  if (const char* directory = std::getenv("VARVE_GOLDEN_OUT")) {
    std::ofstream(std::string(directory) + "/" + name, std::ios::binary) << bytes;
  }
}

// Several stretches, the empty key, binary and long keys; ranges that overlap.
TEST(GhostGolden, IsReadAndWrittenAgain) {
  GhostContent content;
  for (int n = 0; n < 200; ++n) content.keys.push_back("user:" + std::to_string(n * 7));
  content.keys.push_back("");
  content.keys.push_back(std::string("\0\xff\0", 3));
  content.keys.push_back(std::string(5000, 'k'));
  content.ranges = {{"a", "m", 300}, {"c", "e", 70000}, {"c", "d", 5}, {"z", "zz", 1}};
  GhostBuilderOptions options;
  options.number = 42;
  const std::string bytes = BuildGhost(options, content);
  WriteIfAsked("ghost-v1.ghost", bytes);
  const std::string golden = ReadGolden("ghost-v1.ghost");
  EXPECT_TRUE(bytes == golden);

  std::unique_ptr<GhostReader> ghost;
  const Status s = OpenGhost(golden, 42, &ghost);
  ASSERT_TRUE(s.ok()) << s.ToString();
  EXPECT_TRUE(ghost->Verify().ok());
  EXPECT_EQ(ghost->hashes().keys(), content.keys.size());
  for (const std::string& key : content.keys) EXPECT_TRUE(Accepts(*ghost, key));
  for (const char* covered : {"a", "b", "d", "lzz", "z", "zy"}) {
    EXPECT_TRUE(Accepts(*ghost, covered));
  }
  for (const char* other : {"m", "user:1", "zz"}) EXPECT_FALSE(Accepts(*ghost, other));
}

// The example of table/GHOST.md.
TEST(GhostGolden, TheExampleOfTheDocument) {
  GhostBuilderOptions options;
  options.number = 7;
  options.remainder_bits = 8;
  const std::string bytes =
      BuildGhost(options, {{"apple", "apricot", "banana"}, {{"c", "cherry", 300}}});
  WriteIfAsked("ghost-v1-example.ghost", bytes);
  EXPECT_TRUE(bytes == ReadGolden("ghost-v1-example.ghost"));

  std::string text;
  GhostDumpOptions dump;
  dump.entries = true;
  const Status s = DumpGhost(dump, std::make_unique<MemoryRandomAccessFile>(bytes), "000007.ghost",
                             [&](Slice line) { text.append(line).append("\n"); });
  EXPECT_TRUE(s.ok()) << s.ToString();
  EXPECT_EQ(text, R"(ghost 000007.ghost
footer
  format version: 1
  segment number: 7
  file bytes: 113
  features: compatible 0, incompatible 0
  hash set: offset 0, 41 bytes
  range tombstones: offset 41, 16 bytes
hash set
  keys: 3
  remainder bits: 8
  false positives, %: 0.3906
  bytes a key: 13.67
  value 244, hashes from 0x5155555555555556
  value 307, hashes from 0x6655555555555556
  value 608, hashes from 0xcaaaaaaaaaaaaaab
range tombstones
  range tombstones: 1
  "c" to "cherry" @ 300
)");
}

}  // namespace
}  // namespace varve
