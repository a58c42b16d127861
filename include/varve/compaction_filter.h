#ifndef VARVE_INCLUDE_VARVE_COMPACTION_FILTER_H_
#define VARVE_INCLUDE_VARVE_COMPACTION_FILTER_H_

#include <cstdint>
#include <string>

#include "varve/slice.h"

namespace varve {

// Lets a program remove or change values when compactions come by: to drop what no longer means
// anything, without deleting it key by key.
//
// It is asked about the newest version of a key that a compaction meets, if no snapshot sees that
// version which was there when the compaction began, and never about deletes or merge operands.
// When it is asked about a key, and how often, depends on compactions alone, so its answers must
// not depend on that: what it would remove may be read until then. A removed value never uncovers
// an older one. Reads that may look back are not spared: a snapshot taken while a compaction runs,
// and ReadOptions::at_sequence, may find a value first and later what the filter made of it.
//
// Called from several background threads at once, without locks of the database; it must not call
// the database. Slices live during the call alone.
class CompactionFilter {
 public:
  enum class Decision : uint8_t {
    kKeep,
    kRemove,  // as if the key were deleted at that version
    kChange,  // the value becomes *new_value; key and sequence stay. Too large a one changes
              // nothing
  };

  virtual ~CompactionFilter() = default;
  // For people.
  virtual const char* Name() const = 0;
  // `output_level`: where the value would go. *new_value is empty at the call.
  virtual Decision Filter(int output_level, Slice key, Slice value,
                          std::string* new_value) const = 0;
};

}  // namespace varve

#endif  // VARVE_INCLUDE_VARVE_COMPACTION_FILTER_H_
