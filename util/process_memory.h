#ifndef VARVE_UTIL_PROCESS_MEMORY_H_
#define VARVE_UTIL_PROCESS_MEMORY_H_

#include <cstdint>
#include <string>

namespace varve {

// Physical memory of this process, pages of mapped files included, as the system counts it; 0 where
// it does not say. For programs that measure: reading it costs some microseconds.
struct ProcessMemory {
  uint64_t resident_bytes = 0;
  uint64_t peak_bytes = 0;  // since the process began
};

// `root` stands before /proc, so that a test can write its own.
ProcessMemory ReadProcessMemory(const std::string& root = "");

}  // namespace varve

#endif  // VARVE_UTIL_PROCESS_MEMORY_H_
