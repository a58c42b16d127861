#ifndef VARVE_DB_EXPIRY_CUT_H_
#define VARVE_DB_EXPIRY_CUT_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "db/expiry_buckets.h"
#include "db/segment_output.h"

namespace varve {

// Cuts a cache's flush so that segments expire whole, and are no larger than they should be.
//
//  1. A first pass counts what the flush keeps, by the time that is left (db/expiry_buckets.h): at
//     most eight outputs.
//  2. Of these the largest is cut again, by the order of its keys and into pieces of like size,
//     while it is over the size of a segment and there are fewer than eight pieces in all. (A flush
//     writes its range tombstones into each, and their room is reserved so many times.)
//  3. The second pass gives each key its output. It must meet the same keys in the same order.
//
// All versions of a key go to one output, that of the longest-lived (RULES R1.3).
class ExpiryCut : public FlushCut {
 public:
  // For what ForEachKeptKey() finds. `now_ms`: from when time that is left is counted. *cut is null
  // where one segment will do.
  static Status Plan(const InternalKeyComparator& comparator, const ReadSequences& readers,
                     const std::vector<std::shared_ptr<MemTable>>& memtables, uint64_t now_ms,
                     uint64_t segment_bytes, std::unique_ptr<FlushCut>* cut);

  ExpiryCut(ExpiryOutputs outputs, uint64_t segment_bytes);

  size_t outputs() const override { return count_; }
  size_t OutputFor(std::span<const MemTableEntry> versions) override;

  // Of a key: when the longest-lived version goes, and the bytes of all.
  static uint64_t ExpiryOf(std::span<const MemTableEntry> versions);
  static uint64_t BytesOf(std::span<const MemTableEntry> versions);

 private:
  // The pieces of one output by expiry.
  struct Pieces {
    size_t first = 0;
    size_t count = 1;
    uint64_t passed_bytes = 0;  // in the second pass
  };

  const ExpiryOutputs by_expiry_;
  std::vector<Pieces> pieces_;
  size_t count_;
};

}  // namespace varve

#endif  // VARVE_DB_EXPIRY_CUT_H_
