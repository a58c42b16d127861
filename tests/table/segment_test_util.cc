#include "tests/table/segment_test_util.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "util/hash.h"

namespace varve {

namespace {

std::string Describe(uint64_t trailer, Slice value) {
  return "found " + std::to_string(static_cast<int>(TrailerType(trailer))) + " " +
         std::to_string(TrailerSequence(trailer)) + " " + std::string(value);
}

}  // namespace

std::string InternalKey(Slice user_key, SequenceNumber sequence, ValueType type) {
  std::string key;
  AppendInternalKey(&key, user_key, PackTrailer(sequence, type));
  return key;
}

std::string BuildSegment(const SegmentBuilderOptions& options, const Entries& entries,
                         SegmentProperties* properties) {
  MemoryWritableFile file;
  SegmentBuilder builder(options, &file);
  for (const auto& [key, value] : entries) {
    const Status s = builder.Add(key, value);
    EXPECT_TRUE(s.ok()) << s.ToString();
  }
  const Status s = builder.Finish(properties);
  EXPECT_TRUE(s.ok()) << s.ToString();
  EXPECT_EQ(builder.EstimatedFileBytes(), file.size());
  return file.bytes();
}

std::unique_ptr<SegmentReader> OpenSegmentBytes(const SegmentReaderOptions& options,
                                                std::string bytes, FileNumber number, bool direct,
                                                std::shared_ptr<ReadLog> log) {
  std::unique_ptr<SegmentReader> reader;
  const Status s = SegmentReader::Open(
      options, std::make_unique<MemoryRandomAccessFile>(std::move(bytes), direct, std::move(log)),
      "test.seg", number, &reader);
  EXPECT_TRUE(s.ok()) << s.ToString();
  return reader;
}

std::string GetText(const SegmentReader& reader, const SegmentReadOptions& options, Slice user_key,
                    SequenceNumber sequence) {
  const LookupKey key(user_key, sequence);
  PinnedValue value;
  PointResult result;
  result.value = &value;
  const Status s = reader.Get(options, key, Hash64(user_key), &result);
  if (!s.ok()) return s.ToString();
  return result.found ? Describe(result.trailer, value.slice()) : "none";
}

std::string GetText(const Entries& entries, const Comparator* comparator, Slice user_key,
                    SequenceNumber sequence) {
  const LookupKey key(user_key, sequence);
  const auto it = entries.lower_bound(std::string(key.internal_key()));
  if (it == entries.end() || comparator->Compare(ExtractUserKey(it->first), user_key) != 0) {
    return "none";
  }
  return Describe(ExtractTrailer(it->first), it->second);
}

std::string RandomUserKey(Random* random) {
  std::string key;
  switch (random->Uniform(5)) {
    case 0:  // short, the empty key included
      for (uint64_t n = random->Uniform(4); n > 0; --n) key += static_cast<char>(random->Next());
      break;
    case 1: {  // numbers as text, in either case
      char text[32];
      snprintf(text, sizeof(text), random->OneIn(2) ? "User%08d" : "user%08d",
               static_cast<int>(random->Uniform(3000)));
      key = text;
      break;
    }
    case 2:  // a big-endian number
      for (int shift : {16, 8, 0}) key += static_cast<char>(random->Uniform(1 << 12) >> shift);
      key += "00000";
      break;
    case 3:  // few different bytes, so that many are prefixes of others
      for (uint64_t n = random->Uniform(14); n > 0; --n) key += "ab\xff"[random->Uniform(3)];
      break;
    case 4:  // long, different only at the end
      key.assign(random->OneIn(20) ? 3000 : 150, 'L');
      key += std::to_string(random->Uniform(200));
      break;
  }
  return key;
}

std::string RandomValue(Random* random, uint64_t large_one_in) {
  const uint64_t size = random->OneIn(large_one_in) ? random->Uniform(40000) : random->Skewed(9);
  std::string value;
  if (random->OneIn(2)) {
    value.assign(size, static_cast<char>('a' + random->Uniform(26)));  // compressible
  } else {
    while (value.size() < size) value += static_cast<char>(random->Next());
  }
  return value;
}

Entries RandomEntries(Random* random, const Comparator* comparator, size_t count,
                      uint64_t large_one_in) {
  Entries entries(InternalLess{comparator});
  const uint64_t first = random->Skewed(50);
  while (entries.size() < count) {
    const std::string key = RandomUserKey(random);
    for (uint64_t versions = random->OneIn(30) ? 1 + random->Uniform(60) : 1; versions > 0;
         --versions) {
      const SequenceNumber sequence = first + random->Uniform(100000);
      if (random->OneIn(6)) {
        entries[InternalKey(key, sequence, ValueType::kDelete)] = "";
      } else {
        entries[InternalKey(key, sequence)] = RandomValue(random, large_one_in);
      }
    }
  }
  return entries;
}

}  // namespace varve
