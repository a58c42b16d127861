// Commands on keys and values. Each opens the database, which takes its lock and runs recovery.

#include <memory>
#include <ostream>

#include "tools/ldb/command.h"
#include "tools/ldb/text.h"
#include "varve/db.h"
#include "varve/segment_writer.h"

namespace varve::ldb {
namespace {

Status ParseTyped(Context* context, Slice typed, bool hex, std::string* bytes) {
  if (ParseBytes(typed, hex, bytes)) return Status::OK();
  return context->Usage("\"" + std::string(typed) + "\" is no hexadecimal number of whole bytes");
}
Status ParseKey(Context* context, Slice typed, std::string* key) {
  return ParseTyped(context, typed, context->flags.key_hex, key);
}
Status ParseValue(Context* context, Slice typed, std::string* value) {
  return ParseTyped(context, typed, context->flags.value_hex, value);
}

// --from and --to; unset where they are not given.
struct KeyRange {
  std::optional<std::string> from, to;
};
Status ParseRange(Context* context, KeyRange* range) {
  if (context->flags.from) {
    Status status = ParseKey(context, *context->flags.from, &range->from.emplace());
    if (!status.ok()) return status;
  }
  if (!context->flags.to) return Status::OK();
  return ParseKey(context, *context->flags.to, &range->to.emplace());
}

std::string KeyText(const Context& context, Slice key) {
  return FormatBytes(key, context.flags.key_hex);
}
std::string ValueText(const Context& context, Slice value) {
  return FormatBytes(value, context.flags.value_hex);
}

// The outcome of what was done and of closing, which makes it durable.
Status CloseAfter(Status status, DB* db) {
  const Status closed = db->Close();
  return status.ok() ? closed : status;
}

Status RunGet(Context* context) {
  std::string key;
  if (Status status = ParseKey(context, context->arguments[0], &key); !status.ok()) return status;
  std::unique_ptr<DB> db;
  if (Status status = OpenDatabase(context, &db); !status.ok()) return status;
  std::string value;
  ReadOptions read;
  read.at_sequence = context->flags.at_sequence;
  Status status = db->Get(read, key, &value);
  if (status.IsNotFound()) status = Status::NotFound("no key " + KeyText(*context, key));
  if (status.ok()) *context->out << ValueText(*context, value) << "\n";
  return CloseAfter(std::move(status), db.get());
}

Status ApplyBatch(Context* context, const WriteBatch& batch) {
  std::unique_ptr<DB> db;
  if (Status status = OpenDatabase(context, &db); !status.ok()) return status;
  Status status = CloseAfter(db->Write({}, batch), db.get());
  if (status.ok()) *context->out << "OK\n";
  return status;
}

Status RunPut(Context* context) {
  if (context->arguments.size() % 2 != 0) {
    return context->Usage("a value is missing for the last key");
  }
  WriteBatch batch;
  for (size_t i = 0; i < context->arguments.size(); i += 2) {
    std::string key, value;
    Status status = ParseKey(context, context->arguments[i], &key);
    if (status.ok()) status = ParseValue(context, context->arguments[i + 1], &value);
    if (status.ok()) status = batch.Put(key, value);
    if (!status.ok()) return status;
  }
  return ApplyBatch(context, batch);
}

// Writes a file, and needs no database.
Status RunSegmentWrite(Context* context) {
  if (context->arguments.size() % 2 == 0) {
    return context->Usage("a value is missing for the last key");
  }
  SegmentWriter writer(context->options, context->arguments[0]);
  Status status;
  for (size_t i = 1; status.ok() && i < context->arguments.size(); i += 2) {
    std::string key, value;
    status = ParseKey(context, context->arguments[i], &key);
    if (status.ok()) status = ParseValue(context, context->arguments[i + 1], &value);
    if (status.ok()) status = writer.Put(key, value);
  }
  if (status.ok()) status = writer.Finish();
  if (status.ok()) *context->out << "OK\n";
  return status;
}

Status RunDelete(Context* context) {
  std::string key;
  WriteBatch batch;
  Status status = ParseKey(context, context->arguments[0], &key);
  if (status.ok()) status = batch.Delete(key);
  return status.ok() ? ApplyBatch(context, batch) : status;
}

Status RunDeleteRange(Context* context) {
  std::string from, to;
  WriteBatch batch;
  Status status = ParseKey(context, context->arguments[0], &from);
  if (status.ok()) status = ParseKey(context, context->arguments[1], &to);
  if (status.ok()) status = batch.DeleteRange(from, to);
  return status.ok() ? ApplyBatch(context, batch) : status;
}

Status PrintEntries(const Context& context, const KeyRange& range, DB* db) {
  ReadOptions read;
  read.fill_cache = false;
  read.at_sequence = context.flags.at_sequence;
  if (range.from) read.lower_bound = *range.from;
  if (range.to) read.upper_bound = *range.to;
  const auto it = db->NewIterator(read);
  const bool reverse = context.flags.reverse;
  uint64_t left = context.flags.limit.value_or(UINT64_MAX);
  for (reverse ? it->SeekToLast() : it->SeekToFirst(); left > 0 && it->Valid(); --left) {
    *context.out << KeyText(context, it->key());
    if (!context.flags.keys_only) *context.out << " : " << ValueText(context, it->value());
    *context.out << "\n";
    reverse ? it->Prev() : it->Next();
  }
  return it->status();
}

Status RunScan(Context* context) {
  KeyRange range;
  if (Status status = ParseRange(context, &range); !status.ok()) return status;
  std::unique_ptr<DB> db;
  if (Status status = OpenDatabase(context, &db); !status.ok()) return status;
  return CloseAfter(PrintEntries(*context, range, db.get()), db.get());
}

// An exclusive bound behind every key there is. Sets *to to nothing where there is no key.
Status BehindTheLast(DB* db, std::optional<std::string>* to) {
  const auto it = db->NewIterator({});
  it->SeekToLast();
  if (it->Valid()) (*to = std::string(it->key()))->push_back('\0');
  return it->status();
}

Status RunApproximateSize(Context* context) {
  KeyRange range;
  if (Status status = ParseRange(context, &range); !status.ok()) return status;
  std::unique_ptr<DB> db;
  if (Status status = OpenDatabase(context, &db); !status.ok()) return status;
  Status status;
  if (!range.to) status = BehindTheLast(db.get(), &range.to);
  uint64_t bytes = 0;
  if (status.ok() && range.to) {
    const DB::Range ranges[] = {{range.from ? Slice(*range.from) : Slice(), *range.to}};
    status = db->GetApproximateSizes(ranges, &bytes);
  }
  if (status.ok()) *context->out << bytes << "\n";
  return CloseAfter(std::move(status), db.get());
}

Status RunCompact(Context* context) {
  KeyRange range;
  if (Status status = ParseRange(context, &range); !status.ok()) return status;
  std::unique_ptr<DB> db;
  if (Status status = OpenDatabase(context, &db, HistoryInTool::kDropped); !status.ok()) {
    return status;
  }
  CompactRangeOptions options;
  options.rewrite_deepest = context->flags.rewrite;
  const auto bound = [](const std::optional<std::string>& key) {
    return key.has_value() ? std::optional<Slice>(*key) : std::nullopt;
  };
  Status status = db->CompactRange(options, bound(range.from), bound(range.to));
  if (status.ok()) *context->out << "OK\n";
  return CloseAfter(std::move(status), db.get());
}

}  // namespace

std::span<const Command> DataCommands() {
  static const std::vector<Command>* const commands = new std::vector<Command>{
      {"get",
       "",
       "<key>",
       "Prints the value of a key.",
       1,
       1,
       {"hex", "key_hex", "value_hex", "at_sequence"},
       &RunGet},
      {"put",
       "",
       "<key> <value>",
       "Sets the value of a key.",
       2,
       2,
       {"hex", "key_hex", "value_hex", "create_if_missing"},
       &RunPut},
      {"batchput",
       "",
       "<key> <value> [<key> <value>…]",
       "Sets the values of several keys, all or none.",
       2,
       kAnyNumber,
       {"hex", "key_hex", "value_hex", "create_if_missing"},
       &RunPut},
      {"segment_write",
       "",
       "<file> <key> <value> [<key> <value>…]",
       "Makes a file for ingest, of keys in ascending order. Needs no database.",
       3,
       kAnyNumber,
       {"hex", "key_hex", "value_hex"},
       &RunSegmentWrite},
      {"delete",
       "",
       "<key>",
       "Deletes a key; an absent one is fine.",
       1,
       1,
       {"hex", "key_hex"},
       &RunDelete},
      {"deleterange",
       "",
       "<from> <to>",
       "Deletes the keys in [from, to).",
       2,
       2,
       {"hex", "key_hex"},
       &RunDeleteRange},
      {"scan",
       "",
       "",
       "Prints the keys in [--from, --to) and their values.",
       0,
       0,
       {"from", "to", "limit", "keys_only", "reverse", "hex", "key_hex", "value_hex",
        "at_sequence"},
       &RunScan},
      {"approxsize",
       "",
       "",
       "Estimates the bytes on disk under the keys in [--from, --to).",
       0,
       0,
       {"from", "to", "hex", "key_hex"},
       &RunApproximateSize},
      {"compact",
       "",
       "",
       "Merges the keys in [--from, --to] downwards into one sorted run. Drops the history.",
       0,
       0,
       {"from", "to", "hex", "key_hex", "rewrite"},
       &RunCompact},
  };
  return *commands;
}

}  // namespace varve::ldb
