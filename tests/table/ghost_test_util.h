#ifndef VARVE_TESTS_TABLE_GHOST_TEST_UTIL_H_
#define VARVE_TESTS_TABLE_GHOST_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "table/ghost_builder.h"
#include "table/ghost_reader.h"
#include "tests/table/memory_file.h"
#include "util/hash.h"

// Ghosts as strings, for the tests of this folder.

namespace varve {

struct GhostContent {
  std::vector<std::string> keys;
  std::vector<RangeTombstone> ranges;
};

inline std::string BuildGhost(const GhostBuilderOptions& options, const GhostContent& content) {
  MemoryWritableFile file;
  GhostBuilder builder(options, &file);
  for (const RangeTombstone& t : content.ranges) {
    EXPECT_TRUE(builder.AddRangeTombstone(t.start, t.end, t.sequence).ok());
  }
  for (const std::string& key : content.keys) builder.AddKey(Hash64(key));
  const uint64_t bytes_max = builder.FileBytesMax();
  const Status s = builder.Finish();
  EXPECT_TRUE(s.ok()) << s.ToString();
  EXPECT_LE(file.size(), bytes_max);
  EXPECT_EQ(builder.FileBytesMax(), file.size());
  return file.bytes();
}

inline Status OpenGhost(const std::string& bytes, FileNumber number,
                        std::unique_ptr<GhostReader>* reader,
                        const Comparator* comparator = BytewiseComparator()) {
  return GhostReader::Open(comparator, std::make_unique<MemoryRandomAccessFile>(bytes),
                           "test.ghost", number, reader);
}

inline bool Accepts(const GhostReader& ghost, Slice key) { return ghost.Accepts(key, Hash64(key)); }

}  // namespace varve

#endif  // VARVE_TESTS_TABLE_GHOST_TEST_UTIL_H_
