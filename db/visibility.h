#ifndef VARVE_DB_VISIBILITY_H_
#define VARVE_DB_VISIBILITY_H_

#include <cstdint>
#include <string>

#include "util/internal_key.h"
#include "varve/status.h"

// What an entry of a key means for a read that may see it, asked by every read path (Get, MultiGet,
// both directions of the iterator), answered here alone. The newest entry at or below the read's
// sequence decides; a merge operand leaves it to the next older one what it is applied to.

namespace varve {

enum class Visibility : uint8_t {
  kValue,    // the key is there, with the entry's value
  kAbsent,   // the key is not there: nothing older counts
  kOperand,  // the entry's value is an operand, for what the next older entry says
  kUnknown,  // this version cannot tell; UnknownEntry() is the error
};

// `covering` is the newest range tombstone at or below the read's sequence that covers the key; 0:
// none.
inline Visibility VisibilityOf(uint64_t trailer, SequenceNumber covering) {
  if (TrailerSequence(trailer) < covering) return Visibility::kAbsent;
  switch (TrailerType(trailer)) {
    case ValueType::kValue:
      return Visibility::kValue;
    case ValueType::kDelete:
      return Visibility::kAbsent;
    case ValueType::kMerge:
      return Visibility::kOperand;
    default:
      return Visibility::kUnknown;
  }
}

inline Status UnknownEntry(uint64_t trailer) {
  return Status::NotSupported(
      "an entry of type " + std::to_string(static_cast<int>(TrailerType(trailer))) + " (sequence " +
      std::to_string(TrailerSequence(trailer)) + "), which this version cannot read");
}

}  // namespace varve

#endif  // VARVE_DB_VISIBILITY_H_
