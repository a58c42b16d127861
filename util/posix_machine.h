#ifndef VARVE_UTIL_POSIX_MACHINE_H_
#define VARVE_UTIL_POSIX_MACHINE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "varve/env.h"

namespace varve {

// Facts read from /proc and /sys. `root` stands before every path, so that a test can write its own
// ("" in production).
class PosixMachine final : public Machine {
 public:
  explicit PosixMachine(std::string root = "") : root_(std::move(root)) {}

  std::string BootId() override;
  // The smallest of the limits that hold for this process: of its control group and all above it,
  // in version 1 or 2, and physical memory. What a group is throttled at (memory.high) counts as
  // well as what it is killed at (memory.max).
  uint64_t MemoryLimitBytes() override;
  uint64_t RandomSeed() override;

 private:
  // Lowers *limit to what `parse` finds in <mount><group>/<file> and the same file in every group
  // above.
  void ApplyGroupLimits(const std::string& mount, const std::string& group, const std::string& file,
                        std::optional<uint64_t> (*parse)(std::string_view), uint64_t* limit) const;
  uint64_t PhysicalMemoryBytes() const;

  const std::string root_;
};

}  // namespace varve

#endif  // VARVE_UTIL_POSIX_MACHINE_H_
