#include "tests/metamorphic/model_store.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace varve::metamorphic {

const std::string* ModelStore::Visible(const Versions& versions, uint64_t moment) const {
  const auto after =
      std::upper_bound(versions.begin(), versions.end(), moment,
                       [](uint64_t at, const Version& version) { return at < version.moment; });
  if (after == versions.begin()) return nullptr;
  const Version& newest = *std::prev(after);
  return newest.value ? &*newest.value : nullptr;
}

std::string ModelStore::OpenStore(const OptionMap& options) {
  const auto setting = [&options](const char* name) {
    const auto found = options.find(name);
    return found == options.end() ? std::string() : found->second;
  };
  merge_ = MergeKindOf(setting("merge_operator"));
  retained_entries_ = std::strtoull(setting("history_retention_sequences").c_str(), nullptr, 10);
  if (std::strtoull(setting("history_retention_ms").c_str(), nullptr, 10) != 0) {
    retained_entries_ = UINT64_MAX;  // no run takes so long
  }
  return "OK";
}

bool ModelStore::Allows(const Operation& operation, const std::string& expected,
                        const std::string& found) const {
  if (operation.mark >= 0 && found == kTooOld) {
    const uint64_t written_since = moment_ - marks_.at(operation.mark);
    return written_since > retained_entries_;
  }
  return Store::Allows(operation, expected, found);
}

void ModelStore::Apply(const Operation& entry) {
  ++moment_;
  ApplyAtMoment(entry);
}

void ModelStore::ApplyAtMoment(const Operation& entry) {
  if (entry.kind == Kind::kDeleteRange) {
    for (auto it = map_.lower_bound(*entry.lower); it != map_.end() && it->first < *entry.upper;
         ++it) {
      it->second.push_back({moment_, std::nullopt});
    }
    return;
  }
  Versions& versions = map_[entry.key()];
  std::optional<std::string> value;
  if (entry.kind == Kind::kPut) value = entry.value.Expand();
  if (entry.kind == Kind::kMerge) {
    std::optional<Slice> existing;
    if (const std::string* visible = Visible(versions, moment_)) existing = *visible;
    value = MergeOne(merge_, existing, entry.value.Expand());
  }
  versions.push_back({moment_, std::move(value)});
}

bool ModelStore::IsRefused(const Operation& entry) const {
  if (entry.kind == Kind::kMerge) return merge_ == MergeKind::kNone;
  return entry.kind == Kind::kDeleteRange && IsReversed(entry);
}

std::string ModelStore::Write(const Operation& operation) {
  if (operation.kind != Kind::kBatch) {
    if (IsRefused(operation)) return kInvalidArgument;
    Apply(operation);
    return "OK";
  }
  std::string answer;
  std::vector<const Operation*> entries;
  std::vector<size_t> save_points;
  for (const Operation& part : operation.parts) {
    switch (part.kind) {
      case Kind::kSavePoint:
        save_points.push_back(entries.size());
        break;
      case Kind::kRollback:
      case Kind::kPopSavePoint:
        if (save_points.empty()) {
          answer += std::string(kNotFound) + " ";
          break;
        }
        if (part.kind == Kind::kRollback) entries.resize(save_points.back());
        save_points.pop_back();
        break;
      default:
        entries.push_back(&part);
    }
  }
  answer += std::to_string(entries.size()) + " entries ";
  for (const Operation* entry : entries) {
    if (IsRefused(*entry)) return answer + kInvalidArgument;
  }
  for (const Operation* entry : entries) Apply(*entry);
  return answer + "OK";
}

// At one moment; ranges hide what was there before alone. At the oldest place only what is missing
// goes in.
std::string ModelStore::Ingest(const Operation& operation) {
  std::vector<const Operation*> entries;
  ++moment_;
  for (const Operation& part : operation.parts) {
    if (part.kind == Kind::kDeleteRange && !operation.oldest) ApplyAtMoment(part);
    if (part.kind == Kind::kDeleteRange) continue;
    if (operation.oldest && (part.kind == Kind::kDelete || Get(part.key(), View()) != kNotFound)) {
      continue;
    }
    entries.push_back(&part);
  }
  for (const Operation* entry : entries) ApplyAtMoment(*entry);
  return "OK";
}

std::string ModelStore::Get(const std::string& key, View view) {
  const auto found = map_.find(key);
  if (found == map_.end()) return kNotFound;
  const std::string* const value = Visible(found->second, MomentOf(view));
  return value == nullptr ? std::string(kNotFound) : Found(*value);
}

std::string ModelStore::MultiGet(std::span<const std::string> keys, View view) {
  std::string answer;
  for (const std::string& key : keys) answer += Get(key, view) + "\n";
  return answer;
}

// Walks the whole map, past what its moment does not see and what is out of its bounds.
class ModelStore::MapCursor : public Cursor {
 public:
  MapCursor(const ModelStore* model, const CursorRange& range)
      : model_(model), range_(range), moment_(model->MomentOf(range.view)) {}

  bool Valid() override { return valid_; }
  void SeekToFirst() override { Forwards(model_->map_.begin()); }
  void SeekToLast() override { Backwards(model_->map_.end()); }
  void Seek(const std::string& target) override { Forwards(model_->map_.lower_bound(target)); }
  void SeekForPrev(const std::string& target) override {
    Backwards(model_->map_.upper_bound(target));
  }
  void Next() override { Forwards(model_->map_.upper_bound(key_)); }
  void Prev() override { Backwards(model_->map_.lower_bound(key_)); }
  std::string Key() override { return key_; }
  std::string Value() override { return value_; }
  std::string Status() override { return "OK"; }
  std::string Refresh() override {
    valid_ = false;
    moment_ = model_->MomentOf(range_.view);
    return "OK";
  }

 private:
  // Takes the entry if the cursor sees it.
  bool Take(Map::const_iterator it) {
    if (range_.lower && it->first < *range_.lower) return false;
    if (range_.upper && it->first >= *range_.upper) return false;
    const std::string* const value = model_->Visible(it->second, moment_);
    if (value == nullptr) return false;
    key_ = it->first;
    value_ = *value;
    return true;
  }
  void Forwards(Map::const_iterator it) {
    valid_ = false;
    for (; !valid_ && it != model_->map_.end(); ++it) valid_ = Take(it);
  }
  void Backwards(Map::const_iterator it) {
    valid_ = false;
    while (!valid_ && it != model_->map_.begin()) valid_ = Take(--it);
  }

  const ModelStore* const model_;
  const CursorRange range_;
  uint64_t moment_;
  std::string key_, value_;
  bool valid_ = false;
};

std::unique_ptr<Cursor> ModelStore::NewCursor(const CursorRange& range) {
  return std::make_unique<MapCursor>(this, range);
}

}  // namespace varve::metamorphic
