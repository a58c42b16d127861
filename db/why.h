#ifndef VARVE_DB_WHY_H_
#define VARVE_DB_WHY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "db/read_view.h"
#include "db/segment_cache.h"
#include "util/internal_key.h"
#include "varve/slice.h"

namespace varve {

// What became of a key, as far as can be known: an account in place of an answer. It goes through
// all sources as PointLookup does, newest first, and does not end at the first that knows the key:
//
//  1. A memtable, or the segments of one place together, say what the newest entry at or below the
//     sequence is, or the newest range tombstone where that is newer.
//  2. Before those of an older place the ghosts of newer ones are asked.
//  3. The first that knows the key decides what a read gives, and its line is the first. What the
//     others say lies beneath it, and shows to nobody. A merge operand decides together with what
//     is beneath.
//  4. What cannot be read is told in its place: there a read ends with that error.
//
// A line begins with one of: live (value where it is hidden), deleted, expired, refused, evicted,
// masked (by a ghost), operand, unknown, error, never seen. What lies beneath is indented.
struct WhyTools {
  InternalKeyComparator comparator{BytewiseComparator()};
  SegmentCache* segments = nullptr;
  SequenceNumber sequence = kMaxSequence;  // that is read at
  uint64_t now_ms = 0;                     // by which expiries are judged
  bool cache = false;                      // a directory that evicts
  // What to call the memtables: the active one, the immutables. By themselves if it is empty.
  std::vector<std::string> memtable_names;
};

// Called inside the epoch domain that guards the view. Lines end with a newline.
std::string Why(const WhyTools& tools, const ReadView& view, Slice key);

}  // namespace varve

#endif  // VARVE_DB_WHY_H_
