#include "tests/metamorphic/model_store.h"

#include <algorithm>
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

void ModelStore::Apply(const Operation& entry) {
  ++moment_;
  std::optional<std::string> value;
  if (entry.kind == Kind::kPut) value = entry.value.Expand();
  map_[entry.key()].push_back({moment_, std::move(value)});
}

std::string ModelStore::Write(const Operation& operation) {
  if (operation.kind != Kind::kBatch) {
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
          answer += NotFound() + " ";
          break;
        }
        if (part.kind == Kind::kRollback) entries.resize(save_points.back());
        save_points.pop_back();
        break;
      default:
        entries.push_back(&part);
    }
  }
  for (const Operation* entry : entries) Apply(*entry);
  return answer + std::to_string(entries.size()) + " entries OK";
}

std::string ModelStore::Get(const std::string& key, int snapshot) {
  const auto found = map_.find(key);
  if (found == map_.end()) return NotFound();
  const std::string* const value = Visible(found->second, MomentOf(snapshot));
  return value == nullptr ? NotFound() : Found(*value);
}

std::string ModelStore::MultiGet(std::span<const std::string> keys, int snapshot) {
  std::string answer;
  for (const std::string& key : keys) answer += Get(key, snapshot) + "\n";
  return answer;
}

// Walks the whole map, past what its moment does not see and what is out of its bounds.
class ModelStore::MapCursor : public Cursor {
 public:
  MapCursor(const ModelStore* model, const CursorRange& range)
      : model_(model), range_(range), moment_(model->MomentOf(range.snapshot)) {}

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
    moment_ = model_->MomentOf(range_.snapshot);
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
