#include "tools/crash/db_reader.h"

#include <memory>
#include <set>

#include "db/manifest.h"
#include "util/coding.h"
#include "util/filename.h"
#include "util/hash.h"

namespace varve::crash {

std::string MakeValue(Slice key, int writer, uint32_t batch, uint32_t place, size_t bytes,
                      int life) {
  std::string value(key);
  value += "|w" + std::to_string(writer) + "|b" + std::to_string(batch) + "|" +
           std::to_string(place) +
           "|ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[life % 53];
  // Padding that neither compresses to nothing nor repeats from value to value.
  uint64_t pad = Hash64(value);
  while (value.size() + 8 < bytes)
    value.push_back(static_cast<char>('a' + (pad = Mix64(pad)) % 16));
  PutFixed64(&value, Hash64(value));
  return value;
}

std::string CheckValue(Slice key, Slice value) {
  if (value.size() < 8 ||
      DecodeFixed64(value.data() + value.size() - 8) != Hash64(value.substr(0, value.size() - 8))) {
    return "the value of '" + std::string(key) + "' is damaged";
  }
  if (value.size() <= key.size() || value.substr(0, key.size()) != key ||
      value[key.size()] != '|') {
    return "'" + std::string(key) +
           "' has the value of another key: " + std::string(value.substr(0, 40));
  }
  return "";
}

std::string Difference(const Ledger::State& found, const Ledger::State& expected) {
  for (const auto& [key, value] : expected) {
    const auto it = found.find(key);
    if (it == found.end()) return "'" + key + "' is missing";
    if (it->second != value) {
      return "'" + key + "' is '" + it->second.substr(0, 40) + "' and not '" + value.substr(0, 40) +
             "'";
    }
  }
  for (const auto& [key, value] : found) {
    if (expected.count(key) == 0) return "'" + key + "' is there and should not be";
  }
  return "";
}

std::string ReadRange(DB* db, const Snapshot* snapshot, Slice first, Slice limit,
                      Ledger::State* state) {
  ReadOptions options;
  options.snapshot = snapshot;
  const std::unique_ptr<Iterator> it = db->NewIterator(options);
  for (it->Seek(first); it->Valid() && it->key() < limit; it->Next()) {
    if (std::string wrong = CheckValue(it->key(), it->value()); !wrong.empty()) return wrong;
    (*state)[std::string(it->key())] = std::string(it->value());
  }
  return it->status().ok() ? "" : "iterator: " + it->status().ToString();
}

std::string ReadEverything(DB* db, const std::vector<std::string>& keys, Ledger::State* state) {
  state->clear();
  const std::unique_ptr<Iterator> it = db->NewIterator({});
  std::string last;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    if (std::string wrong = CheckValue(it->key(), it->value()); !wrong.empty()) return wrong;
    std::string key(it->key());
    if (!state->empty() && key <= last)
      return "the iterator gives '" + key + "' after '" + last + "'";
    last = key;
    state->emplace(std::move(key), it->value());
  }
  if (!it->status().ok()) return "iterator: " + it->status().ToString();

  auto expected = state->rbegin();
  for (it->SeekToLast(); it->Valid(); it->Prev(), ++expected) {
    if (expected == state->rend() || it->key() != expected->first ||
        it->value() != expected->second) {
      return "backward the iterator gives '" + std::string(it->key()) + "', forward not so";
    }
  }
  if (!it->status().ok()) return "backward: " + it->status().ToString();
  if (expected != state->rend())
    return "backward the iterator ends before '" + expected->first + "'";

  std::vector<Slice> slices(keys.begin(), keys.end());
  std::vector<PinnedValue> values(keys.size());
  std::vector<Status> statuses(keys.size());
  db->MultiGet({}, slices, values, statuses);
  PinnedValue value;
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto entry = state->find(keys[i]);
    const bool there = entry != state->end();
    const Status s = db->Get({}, keys[i], &value);
    const auto differs = [&](const Status& status, const PinnedValue& v) {
      return there ? !status.ok() || v.slice() != entry->second : !status.IsNotFound();
    };
    if (differs(s, value)) {
      return "Get('" + keys[i] + "') gives " + s.ToString() + ", an iterator " +
             (there ? "has it" : "does not have it");
    }
    if (differs(statuses[i], values[i])) {
      return "MultiGet of '" + keys[i] + "' gives " + statuses[i].ToString() + ", Get " +
             s.ToString();
    }
  }
  // A seek to every seventh key finds what the order says.
  for (size_t i = 0; i < keys.size(); i += 7) {
    const auto after = state->lower_bound(keys[i]);
    it->Seek(keys[i]);
    if (it->Valid() != (after != state->end()) || (it->Valid() && it->key() != after->first)) {
      return "Seek('" + keys[i] + "') lands wrongly";
    }
    const auto past = state->upper_bound(keys[i]);
    it->SeekForPrev(keys[i]);
    if (it->Valid() != (past != state->begin()) ||
        (it->Valid() && it->key() != std::prev(past)->first)) {
      return "SeekForPrev('" + keys[i] + "') lands wrongly";
    }
  }
  return "";
}

std::string CheckDirectory(FileSystem* file_system, const std::string& directory) {
  ManifestState manifest;
  if (Status s = Manifest::Inspect(file_system, directory, &manifest); !s.ok()) {
    return "manifest: " + s.ToString();
  }
  std::set<NumberedFile> missing;
  for (const SegmentEntry& entry : manifest.segments) {
    for (const NumberedFile& file : FilesOf(entry)) missing.insert(file);
  }
  std::vector<std::string> names;
  if (Status s = file_system->ListDirectory(directory, &names); !s.ok()) {
    return "list: " + s.ToString();
  }
  for (const std::string& name : names) {
    FileNumber number;
    FileType type;
    if (!ParseFileName(name, &number, &type)) return "LEAK: '" + name + "' is no name of ours";
    if (type == FileType::kManifestTemp) return "LEAK: " + name;
    if ((type == FileType::kSegment || type == FileType::kGhost) &&
        missing.erase({type, number}) == 0) {
      return "LEAK: the manifest does not know " + name;
    }
    if (type == FileType::kLog && number < manifest.lowest_log) {
      return "LEAK: " + name + ", and logs are needed from " + std::to_string(manifest.lowest_log);
    }
  }
  if (!missing.empty())
    return "the manifest names " + FileName("", *missing.begin()) + ", which is not there";
  return "";
}

}  // namespace varve::crash
