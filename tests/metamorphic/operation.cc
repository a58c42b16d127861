#include "tests/metamorphic/operation.h"

#include <charconv>
#include <iterator>
#include <utility>

#include "util/random.h"

namespace varve::metamorphic {
namespace {

constexpr const char* kNames[] = {
    "put",        "delete",       "delete_range",   "merge",         "batch",      "ingest",
    "save_point", "rollback",     "pop_save_point", "get",           "multiget",   "scan",
    "cursor",     "close_cursor", "seek_to_first",  "seek_to_last",  "seek",       "seek_for_prev",
    "next",       "prev",         "refresh",        "snapshot",      "release",    "mark",
    "open",       "flush",        "sync_wal",       "compact_range", "checkpoint", "set_options",
    "threads",
};
static_assert(std::size(kNames) == static_cast<size_t>(Kind::kKindCount));

bool IsPlain(char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\'; }

class Parser {
 public:
  explicit Parser(Slice text) : rest_(text) {}

  // An operation up to the end, or up to ";" or "}".
  Status Parse(Operation* operation) {
    *operation = Operation();
    const Slice name = Word();
    size_t kind = 0;
    while (kind < std::size(kNames) && name != kNames[kind]) ++kind;
    if (kind == std::size(kNames)) return Bad("no such operation: ", name);
    operation->kind = static_cast<Kind>(kind);
    for (SkipSpaces(); !rest_.empty() && rest_[0] != ';' && rest_[0] != '}'; SkipSpaces()) {
      Status status = rest_[0] == '{' ? Parts(operation) : Field(operation);
      if (!status.ok()) return status;
    }
    return Status::OK();
  }
  Slice rest() const { return rest_; }

 private:
  static Status Bad(const char* what, Slice where) {
    return Status::InvalidArgument(what + std::string(where.substr(0, 60)));
  }
  void SkipSpaces() {
    while (!rest_.empty() && rest_[0] == ' ') rest_.remove_prefix(1);
  }
  Slice Take(size_t bytes) {
    const Slice taken = rest_.substr(0, bytes);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  // Up to a space, "=" or ",".
  Slice Word() {
    SkipSpaces();
    return Take(std::min(rest_.find_first_of(" =,"), rest_.size()));
  }
  bool TakeIf(char c) {
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  template <typename Number>
  Status ParseNumber(Number* number) {
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), *number);
    if (error != std::errc()) return Bad("expected a number: ", rest_);
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    return Status::OK();
  }

  Status ParseQuoted(std::string* bytes) {
    bytes->clear();
    if (!TakeIf('"')) return Bad("expected a quote: ", rest_);
    while (!rest_.empty() && rest_[0] != '"') {
      if (rest_[0] != '\\') {
        bytes->push_back(Take(1)[0]);
        continue;
      }
      const Slice escape = Take(4);
      unsigned byte = 0;
      if (escape.size() != 4 || escape[1] != 'x' ||
          std::from_chars(escape.data() + 2, escape.data() + 4, byte, 16).ptr !=
              escape.data() + 4) {
        return Bad("expected \\xNN: ", escape);
      }
      bytes->push_back(static_cast<char>(byte));
    }
    return TakeIf('"') ? Status::OK() : Bad("a quote is missing", "");
  }

  Status Parts(Operation* operation) {
    do {
      Take(1);  // "{" or ";"
      Operation part;
      if (Status status = Parse(&part); !status.ok()) return status;
      operation->parts.push_back(std::move(part));
    } while (!rest_.empty() && rest_[0] == ';');
    return TakeIf('}') ? Status::OK() : Bad("a brace is missing", "");
  }

  Status Field(Operation* operation) {
    const Slice name = Word();
    if (name == "sync") return Flag(&operation->sync);
    if (name == "disable_wal") return Flag(&operation->disable_wal);
    if (name == "rewrite") return Flag(&operation->rewrite);
    if (name == "paused") return Flag(&operation->paused);
    if (name == "oldest") return Flag(&operation->oldest);
    if (name == "no_wait") return Flag(&operation->no_wait);
    if (!TakeIf('=')) return Bad("expected a field: ", name);
    if (name == "slot") return ParseNumber(&operation->slot);
    if (name == "snapshot") return ParseNumber(&operation->snapshot);
    if (name == "mark") return ParseNumber(&operation->mark);
    if (name == "thread") return ParseNumber(&operation->thread);
    if (name == "count") return ParseNumber(&operation->count);
    if (name == "key") return ParseQuoted(&operation->keys.emplace_back());
    if (name == "lower") return ParseQuoted(&operation->lower.emplace());
    if (name == "upper") return ParseQuoted(&operation->upper.emplace());
    if (name == "value") {
      Status status = ParseNumber(&operation->value.id);
      if (status.ok() && !TakeIf(':')) status = Bad("expected id:bytes: ", rest_);
      return status.ok() ? ParseNumber(&operation->value.bytes) : status;
    }
    if (name == "options") return ParseOptions(&operation->options);
    return Bad("no such field: ", name);
  }
  static Status Flag(bool* flag) {
    *flag = true;
    return Status::OK();
  }

  Status ParseOptions(OptionMap* options) {
    do {
      const Slice option = Word();
      const size_t colon = option.find(':');
      if (colon == Slice::npos) return Bad("expected name:value: ", option);
      (*options)[std::string(option.substr(0, colon))] = option.substr(colon + 1);
    } while (TakeIf(','));
    return Status::OK();
  }

  Slice rest_;
};

}  // namespace

const char* KindName(Kind kind) { return kNames[static_cast<size_t>(kind)]; }

std::string Value::Expand() const {
  std::string text = std::to_string(id) + ":";
  text.reserve(bytes);
  Random random(id);
  const bool compressible = id % 2 == 0;
  while (text.size() < bytes) {
    const uint64_t word = random.Next();
    text.append(reinterpret_cast<const char*>(&word), sizeof(word));
    if (compressible) text.append(64, static_cast<char>('a' + word % 26));
  }
  text.resize(bytes);
  return text;
}

std::string Quoted(Slice bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text = "\"";
  for (const char c : bytes) {
    if (IsPlain(c)) {
      text.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      text += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return text + "\"";
}

std::string Operation::ToString() const {
  const Operation defaults;
  std::string text = KindName(kind);
  const auto add = [&text](const char* name, const std::string& what) {
    text += std::string(" ") + name + "=" + what;
  };
  if (slot != defaults.slot) add("slot", std::to_string(slot));
  if (snapshot != defaults.snapshot) add("snapshot", std::to_string(snapshot));
  if (mark != defaults.mark) add("mark", std::to_string(mark));
  if (thread != defaults.thread) add("thread", std::to_string(thread));
  if (count != defaults.count) add("count", std::to_string(count));
  for (const std::string& key : keys) add("key", Quoted(key));
  if (lower) add("lower", Quoted(*lower));
  if (upper) add("upper", Quoted(*upper));
  if (value != defaults.value) {
    add("value", std::to_string(value.id) + ":" + std::to_string(value.bytes));
  }
  if (sync) text += " sync";
  if (disable_wal) text += " disable_wal";
  if (rewrite) text += " rewrite";
  if (paused) text += " paused";
  if (oldest) text += " oldest";
  if (no_wait) text += " no_wait";
  const char* separator = " options=";
  for (const auto& [name, setting] : options) {
    text += separator + name + ":" + setting;
    separator = ",";
  }
  separator = " { ";
  for (const Operation& part : parts) {
    text += separator + part.ToString();
    separator = " ; ";
  }
  return parts.empty() ? text : text + " }";
}

Status ParseOperation(Slice line, Operation* operation) {
  Parser parser(line);
  Status status = parser.Parse(operation);
  if (status.ok() && !parser.rest().empty()) {
    status = Status::InvalidArgument("left over: " + std::string(parser.rest().substr(0, 60)));
  }
  return status;
}

Status ParseOperations(Slice text, std::vector<Operation>* operations) {
  operations->clear();
  for (size_t line_number = 1; !text.empty(); ++line_number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const Slice line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line[0] == '#') continue;
    const Status status = ParseOperation(line, &operations->emplace_back());
    if (!status.ok()) return status.WithContext("line " + std::to_string(line_number));
  }
  return Status::OK();
}

std::vector<Operation> Without(Slice names, std::vector<Operation> operations) {
  const std::string list = "," + std::string(names) + ",";
  std::erase_if(operations, [&list](const Operation& operation) {
    return list.find(std::string(",") + KindName(operation.kind) + ",") != std::string::npos;
  });
  for (Operation& operation : operations) {
    operation.parts = Without(names, std::move(operation.parts));
  }
  return operations;
}

std::string ToText(const std::vector<Operation>& operations) {
  std::string text;
  for (const Operation& operation : operations) text += operation.ToString() + "\n";
  return text;
}

}  // namespace varve::metamorphic
