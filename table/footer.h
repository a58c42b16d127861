#ifndef VARVE_TABLE_FOOTER_H_
#define VARVE_TABLE_FOOTER_H_

#include <cstdint>
#include <string>

#include "table/index.h"
#include "util/internal_key.h"
#include "varve/slice.h"
#include "varve/status.h"

namespace varve {

// The last bytes of a segment: where filter, index, range tombstones and properties are. They lie
// one behind the other between the data and the footer, in this order.
struct Footer {
  BlockHandle filter;  // size 0: there is none
  BlockHandle index;
  // Size 0: there are none. Not a field on disk: the place between the two around it, which may be
  // left by feature kFeatureRangeTombstones alone.
  BlockHandle range_tombstones;
  BlockHandle properties;
  FileNumber number = 0;
  uint64_t file_bytes = 0;
  uint32_t compat = 0;
  uint32_t read_only_compat = 0;
  uint32_t incompat = 0;

  // Data blocks lie in [0, data_bytes()).
  uint64_t data_bytes() const { return filter.offset; }

  void EncodeTo(std::string* out) const;

  // Decodes the footer at the end of `tail`, the last bytes of a file of `file_bytes`; tail holds
  // kFooterBytes or more. Corruption or NotSupported, without the file's name.
  static Status Decode(Slice tail, uint64_t file_bytes, Footer* footer);
};

}  // namespace varve

#endif  // VARVE_TABLE_FOOTER_H_
