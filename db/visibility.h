#ifndef VARVE_DB_VISIBILITY_H_
#define VARVE_DB_VISIBILITY_H_

#include <cstdint>
#include <string>

#include "db/miss_reason.h"
#include "db/read_clock.h"
#include "util/internal_key.h"
#include "varve/slice.h"
#include "varve/status.h"

// What an entry of a key means for a read that may see it, asked by every read path (Get, MultiGet,
// both directions of the iterator), answered here alone. The newest entry at or below the read's
// sequence decides; a merge operand leaves it to the next older one what it is applied to.

namespace varve {

enum class Visibility : uint8_t {
  kValue,    // the key is there, with the entry's value: see UserValue()
  kAbsent,   // the key is not there: nothing older counts
  kOperand,  // the entry's value is an operand, for what the next older entry says
  kUnknown,  // this version cannot tell; UnknownEntry() is the error
};

// `covering` is the newest range tombstone at or below the read's sequence that covers the key; 0:
// none. `value()` gives the entry's value, and is called for entries with an expiry alone: they are
// there before that instant, and absent from it on, whatever is older.
template <typename ValueOf>
Visibility VisibilityOf(uint64_t trailer, SequenceNumber covering, ReadClock* clock,
                        const ValueOf& value) {
  if (TrailerSequence(trailer) < covering) return Visibility::kAbsent;
  switch (TrailerType(trailer)) {
    case ValueType::kValue:
      return Visibility::kValue;
    case ValueType::kDelete:
    case ValueType::kRefused:
    case ValueType::kEvicted:
    case ValueType::kExpired:
      return Visibility::kAbsent;
    case ValueType::kMerge:
      return Visibility::kOperand;
    case ValueType::kValueWithExpiry: {
      const Slice bytes = value();
      if (bytes.size() < kExpiresAtBytes) return Visibility::kUnknown;
      return clock->NowMillis() < ExpiresAtOf(bytes) ? Visibility::kValue : Visibility::kAbsent;
    }
    default:
      return Visibility::kUnknown;
  }
}

// Why VisibilityOf() found the key to be absent.
inline MissReason AbsenceOf(uint64_t trailer, SequenceNumber covering) {
  if (TrailerSequence(trailer) < covering) return MissReason::kDeleted;
  switch (TrailerType(trailer)) {
    case ValueType::kValueWithExpiry:
    case ValueType::kExpired:
      return MissReason::kExpired;
    case ValueType::kRefused:
      return MissReason::kRefused;
    case ValueType::kEvicted:
      return MissReason::kEvicted;
    default:
      return MissReason::kDeleted;
  }
}

// Bytes before what the user gave, in the value of an entry that VisibilityOf() found to be there.
inline size_t ValueSkip(uint64_t trailer) {
  return TrailerType(trailer) == ValueType::kValueWithExpiry ? kExpiresAtBytes : 0;
}
inline Slice UserValue(uint64_t trailer, Slice value) { return value.substr(ValueSkip(trailer)); }

// An entry with an expiry beneath merge operands makes no value, expired or not: what it made would
// depend on when the operands were folded. True if the entry is one, and not covered.
inline bool IsExpiringBase(uint64_t trailer, SequenceNumber covering) {
  return TrailerType(trailer) == ValueType::kValueWithExpiry &&
         TrailerSequence(trailer) >= covering;
}
inline Status MergeOverExpiry() {
  return Status::NotSupported("a merge operand over a value that expires");
}

inline Status UnknownEntry(uint64_t trailer) {
  if (TrailerType(trailer) == ValueType::kValueWithExpiry) {
    return Status::Corruption("an entry (sequence " + std::to_string(TrailerSequence(trailer)) +
                              ") is too short for its expiry");
  }
  return Status::NotSupported(
      "an entry of type " + std::to_string(static_cast<int>(TrailerType(trailer))) + " (sequence " +
      std::to_string(TrailerSequence(trailer)) + "), which this version cannot read");
}

}  // namespace varve

#endif  // VARVE_DB_VISIBILITY_H_
