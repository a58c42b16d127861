#ifndef VARVE_WAL_LOG_POSITION_H_
#define VARVE_WAL_LOG_POSITION_H_

#include <compare>
#include <cstdint>
#include <string>

namespace varve {

// A place between two records: `offset` bytes into log `log`, just after the record that ends there
// (its padding to a multiple of 8 included). {0, 0} is before every record. Positions order as the
// records they stand between; numbers of logs only grow, but need not be consecutive.
struct LogPosition {
  uint64_t log = 0;
  uint64_t offset = 0;

  friend auto operator<=>(const LogPosition&, const LogPosition&) = default;

  // "12:8328", for messages.
  std::string ToString() const { return std::to_string(log) + ":" + std::to_string(offset); }
};

}  // namespace varve

#endif  // VARVE_WAL_LOG_POSITION_H_
