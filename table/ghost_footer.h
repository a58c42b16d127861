#ifndef VARVE_TABLE_GHOST_FOOTER_H_
#define VARVE_TABLE_GHOST_FOOTER_H_

#include <cstdint>
#include <string>

#include "util/internal_key.h"
#include "varve/slice.h"
#include "varve/status.h"

namespace varve {

// The last bytes of a ghost file. The hash set begins at 0, the range tombstones behind it.
struct GhostFooter {
  FileNumber number = 0;               // of the segment whose ghost it is
  uint64_t hash_set_bytes = 0;         // as stored
  uint64_t range_tombstone_bytes = 0;  // as stored; 0: there are none
  uint64_t file_bytes = 0;
  uint32_t compat = 0;
  uint32_t incompat = 0;

  void EncodeTo(std::string* out) const;

  // Decodes `bytes`, the last kGhostFooterBytes of a file of `file_bytes`. Corruption or
  // NotSupported, without the file's name.
  static Status Decode(Slice bytes, uint64_t file_bytes, GhostFooter* footer);
};

}  // namespace varve

#endif  // VARVE_TABLE_GHOST_FOOTER_H_
