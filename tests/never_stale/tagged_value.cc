#include "tests/never_stale/tagged_value.h"

#include <algorithm>
#include <cstdio>

#include "util/coding.h"
#include "util/crc32c.h"
#include "util/hash.h"

namespace varve::never_stale {
namespace {

// write u64 | key u32 | writer u32 | bytes of the value u32 | padding | crc32c u32
constexpr size_t kHeaderBytes = 20;
constexpr size_t kDigits = 6;

}  // namespace

std::string MakeValue(const Tag& tag, size_t bytes) {
  bytes = std::max(bytes, kTagBytes);
  std::string value;
  value.reserve(bytes);
  PutFixed64(&value, tag.write);
  PutFixed32(&value, tag.key);
  PutFixed32(&value, tag.writer);
  PutFixed32(&value, static_cast<uint32_t>(bytes));
  for (uint64_t i = 0; value.size() + sizeof(uint32_t) < bytes; ++i) {
    char word[8];
    EncodeFixed64(word, Mix64(tag.write + i));
    value.append(word, std::min(sizeof(word), bytes - sizeof(uint32_t) - value.size()));
  }
  PutFixed32(&value, Crc32c(value));
  return value;
}

bool ReadValue(Slice value, Tag* tag) {
  if (value.size() < kTagBytes) return false;
  const Slice covered = value.substr(0, value.size() - sizeof(uint32_t));
  tag->write = DecodeFixed64(value.data());
  tag->key = DecodeFixed32(value.data() + 8);
  tag->writer = DecodeFixed32(value.data() + 12);
  return DecodeFixed32(value.data() + 16) == value.size() &&
         DecodeFixed32(value.data() + covered.size()) == Crc32c(covered);
}

static_assert(kHeaderBytes + sizeof(uint32_t) == kTagBytes);

std::string KeyOf(uint32_t number) {
  if (number == 0) return "";
  char digits[kDigits + 2];
  std::snprintf(digits, sizeof(digits), "k%06u", number % 1'000'000);
  return digits + std::string(number % 5 * 3, '.');
}

bool NumberOf(Slice key, uint32_t* number) {
  *number = 0;
  if (key.empty()) return true;
  if (key.size() < kDigits + 1 || key[0] != 'k') return false;
  for (size_t i = 1; i <= kDigits; ++i) {
    if (key[i] < '0' || key[i] > '9') return false;
    *number = *number * 10 + static_cast<uint32_t>(key[i] - '0');
  }
  return *number != 0 && key == KeyOf(*number);
}

}  // namespace varve::never_stale
