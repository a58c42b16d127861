#ifndef VARVE_UTIL_INTERNAL_KEY_H_
#define VARVE_UTIL_INTERNAL_KEY_H_

#include <cstdint>
#include <cstring>
#include <string>

#include "util/coding.h"
#include "util/hash.h"
#include "varve/comparator.h"
#include "varve/slice.h"

// An internal key is what memtables and segments are sorted by:
//
//   | user key (any bytes) | fixed64 little-endian: sequence << 8 | type |
//
// Order: user keys ascending, then trailers descending, so the newest version of a key comes first.
// The user key is never interpreted, so no user key can reach another's versions (Checklist C6).

namespace varve {

// The place of a write in the order of writes; 56 bits, 0 is before every write.
using SequenceNumber = uint64_t;
inline constexpr SequenceNumber kMaxSequence = (uint64_t{1} << 56) - 1;

// Names a segment, log or temporary file; one counter serves all, no value is ever used twice.
using FileNumber = uint64_t;

// What an entry is. The numbers are on disk, in logs and in segments. A reader that meets one it
// does not know answers NotSupported where a later format could have written it, else Corruption.
enum class ValueType : uint8_t {
  kDelete = 0,
  kValue = 1,
  // The value comes after its expires_at (fixed64, ms since 1970): see ExpiresAtOf().
  kValueWithExpiry = 2,
  kMerge = 3,        // the value is an operand
  kRangeDelete = 4,  // the key starts the range, the value ends it
  // Reserved: a pointer to a value elsewhere, the same with expiry.
  kValuePointer = 5,
  kValuePointerWithExpiry = 6,
  // In batches and logs alone, reserved: a value after its ttl, the time of a commit.
  kValueWithTtl = 7,
  kCommitTime = 8,
  // Deletes that say why: a cache took no such write; it evicted the entry; the entry expired. All
  // that reads or merges takes them for deletes; what counts and explains tells them apart.
  kRefused = 9,
  kEvicted = 10,
  kExpired = 11,
};
// Whether an entry of the type says that its key is not there, and has no value.
inline constexpr bool IsTombstone(ValueType type) {
  return type == ValueType::kDelete || (type >= ValueType::kRefused && type <= ValueType::kExpired);
}

// What stands before the value of a kValueWithExpiry: the instant, in ms since 1970, from which on
// the key is not there.
inline constexpr size_t kExpiresAtBytes = 8;
// Requires kExpiresAtBytes: check first what comes from a disk.
inline uint64_t ExpiresAtOf(Slice value) { return DecodeFixed64(value.data()); }

// Sorts before every type of the same sequence; only in keys to seek by.
inline constexpr uint8_t kTypeForSeek = 0xff;
// Sorts before every entry of its user key. As the trailer of an upper bound it says that the bound
// itself is outside: the end of a range tombstone, above everything else a segment holds.
inline constexpr uint64_t kExclusiveTrailer = UINT64_MAX;

inline constexpr size_t kTrailerBytes = 8;
// Trailers before and after those of all entries of a user key; no entry has the first.
inline constexpr uint64_t kTrailerBeforeAll = UINT64_MAX;
inline constexpr uint64_t kTrailerAfterAll = 0;

inline uint64_t PackTrailer(SequenceNumber sequence, ValueType type) {
  return sequence << 8 | static_cast<uint8_t>(type);
}
// The trailer to seek by for the newest version at or below `sequence`.
inline uint64_t SeekTrailer(SequenceNumber sequence) { return sequence << 8 | kTypeForSeek; }

// These require size() >= kTrailerBytes: check first what comes from a disk.
inline Slice ExtractUserKey(Slice internal_key) {
  return internal_key.substr(0, internal_key.size() - kTrailerBytes);
}
inline uint64_t ExtractTrailer(Slice internal_key) {
  return DecodeFixed64(internal_key.data() + internal_key.size() - kTrailerBytes);
}
inline SequenceNumber TrailerSequence(uint64_t trailer) { return trailer >> 8; }
inline ValueType TrailerType(uint64_t trailer) {
  return static_cast<ValueType>(static_cast<uint8_t>(trailer));
}

inline void AppendInternalKey(std::string* out, Slice user_key, uint64_t trailer) {
  out->append(user_key);
  PutFixed64(out, trailer);
}

// The first eight bytes of a user key as a number that orders as the bytes do (shorter keys are
// padded with zeros, so equal prefixes say nothing).
inline uint64_t KeyPrefix(Slice user_key) {
  if (user_key.size() >= 8) {
    uint64_t prefix;
    std::memcpy(&prefix, user_key.data(), 8);
    return __builtin_bswap64(prefix);
  }
  uint64_t prefix = 0;
  for (size_t i = 0; i < user_key.size(); ++i) {
    prefix |= uint64_t{static_cast<uint8_t>(user_key[i])} << (56 - 8 * i);
  }
  return prefix;
}

// Orders internal keys by a user comparator; the default comparator is compared inline.
class InternalKeyComparator {
 public:
  explicit InternalKeyComparator(const Comparator* user)
      : user_(user), bytewise_(user == BytewiseComparator()) {}

  const Comparator* user_comparator() const { return user_; }
  // True for the default order, for which KeyPrefix() may be compared in place of keys.
  bool bytewise() const { return bytewise_; }

  int CompareUserKeys(Slice a, Slice b) const {
    return bytewise_ ? a.compare(b) : user_->Compare(a, b);
  }
  int Compare(Slice a, Slice b) const {
    const int by_key = CompareUserKeys(ExtractUserKey(a), ExtractUserKey(b));
    if (by_key != 0) return by_key;
    const uint64_t ta = ExtractTrailer(a), tb = ExtractTrailer(b);
    return ta > tb ? -1 : ta < tb ? 1 : 0;
  }

 private:
  const Comparator* user_;
  bool bytewise_;
};

// A key to look up: the internal key to seek by, kept on the stack for keys of usual length.
class LookupKey {
 public:
  LookupKey(Slice user_key, SequenceNumber sequence) {
    size_ = user_key.size() + kTrailerBytes;
    data_ = size_ <= sizeof(inline_) ? inline_ : new char[size_];
    if (!user_key.empty()) std::memcpy(data_, user_key.data(), user_key.size());
    EncodeFixed64(data_ + user_key.size(), SeekTrailer(sequence));
    hash_ = Hash64(user_key);
  }
  ~LookupKey() {
    if (data_ != inline_) delete[] data_;
  }
  LookupKey(const LookupKey&) = delete;
  LookupKey& operator=(const LookupKey&) = delete;

  Slice internal_key() const { return Slice(data_, size_); }
  Slice user_key() const { return Slice(data_, size_ - kTrailerBytes); }
  SequenceNumber sequence() const { return TrailerSequence(ExtractTrailer(internal_key())); }
  uint64_t hash() const { return hash_; }  // Hash64(user_key()), as filters want it

 private:
  char* data_;
  size_t size_;
  uint64_t hash_;
  char inline_[200];
};

}  // namespace varve

#endif  // VARVE_UTIL_INTERNAL_KEY_H_
