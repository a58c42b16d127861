#ifndef VARVE_INCLUDE_VARVE_SNAPSHOT_H_
#define VARVE_INCLUDE_VARVE_SNAPSHOT_H_

#include <cstdint>

namespace varve {

// A moment of a database that stays readable: pass it in ReadOptions.snapshot. Taken between
// batches, never inside one. Destroying it releases the moment; release every snapshot before
// Close(), which answers Busy otherwise. May be used from any thread.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
  // The newest sequence number the snapshot sees.
  virtual uint64_t sequence() const = 0;
};

}  // namespace varve

#endif  // VARVE_INCLUDE_VARVE_SNAPSHOT_H_
