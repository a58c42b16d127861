#include "tests/metamorphic/runner.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace varve::metamorphic {
namespace {

// Which snapshots and cursors there are.
class Slots {
 public:
  // Replaces the operation by what is to be done for it: nothing, or it and what has to go first.
  std::vector<Operation> Prepare(Operation operation) {
    if (operation.snapshot >= 0 && !snapshots_.contains(operation.snapshot)) {
      operation.snapshot = -1;
    }
    if (operation.mark >= 0 && !marks_.contains(operation.mark)) operation.mark = -1;
    std::vector<Operation> steps;
    switch (operation.kind) {
      case Kind::kCursor:
        cursors_[operation.slot] = {operation.snapshot, operation.mark};
        break;
      case Kind::kMark:
        marks_.insert(operation.slot);
        break;
      case Kind::kSnapshot:
        if (snapshots_.contains(operation.slot)) Release(operation.slot, &steps);
        snapshots_.insert(operation.slot);
        break;
      case Kind::kRelease:
        if (!snapshots_.contains(operation.slot)) return {};
        Release(operation.slot, &steps);
        return steps;
      case Kind::kOpen:
        snapshots_.clear();
        cursors_.clear();
        break;
      case Kind::kCloseCursor:
        if (cursors_.erase(operation.slot) == 0) return {};
        break;
      case Kind::kSeekToFirst:
      case Kind::kSeekToLast:
      case Kind::kSeek:
      case Kind::kSeekForPrev:
      case Kind::kNext:
      case Kind::kPrev:
        if (!cursors_.contains(operation.slot)) return {};
        break;
      case Kind::kRefresh:  // of one at a mark: who knows if that can still be read
        if (!cursors_.contains(operation.slot) || cursors_[operation.slot].mark >= 0) return {};
        break;
      default:
        break;
    }
    steps.push_back(std::move(operation));
    return steps;
  }

 private:
  void Release(int slot, std::vector<Operation>* steps) {
    for (auto it = cursors_.begin(); it != cursors_.end();) {
      const auto [cursor, view] = *it++;
      if (view.snapshot != slot) continue;
      cursors_.erase(cursor);
      Operation& close = steps->emplace_back();
      close.kind = Kind::kCloseCursor;
      close.slot = cursor;
    }
    snapshots_.erase(slot);
    Operation& release = steps->emplace_back();
    release.kind = Kind::kRelease;
    release.slot = slot;
  }

  std::set<int> snapshots_, marks_;
  std::map<int, View> cursors_;  // to what they read
};

// The first line in which the answers differ.
std::string FirstDifference(const std::string& expected, const std::string& found,
                            const std::string& expected_of, const std::string& found_of) {
  constexpr size_t kBytesMax = 400;
  size_t line = 0, at = 0;
  for (size_t i = 0; i < std::min(expected.size(), found.size()) && expected[i] == found[i]; ++i) {
    if (expected[i] == '\n') ++line, at = i + 1;
  }
  const auto cut = [at](const std::string& answer) {
    const std::string text = answer.substr(at, answer.find('\n', at) - at);
    return text.size() <= kBytesMax ? text : text.substr(0, kBytesMax) + "...";
  };
  return "line " + std::to_string(line) + " of the answers:\n  " + expected_of + ": " +
         cut(expected) + "\n  " + found_of + ": " + cut(found) + "\n";
}

bool IsOk(std::span<const std::string> answers) {
  return std::all_of(answers.begin(), answers.end(), [](const auto& a) { return a == "OK"; });
}

Operation CloseOf(const Operation& cursor) {
  Operation close;
  close.kind = Kind::kCloseCursor;
  close.slot = cursor.slot;
  return close;
}

std::optional<Difference> Compare(size_t index, const Operation& operation,
                                  std::span<Store* const> stores,
                                  std::span<const std::string> answers) {
  for (size_t i = 1; i < stores.size(); ++i) {
    if (stores[0]->Allows(operation, answers[0], answers[i])) continue;
    std::string text = operation.ToString();
    if (text.size() > 400) text = text.substr(0, 400) + "...";
    return Difference{
        index, "operation " + std::to_string(index) + ": " + text + "\n" +
                   FirstDifference(answers[0], answers[i], stores[0]->name(), stores[i]->name())};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Difference> FindDifference(const std::vector<Operation>& operations,
                                         std::span<Store* const> stores) {
  Slots slots;
  std::vector<std::string> answers(stores.size());
  for (size_t i = 0; i < operations.size(); ++i) {
    for (const Operation& step : slots.Prepare(operations[i])) {
      std::transform(stores.begin(), stores.end(), answers.begin(),
                     [&step](Store* store) { return store->Apply(step); });
      if (auto difference = Compare(i, step, stores, answers)) return difference;
      // A cursor that one store did not make no store keeps.
      if (step.kind != Kind::kCursor || IsOk(answers)) continue;
      for (const Operation& close : slots.Prepare(CloseOf(step))) {
        for (Store* const store : stores) store->Apply(close);
      }
    }
  }
  Operation last;
  last.kind = Kind::kOpen;
  std::transform(stores.begin(), stores.end(), answers.begin(),
                 [](Store* store) { return store->Close(); });
  return Compare(operations.size(), last, stores, answers);
}

std::vector<Operation> Shrink(std::vector<Operation> operations,
                              const std::function<bool(const std::vector<Operation>&)>& fails,
                              const std::function<bool()>& is_over) {
  for (size_t piece = operations.size() / 2; piece > 0 && !is_over();) {
    bool shorter = false;
    for (size_t from = 1; from < operations.size() && !is_over();) {
      const size_t to = std::min(from + piece, operations.size());
      std::vector<Operation> rest(operations.begin(), operations.begin() + from);
      rest.insert(rest.end(), operations.begin() + to, operations.end());
      if (fails(rest)) {
        operations = std::move(rest);
        shorter = true;
      } else {
        from = to;
      }
    }
    if (!shorter || piece > 1) piece /= 2;
  }
  return operations;
}

}  // namespace varve::metamorphic
