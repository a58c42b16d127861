// Commands on a database as a whole.

#include <charconv>
#include <memory>
#include <ostream>

#include "db/reset_clock.h"
#include "tools/ldb/command.h"
#include "tools/ldb/consistency_check.h"
#include "varve/db.h"

namespace varve::ldb {
namespace {

constexpr Slice kProperties[] = {"num-segments",
                                 "segment-bytes",
                                 "num-ghosts",
                                 "ghost-bytes",
                                 "ghost-false-positive-rate",
                                 "num-entries",
                                 "memtable-bytes",
                                 "num-immutable-memtables",
                                 "block-cache-usage",
                                 "block-cache-capacity",
                                 "open-segments",
                                 "segment-reader-bytes",
                                 "segment-heat-bytes",
                                 "admission-bytes",
                                 "num-snapshots",
                                 "oldest-snapshot-sequence",
                                 "last-sequence",
                                 "retained-sequence",
                                 "manifest-commits",
                                 "manifest-bytes-written",
                                 "wal-bytes",
                                 "live-bytes",
                                 "is-write-stopped",
                                 "durable-position",
                                 "background-error",
                                 "degraded",
                                 "last-reset"};
constexpr Slice kPropertyPrefix = "varve.";

Status PrintProperty(Context* context, DB* db, const std::string& name) {
  std::string value;
  if (!db->GetProperty(name, &value)) {
    return Status::InvalidArgument("no property \"" + name + "\"");
  }
  const bool lines = value.ends_with('\n');
  *context->out << name << (lines ? ":\n" : ": ") << value << (lines ? "" : "\n");
  return Status::OK();
}

Status RunProperties(Context* context) {
  std::unique_ptr<DB> db;
  if (Status status = OpenDatabase(context, &db); !status.ok()) return status;
  Status status;
  if (!context->arguments.empty()) {
    const std::string& name = context->arguments[0];
    const bool whole = name.starts_with(kPropertyPrefix);
    status = PrintProperty(context, db.get(), whole ? name : std::string(kPropertyPrefix) + name);
  } else {
    for (const Slice name : kProperties) {
      status = PrintProperty(context, db.get(), std::string(kPropertyPrefix) + std::string(name));
      if (!status.ok()) break;
    }
  }
  const Status closed = db->Close();
  return status.ok() ? closed : status;
}

Status RunStats(Context* context) {
  std::unique_ptr<DB> db;
  if (Status status = OpenDatabase(context, &db); !status.ok()) return status;
  for (const char* name : {"varve.stats", "varve.segments"}) {
    std::string text;
    if (db->GetProperty(name, &text)) *context->out << text;
  }
  return db->Close();
}

Status RunCheckpoint(Context* context) {
  std::unique_ptr<DB> db;
  if (Status status = OpenDatabase(context, &db); !status.ok()) return status;
  const Status status = db->Checkpoint(context->arguments[0]);
  const Status closed = db->Close();
  if (status.ok()) *context->out << "OK\n";
  return status.ok() ? closed : status;
}

Status RunIngest(Context* context) {
  std::unique_ptr<DB> db;
  if (Status status = OpenDatabase(context, &db); !status.ok()) return status;
  IngestOptions options;
  options.place = context->flags.oldest ? IngestPlace::kOldest : IngestPlace::kNewest;
  options.move_files = context->flags.move;
  const Status status = db->Ingest(context->arguments, options);
  const Status closed = db->Close();
  if (status.ok()) *context->out << "OK\n";
  return status.ok() ? closed : status;
}

Status RunDestroy(Context* context) {
  std::string path;
  if (Status status = DatabasePath(context, &path); !status.ok()) return status;
  if (!context->flags.yes) {
    return context->Usage("destroy removes the database in " + path + " for good; say --yes");
  }
  Status status = DB::Destroy(context->options, path);
  if (status.ok()) *context->out << "OK\n";
  return status;
}

Status RunResetClock(Context* context) {
  std::string path;
  if (Status status = DatabasePath(context, &path); !status.ok()) return status;
  uint64_t now_ms = context->options.env.clock->WallMillis();
  if (!context->arguments.empty()) {
    const std::string& text = context->arguments[0];
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, now_ms);
    if (error != std::errc() || stop != end || now_ms == 0) {
      return context->Usage("\"" + text + "\" is no number of milliseconds since 1970");
    }
  }
  if (!context->flags.yes) {
    return context->Usage("reset-clock sets the time by which all in " + path +
                          " expires, and empties a cache; say --yes");
  }
  ClockReset reset;
  Status status = ResetClock(context->options.env, path, now_ms, &reset);
  if (!status.ok()) return status;
  *context->out << "clock mark " << reset.before_ms << " -> " << reset.now_ms << " ms"
                << (reset.emptied ? ", cache emptied" : "") << "\nOK\n";
  return Status::OK();
}

class CheckPrinter final : public CheckListener {
 public:
  explicit CheckPrinter(Context* context) : context_(context) {}

  void OnGood(const std::string& line) override { *context_->out << line << "\n"; }
  void OnNote(const std::string& line) override { *context_->out << "note: " << line << "\n"; }
  void OnProblem(const Status& status) override {
    context_->Complain(status);
    ++problems_;
  }
  uint64_t problems() const { return problems_; }

 private:
  Context* const context_;
  uint64_t problems_ = 0;
};

Status RunCheckConsistency(Context* context) {
  std::string path;
  if (Status status = DatabasePath(context, &path); !status.ok()) return status;
  CheckPrinter printer(context);
  if (Status status = CheckConsistency(context->options, path, &printer); !status.ok()) {
    return status;
  }
  if (printer.problems() > 0) {
    return Status::Corruption(path + ": problems found: " + std::to_string(printer.problems()));
  }
  *context->out << "OK\n";
  return Status::OK();
}

}  // namespace

std::span<const Command> AdminCommands() {
  static const std::vector<Command>* const commands = new std::vector<Command>{
      {"checkconsistency",
       "",
       "",
       "Reads everything and verifies every checksum and order. Takes no lock, writes nothing.",
       0,
       0,
       {},
       &RunCheckConsistency},
      {"properties",
       "get_property",
       "[<name>]",
       "Prints one property of the database, or all.",
       0,
       1,
       {},
       &RunProperties},
      {"stats",
       "",
       "",
       "Prints the statistics of the database and a line for each segment.",
       0,
       0,
       {},
       &RunStats},
      {"checkpoint",
       "",
       "<directory>",
       "Makes a directory a database that holds the same and shares the segments by hard links.",
       1,
       1,
       {},
       &RunCheckpoint},
      {"ingest",
       "",
       "<file> [<file>…]",
       "Takes in files made by segment_write, all or none of them.",
       1,
       kAnyNumber,
       {"oldest", "move", "create_if_missing"},
       &RunIngest},
      {"reset-clock",
       "",
       "[<milliseconds since 1970>]",
       "Sets the time by which entries expire, to the wall clock's if none is given, where a wrong "
       "clock made it wrong. Empties a cache.",
       0,
       1,
       {"yes"},
       &RunResetClock},
      {"destroy", "", "", "Removes every file of the database.", 0, 0, {"yes"}, &RunDestroy},
  };
  return *commands;
}

}  // namespace varve::ldb
