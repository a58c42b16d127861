// Commands for the owner of a cache. They look at a directory without opening it: they take no lock
// and write nothing, so an owner may have it open.

#include <memory>
#include <ostream>
#include <string>

#include "db/offline.h"
#include "tools/ldb/command.h"
#include "tools/ldb/text.h"

namespace varve::ldb {
namespace {

// Of [<directory>] and `more` arguments behind it; else --db.
Status OpenOffline(Context* context, size_t more, std::unique_ptr<OfflineDatabase>* database) {
  std::string path;
  if (context->arguments.size() > more) {
    path = context->arguments[0];
  } else if (Status status = DatabasePath(context, &path); !status.ok()) {
    return status;
  }
  return OfflineDatabase::Open(context->options, path, database);
}

Status RunCacheStats(Context* context) {
  std::unique_ptr<OfflineDatabase> database;
  Status status = OpenOffline(context, 0, &database);
  std::string text;
  if (status.ok()) status = database->Describe(context->flags.capacity_bytes, &text);
  if (status.ok()) *context->out << text;
  return status;
}

Status RunWhy(Context* context) {
  const std::string& typed = context->arguments.back();
  std::string key;
  if (!ParseBytes(typed, context->flags.key_hex, &key)) {
    return context->Usage("\"" + typed + "\" is no hexadecimal number of whole bytes");
  }
  std::unique_ptr<OfflineDatabase> database;
  Status status = OpenOffline(context, 1, &database);
  if (status.ok()) *context->out << database->Why(key);
  return status;
}

}  // namespace

std::span<const Command> CacheCommands() {
  static const std::vector<Command>* const commands = new std::vector<Command>{
      {"cache-stats",
       "cache_stats",
       "[<directory>]",
       "Prints what can be known of a cache, or a database, from its directory (--db): room, "
       "segments, expiry, ghosts, ages. What is counted, its owner knows: varve.cache-stats.",
       0,
       1,
       {"capacity_bytes"},
       &RunCacheStats},
      {"why",
       "",
       "[<directory>] <key>",
       "Prints what became of a key: what decides a read of it, and what lies beneath.",
       1,
       2,
       {"hex", "key_hex"},
       &RunWhy},
  };
  return *commands;
}

}  // namespace varve::ldb
