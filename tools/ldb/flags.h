#ifndef VARVE_TOOLS_LDB_FLAGS_H_
#define VARVE_TOOLS_LDB_FLAGS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varve/status.h"

namespace varve::ldb {

// The flags of one command line. The defaults are what a flag that was not given means.
struct Flags {
  std::string db;
  bool key_hex = false;
  bool value_hex = false;
  bool create_if_missing = false;
  std::optional<std::string> from;  // as it was typed
  std::optional<std::string> to;
  std::optional<uint64_t> limit;
  std::optional<uint64_t> at_sequence;
  bool keys_only = false;
  bool reverse = false;
  bool blocks = false;
  bool entries = false;
  size_t bytes_max = 64;
  uint64_t capacity_bytes = 0;
  bool rewrite = false;
  bool oldest = false;
  bool move = false;
  bool yes = false;
  bool help = false;

  std::vector<std::string> given;  // names, as they are called here
};

// Takes `arguments` apart. A flag is --name=value, --name value, or for switches --name and
// --noname; everything behind "--" is an argument, so keys may begin with a dash. InvalidArgument
// names a flag that is unknown (with the nearest known one) or has a value that does not fit. Never
// ends the process.
Status ParseArguments(const std::vector<std::string>& arguments, Flags* flags,
                      std::vector<std::string>* rest);

// A line for each flag of `names`, for people.
std::string DescribeFlags(const std::vector<std::string_view>& names);

}  // namespace varve::ldb

#endif  // VARVE_TOOLS_LDB_FLAGS_H_
