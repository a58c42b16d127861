// The flags are gflags', but the command line is read here: gflags would end the process at the
// first flag it does not know, and would know a dozen of its own that mean nothing to a database.

#include "tools/ldb/flags.h"

#include <gflags/gflags.h>

#include <algorithm>
#include <numeric>

DEFINE_string(db, "", "Directory of the database.");
DEFINE_bool(hex, false, "Both --key_hex and --value_hex.");
DEFINE_bool(key_hex, false, "Keys are read and printed in hexadecimal: 0x6B6579.");
DEFINE_bool(value_hex, false, "Values are read and printed in hexadecimal.");
DEFINE_bool(create_if_missing, false, "Make a new database where there is none.");
DEFINE_string(from, "", "The first key; the lowest there is if not given.");
DEFINE_string(to, "", "The key before which to stop; behind the last one if not given.");
DEFINE_uint64(limit, 0, "Stop after so many keys (RocksDB: --max_keys).");
DEFINE_uint64(at_sequence, 0, "Read the state right after this sequence number.");
DEFINE_bool(keys_only, false, "Leave the values out (RocksDB: --no_value).");
DEFINE_bool(reverse, false, "From the last key to the first.");
DEFINE_bool(blocks, false, "A line for each data block.");
DEFINE_bool(entries, false, "A line for each entry, and for each data block.");
DEFINE_uint64(bytes_max, 64, "Print at most so many bytes of a key or value.");
DEFINE_uint64(capacity_bytes, 0, "What the cache may take, to say how much of it is used.");
DEFINE_bool(rewrite, false, "Rewrite what lies deepest already, too.");
DEFINE_bool(oldest, false, "Beneath what is there: only keys that the database does not hold.");
DEFINE_bool(move, false, "Remove the files once the database has their content.");
DEFINE_bool(yes, false, "Do it without being asked again.");

namespace varve::ldb {
namespace {

constexpr std::string_view kFlags[] = {
    "db",          "hex",       "key_hex", "value_hex", "create_if_missing", "from",      "to",
    "limit",       "keys_only", "reverse", "blocks",    "entries",           "bytes_max", "yes",
    "at_sequence", "oldest",    "move",    "rewrite",   "capacity_bytes"};

// What RocksDB's users type.
constexpr struct {
  std::string_view theirs, ours;
} kAliases[] = {{"max_keys", "limit"}, {"no_value", "keys_only"}};

// Levenshtein's distance, for the hint.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row[b.size()];
}

std::string Hint(std::string_view name) {
  std::string_view nearest;
  size_t distance_min = std::max<size_t>(2, name.size() / 3) + 1;
  for (const std::string_view flag : kFlags) {
    const size_t distance = EditDistance(name, flag);
    if (distance >= distance_min) continue;
    distance_min = distance;
    nearest = flag;
  }
  return nearest.empty() ? "" : "; did you mean --" + std::string(nearest) + "?";
}

// Our own flag of that name, or null.
const std::string_view* Find(std::string_view name) {
  for (const auto& alias : kAliases) {
    if (name == alias.theirs) name = alias.ours;
  }
  const auto* const found = std::find(std::begin(kFlags), std::end(kFlags), name);
  return found == std::end(kFlags) ? nullptr : found;
}

bool IsSwitch(std::string_view name) {
  gflags::CommandLineFlagInfo info;
  return gflags::GetCommandLineFlagInfo(std::string(name).c_str(), &info) && info.type == "bool";
}

// One argument that begins with a dash; *next is the one behind it, if there is one. Sets
// *used_next if that was the value.
Status ParseFlag(const std::string& argument, const std::string* next, bool* used_next,
                 Flags* flags) {
  std::string name = argument.substr(argument[1] == '-' ? 2 : 1);
  std::string value = "true";
  const size_t equals = name.find('=');
  const bool has_value = equals != std::string::npos;
  if (has_value) {
    value = name.substr(equals + 1);
    name.resize(equals);
  }
  std::replace(name.begin(), name.end(), '-', '_');
  if ((name == "help" || name == "h") && !has_value) {
    flags->help = true;
    return Status::OK();
  }
  const std::string_view* known = Find(name);
  if (known == nullptr && !has_value && name.rfind("no", 0) == 0) {
    known = Find(std::string_view(name).substr(2));
    if (known != nullptr && !IsSwitch(*known)) known = nullptr;
    value = "false";
  }
  if (known == nullptr) return Status::InvalidArgument("unknown flag --" + name + Hint(name));
  if (!has_value && !IsSwitch(*known)) {
    if (next == nullptr) return Status::InvalidArgument("--" + name + " needs a value");
    value = *next;
    *used_next = true;
  }
  if (gflags::SetCommandLineOption(std::string(*known).c_str(), value.c_str()).empty()) {
    return Status::InvalidArgument("--" + name + "=" + value + ": not a value of this flag");
  }
  flags->given.emplace_back(*known);
  return Status::OK();
}

template <typename T>
std::optional<T> IfGiven(const Flags& flags, std::string_view name, const T& value) {
  const bool given = std::find(flags.given.begin(), flags.given.end(), name) != flags.given.end();
  return given ? std::optional<T>(value) : std::nullopt;
}

void TakeValues(Flags* flags) {
  flags->db = FLAGS_db;
  flags->key_hex = FLAGS_key_hex || FLAGS_hex;
  flags->value_hex = FLAGS_value_hex || FLAGS_hex;
  flags->create_if_missing = FLAGS_create_if_missing;
  flags->from = IfGiven(*flags, "from", FLAGS_from);
  flags->to = IfGiven(*flags, "to", FLAGS_to);
  flags->limit = IfGiven<uint64_t>(*flags, "limit", FLAGS_limit);
  flags->at_sequence = IfGiven<uint64_t>(*flags, "at_sequence", FLAGS_at_sequence);
  flags->keys_only = FLAGS_keys_only;
  flags->reverse = FLAGS_reverse;
  flags->blocks = FLAGS_blocks;
  flags->capacity_bytes = FLAGS_capacity_bytes;
  flags->entries = FLAGS_entries;
  flags->bytes_max = static_cast<size_t>(FLAGS_bytes_max);
  flags->rewrite = FLAGS_rewrite;
  flags->oldest = FLAGS_oldest;
  flags->move = FLAGS_move;
  flags->yes = FLAGS_yes;
}

}  // namespace

Status ParseArguments(const std::vector<std::string>& arguments, Flags* flags,
                      std::vector<std::string>* rest) {
  const gflags::FlagSaver saver;  // the next command line starts with the defaults
  bool flags_end = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (flags_end || argument.size() < 2 || argument[0] != '-') {
      rest->push_back(argument);
      continue;
    }
    if (argument == "--") {
      flags_end = true;
      continue;
    }
    const std::string* const next = i + 1 < arguments.size() ? &arguments[i + 1] : nullptr;
    bool used_next = false;
    if (Status s = ParseFlag(argument, next, &used_next, flags); !s.ok()) return s;
    if (used_next) ++i;
  }
  TakeValues(flags);
  return Status::OK();
}

std::string DescribeFlags(const std::vector<std::string_view>& names) {
  std::string text;
  for (const std::string_view name : names) {
    gflags::CommandLineFlagInfo info;
    if (!gflags::GetCommandLineFlagInfo(std::string(name).c_str(), &info)) continue;
    std::string flag = "  --" + info.name + (info.type == "bool" ? "" : "=<value>");
    flag.resize(std::max<size_t>(flag.size() + 1, 26), ' ');
    text += flag + info.description + "\n";
  }
  return text;
}

}  // namespace varve::ldb
