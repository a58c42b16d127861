#ifndef VARVE_TESTS_METAMORPHIC_MODEL_STORE_H_
#define VARVE_TESTS_METAMORPHIC_MODEL_STORE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/metamorphic/merge_operators.h"
#include "tests/metamorphic/store.h"

namespace varve::metamorphic {

// The oracle: an ordered map from each key to all versions it ever had. Nothing is ever dropped, so
// a read at any moment is a search for the newest version up to it.
class ModelStore : public Store {
 public:
  const char* name() const override { return "the model"; }
  // The state at a mark need not be readable for ever.
  bool Allows(const Operation& operation, const std::string& expected,
              const std::string& found) const override;

 protected:
  struct Version {
    uint64_t moment;
    std::optional<std::string> value;  // none: deleted
  };
  using Versions = std::vector<Version>;  // ascending moments
  using Map = std::map<std::string, Versions>;

  std::string OpenStore(const OptionMap& options) override;
  std::string CloseStore() override { return "OK"; }
  std::string Write(const Operation& operation) override;
  std::string Ingest(const Operation& operation) override;
  std::string Get(const std::string& key, View view) override;
  std::string MultiGet(std::span<const std::string> keys, View view) override;
  std::unique_ptr<Cursor> NewCursor(const CursorRange& range) override;
  void TakeSnapshot(int slot) override { snapshots_[slot] = moment_; }
  void ReleaseSnapshot(int slot) override { snapshots_.erase(slot); }
  void Mark(int slot) override { marks_[slot] = moment_; }
  std::string Flush(bool) override { return "OK"; }
  std::string SyncWal() override { return "OK"; }
  std::string CompactRange(const Operation& operation) override {
    return IsReversed(operation) ? kInvalidArgument : "OK";
  }
  std::string SetOptions(const OptionMap&) override { return "OK"; }
  bool RunsThreads() const override { return false; }

  // What a reader at `moment` sees; null: nothing.
  virtual const std::string* Visible(const Versions& versions, uint64_t moment) const;
  // Adds what one entry of a write does.
  void Apply(const Operation& entry);
  void ApplyAtMoment(const Operation& entry);

 private:
  class MapCursor;
  uint64_t MomentOf(View view) const {
    if (view.mark >= 0) return marks_.at(view.mark);
    return view.snapshot < 0 ? moment_ : snapshots_.at(view.snapshot);
  }
  bool IsRefused(const Operation& entry) const;

  Map map_;
  uint64_t moment_ = 0;  // of the last entry written
  std::map<int, uint64_t> snapshots_, marks_;
  MergeKind merge_ = MergeKind::kNone;
  uint64_t retained_entries_ = 0;  // states so many entries old are readable for certain
};

}  // namespace varve::metamorphic

#endif  // VARVE_TESTS_METAMORPHIC_MODEL_STORE_H_
