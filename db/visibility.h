#ifndef VARVE_DB_VISIBILITY_H_
#define VARVE_DB_VISIBILITY_H_

#include <cstdint>
#include <string>

#include "util/internal_key.h"
#include "varve/status.h"

// What the newest entry of a key that a read may see means for that read: asked by every read path
// (Get, MultiGet, both directions of the iterator), answered here alone.

namespace varve {

enum class Visibility : uint8_t {
  kValue,    // the key is there, with the entry's value
  kAbsent,   // the key is not there: nothing older counts
  kUnknown,  // this version cannot tell; UnknownEntry() is the error
};

inline Visibility VisibilityOf(uint64_t trailer) {
  switch (TrailerType(trailer)) {
    case ValueType::kValue:
      return Visibility::kValue;
    case ValueType::kDelete:
      return Visibility::kAbsent;
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
