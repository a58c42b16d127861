#ifndef VARVE_TABLE_SEGMENT_DUMP_H_
#define VARVE_TABLE_SEGMENT_DUMP_H_

#include <functional>
#include <memory>
#include <string>

#include "varve/env.h"
#include "varve/slice.h"
#include "varve/status.h"

namespace varve {

struct SegmentDumpOptions {
  bool blocks = false;   // a line for each data block: place, sizes, compression, separator
  bool entries = false;  // a line for each entry; implies blocks
  // Of a key or value that is printed, the first so many bytes.
  size_t bytes_max = 64;
};

// Describes a segment of any comparator for people: footer, properties, filter, index, and as asked
// blocks and entries. Calls `line` for each line, without its newline. A damaged block gets a line
// that says so, and the dump goes on; the first error is returned.
Status DumpSegment(const SegmentDumpOptions& options, std::unique_ptr<RandomAccessFile> file,
                   std::string path, const std::function<void(Slice line)>& line);

// Bytes as text: printable ASCII as it is, the rest, the backslash and quotes as \xNN. At most
// `bytes_max` bytes, then "…" and the full length.
std::string PrintableBytes(Slice bytes, size_t bytes_max);

}  // namespace varve

#endif  // VARVE_TABLE_SEGMENT_DUMP_H_
