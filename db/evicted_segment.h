#ifndef VARVE_DB_EVICTED_SEGMENT_H_
#define VARVE_DB_EVICTED_SEGMENT_H_

#include "db/manifest_entry.h"
#include "memtable/memtable.h"
#include "varve/listener.h"

namespace varve {

// What listeners are told of a segment that is taken out.
inline EvictionInfo::Segment EvictedSegment(const SegmentEntry& entry, bool leaves_ghost) {
  EvictionInfo::Segment segment;
  segment.number = entry.number;
  segment.file_bytes = entry.file_bytes;
  segment.entries = entry.entries;
  segment.smallest_sequence = entry.smallest_sequence;
  segment.largest_sequence = entry.largest_sequence;
  segment.leaves_ghost = leaves_ghost;
  return segment;
}

// The same of a memtable, which nothing older lies beneath.
inline EvictionInfo::Segment EvictedMemtable(const MemTable& memtable) {
  EvictionInfo::Segment segment;
  segment.entries = memtable.entries();
  segment.smallest_sequence = memtable.smallest_sequence();
  segment.largest_sequence = memtable.largest_sequence();
  return segment;
}

}  // namespace varve

#endif  // VARVE_DB_EVICTED_SEGMENT_H_
