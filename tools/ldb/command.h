#ifndef VARVE_TOOLS_LDB_COMMAND_H_
#define VARVE_TOOLS_LDB_COMMAND_H_

#include <cstddef>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/ldb/flags.h"
#include "varve/db.h"
#include "varve/options.h"
#include "varve/status.h"

namespace varve::ldb {

// One command line on its way through a command.
struct Context {
  Flags flags;
  std::vector<std::string> arguments;  // what is no flag, without the command's name
  Options options;                     // complete: Env is set
  std::ostream* out = nullptr;
  std::ostream* err = nullptr;
  bool bad_usage = false;  // set by Usage()

  // What a command returns if its arguments make no sense: exit status 2, with its usage.
  Status Usage(std::string_view what);
  // Prints one line about something wrong that does not end the command.
  void Complain(const Status& status);
};

struct Command {
  std::string_view name;
  std::string_view alias;      // RocksDB's name, where it is another; or empty
  std::string_view arguments;  // for people: "<key> <value>"
  std::string_view help;
  size_t arguments_min;
  size_t arguments_max;
  std::vector<std::string_view> flags;  // those it takes besides --db
  Status (*run)(Context* context);
};

inline constexpr size_t kAnyNumber = static_cast<size_t>(-1);

// One function for each file of commands.
std::span<const Command> DataCommands();
std::span<const Command> DumpCommands();
std::span<const Command> AdminCommands();
std::span<const Command> CacheCommands();

// Opens --db for a command that needs its lock: recovery runs, and Close() is the caller's.
// Nothing is compacted but by CompactRange().
enum class HistoryInTool : uint8_t { kKept, kDropped };
Status OpenDatabase(Context* context, std::unique_ptr<DB>* db,
                    HistoryInTool history = HistoryInTool::kKept);

// --db, or a usage error.
Status DatabasePath(Context* context, std::string* path);

}  // namespace varve::ldb

#endif  // VARVE_TOOLS_LDB_COMMAND_H_
