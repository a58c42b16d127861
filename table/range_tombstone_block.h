#ifndef VARVE_TABLE_RANGE_TOMBSTONE_BLOCK_H_
#define VARVE_TABLE_RANGE_TOMBSTONE_BLOCK_H_

#include <string>
#include <vector>

#include "util/internal_key.h"
#include "util/range_tombstones.h"
#include "varve/slice.h"

// The content of a segment's block of range tombstones (table/FORMAT.md):
//
//   | varint start bytes | start | varint end bytes | end | varint sequence |, repeated
//
// ascending by start, those of one start descending by sequence. No two of one sequence overlap or
// touch. They stand here as they were written, not cut into fragments: where ranges nest, all
// fragments with all their sequences would take the square of it.

namespace varve {

// Appends one after the other.
void EncodeRangeTombstones(const std::vector<RangeTombstone>& tombstones, std::string* out);

// Reads a whole content, and checks what can be checked without a comparator: lengths against the
// content and the limit of keys, sequences against theirs. Null, or what is wrong.
const char* DecodeRangeTombstones(Slice content, std::vector<RangeTombstone>* tombstones);

// What the order and the ranges must be: null, or what is wrong.
const char* CheckRangeTombstones(const InternalKeyComparator& comparator,
                                 const std::vector<RangeTombstone>& tombstones);

}  // namespace varve

#endif  // VARVE_TABLE_RANGE_TOMBSTONE_BLOCK_H_
