// Finds the command, and turns what it returns into an exit status.

#include "tools/ldb/ldb.h"

#include <algorithm>
#include <ostream>

#include "tools/ldb/command.h"

namespace varve::ldb {
namespace {

std::vector<const Command*> AllCommands() {
  std::vector<const Command*> commands;
  for (const auto family : {DataCommands(), DumpCommands(), AdminCommands(), CacheCommands()}) {
    for (const Command& command : family) commands.push_back(&command);
  }
  return commands;
}

const Command* Find(std::string_view name) {
  for (const Command* command : AllCommands()) {
    if (name == command->name || (!name.empty() && name == command->alias)) return command;
  }
  return nullptr;
}

std::string Synopsis(const Command& command) {
  std::string text = "  " + std::string(command.name);
  if (!command.arguments.empty()) text += " " + std::string(command.arguments);
  for (const std::string_view flag : command.flags) text += " [--" + std::string(flag) + "]";
  return text + "\n";
}

void PrintUsage(std::ostream& to) {
  to << "usage: varve_ldb --db=<directory> <command> [<argument>…] [--<flag>…]\n\n";
  for (const Command* command : AllCommands()) {
    to << Synopsis(*command) << "      " << command->help;
    if (!command->alias.empty()) to << " Also called " << command->alias << ".";
    to << "\n";
  }
  to << "\nvarve_ldb <command> --help tells more. Behind -- an argument may begin with a dash.\n";
}

void PrintUsage(std::ostream& to, const Command& command) {
  to << "usage: varve_ldb --db=<directory>\n"
     << Synopsis(command) << "\n"
     << command.help << "\n"
     << DescribeFlags(command.flags);
}

Status CheckUsage(const Command& command, const Context& context) {
  for (const std::string& flag : context.flags.given) {
    if (flag == "db") continue;
    if (std::find(command.flags.begin(), command.flags.end(), flag) == command.flags.end()) {
      return Status::InvalidArgument(std::string(command.name) + " takes no --" + flag);
    }
  }
  const size_t count = context.arguments.size();
  if (count < command.arguments_min) {
    return Status::InvalidArgument(std::string(command.name) + ": missing argument, it takes " +
                                   std::string(command.arguments));
  }
  if (count > command.arguments_max) {
    return Status::InvalidArgument(std::string(command.name) + ": \"" +
                                   context.arguments[command.arguments_max] +
                                   "\" is one argument too many");
  }
  return Status::OK();
}

Options Complete(Options options) {
  const Env defaults = Env::Default();
  if (options.env.file_system == nullptr) options.env.file_system = defaults.file_system;
  if (options.env.clock == nullptr) options.env.clock = defaults.clock;
  if (options.env.machine == nullptr) options.env.machine = defaults.machine;
  return options;
}

}  // namespace

int Run(const std::vector<std::string>& arguments, const Options& base, std::ostream& out,
        std::ostream& err) {
  Context context;
  context.options = Complete(base);
  context.out = &out;
  context.err = &err;
  Status status = ParseArguments(arguments, &context.flags, &context.arguments);
  const Command* command = nullptr;
  if (status.ok() && !context.arguments.empty()) {
    command = Find(context.arguments.front());
    if (command == nullptr && context.arguments.front() == "help") {
      context.flags.help = true;
    } else if (command == nullptr) {
      status = Status::InvalidArgument("unknown command \"" + context.arguments.front() + "\"");
    }
    context.arguments.erase(context.arguments.begin());
  } else if (status.ok() && !context.flags.help) {
    status = Status::InvalidArgument("no command");
  }
  if (status.ok() && context.flags.help) {
    command == nullptr ? PrintUsage(out) : PrintUsage(out, *command);
    return kExitOk;
  }
  context.bad_usage = true;
  if (status.ok()) status = CheckUsage(*command, context);
  if (status.ok()) {
    context.bad_usage = false;
    status = command->run(&context);
  }
  out.flush();
  if (status.ok() && !out.good()) status = Status::IOError("the output could not be written");
  if (status.ok()) return kExitOk;
  if (!context.bad_usage) {
    context.Complain(status);
    return kExitFailed;
  }
  err << "varve_ldb: " << status.message() << "\n\n";
  command == nullptr ? PrintUsage(err) : PrintUsage(err, *command);
  return kExitUsage;
}

Status Context::Usage(std::string_view what) {
  bad_usage = true;
  return Status::InvalidArgument(what);
}

void Context::Complain(const Status& status) { *err << "varve_ldb: " << status.ToString() << "\n"; }

Status DatabasePath(Context* context, std::string* path) {
  if (context->flags.db.empty()) return context->Usage("--db=<directory> is missing");
  *path = context->flags.db;
  return Status::OK();
}

Status OpenDatabase(Context* context, std::unique_ptr<DB>* db, HistoryInTool history) {
  std::string path;
  if (Status status = DatabasePath(context, &path); !status.ok()) return status;
  Options options = context->options;
  options.create_if_missing = context->flags.create_if_missing;
  // A log is as large as the memtable it is for, and written in full when it is made. Single
  // commands write little.
  options.memtable_bytes = size_t{1} << 20;
  // What the database's owner keeps of its history is not ours to let go, nor is the shape of the
  // tree ours to change, unless we are told to.
  if (history == HistoryInTool::kKept) options.history_retention_sequences = UINT64_MAX;
  options.compaction_style = CompactionStyle::kNone;
  return DB::Open(options, path, db);
}

}  // namespace varve::ldb
