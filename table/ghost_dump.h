#ifndef VARVE_TABLE_GHOST_DUMP_H_
#define VARVE_TABLE_GHOST_DUMP_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "varve/env.h"
#include "varve/slice.h"
#include "varve/status.h"

namespace varve {

struct GhostDumpOptions {
  bool entries = false;   // a line for each range tombstone and for each value of the hash set
  size_t bytes_max = 64;  // of a key that is printed, the first so many bytes
};

// Describes a ghost file of any comparator for people: footer, hash set, and as asked what it
// holds. Calls `line` for each line, without its newline. All of the hash set is decoded, whatever
// is printed, so damage that only a defect of a builder makes is found too.
Status DumpGhost(const GhostDumpOptions& options, std::unique_ptr<RandomAccessFile> file,
                 std::string path, const std::function<void(Slice line)>& line);

}  // namespace varve

#endif  // VARVE_TABLE_GHOST_DUMP_H_
