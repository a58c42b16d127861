#ifndef VARVE_TESTS_TABLE_SEGMENT_TEST_UTIL_H_
#define VARVE_TESTS_TABLE_SEGMENT_TEST_UTIL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "table/segment_builder.h"
#include "table/segment_reader.h"
#include "tests/support/comparators.h"
#include "tests/table/memory_file.h"
#include "util/internal_key.h"
#include "util/random.h"
#include "varve/comparator.h"

// Entries, segments made of them, and comparators, for the tests of this folder.

namespace varve {

// A strict weak order of internal keys, for std::map.
struct InternalLess {
  const Comparator* user;
  bool operator()(const std::string& a, const std::string& b) const {
    return InternalKeyComparator(user).Compare(a, b) < 0;
  }
};
using Entries = std::map<std::string, std::string, InternalLess>;  // internal key to value

std::string InternalKey(Slice user_key, SequenceNumber sequence,
                        ValueType type = ValueType::kValue);

// Builds a segment of all entries; fails the test if that fails.
std::string BuildSegment(const SegmentBuilderOptions& options, const Entries& entries,
                         SegmentProperties* properties = nullptr);

// Opens bytes as segment options.number; null, with the test failed, if that fails.
std::unique_ptr<SegmentReader> OpenSegmentBytes(const SegmentReaderOptions& options,
                                                std::string bytes, FileNumber number,
                                                bool direct = false,
                                                std::shared_ptr<ReadLog> log = nullptr);

// "found <type> <sequence> <value>", "none" or the status: what Get says of a key.
std::string GetText(const SegmentReader& reader, const SegmentReadOptions& options, Slice user_key,
                    SequenceNumber sequence);
// The same from a map.
std::string GetText(const Entries& entries, const Comparator* comparator, Slice user_key,
                    SequenceNumber sequence);

// A random user key, of one of several kinds (short, shared prefixes, binary, long), from a space
// small enough to meet some twice.
std::string RandomUserKey(Random* random);
// A random value; of one in `large_one_in` tens of KiB.
std::string RandomValue(Random* random, uint64_t large_one_in);
// `count` entries with random keys, several versions of some, and deletes.
Entries RandomEntries(Random* random, const Comparator* comparator, size_t count,
                      uint64_t large_one_in = 100);

}  // namespace varve

#endif  // VARVE_TESTS_TABLE_SEGMENT_TEST_UTIL_H_
