#include "tests/support/ledger.h"

#include <algorithm>
#include <set>
#include <utility>

#include "util/hash.h"

namespace varve {
namespace {

// Enough of a value to recognise it.
std::string Head(const std::string& value) {
  return value.size() <= 40 ? value : value.substr(0, 40) + "…";
}

}  // namespace

std::string Ledger::Bounds::ToString() const {
  std::string text;
  for (size_t w = 0; w < low.size(); ++w) {
    text += (w > 0 ? ", " : "") + std::string("writer ") + std::to_string(w) + ": " +
            std::to_string(low[w]) + " to " + std::to_string(high[w]);
  }
  return text;
}

Ledger::Ledger(int writers) : writers_(static_cast<size_t>(writers)) {
  for (Writer& writer : writers_) writer.batches.resize(1);
}

Ledger::Ledger(const std::shared_ptr<const Ledger>& before, uint64_t position, bool kill)
    : Ledger(before->writers()) {
  before_ = std::shared_ptr<const Ledger>(before, &before->JudgeAt(position));
  before_kill_ = before->At(position, kill);
  before_loss_ = before->At(position, false);
  resolved_at_ = kNever;
}

uint64_t Ledger::HashEntry(Slice key, Slice value) {
  return Mix64(Hash64(key) + 0x9e3779b97f4a7c15u * Hash64(value, 1));
}

Ledger::BatchNumber Ledger::Begin(int writer, std::vector<Op> ops, bool logged, uint64_t position) {
  std::lock_guard<std::mutex> lock(mutex_);
  Writer& w = writers_[static_cast<size_t>(writer)];
  Batch batch;
  batch.logged = logged;
  batch.invoked_at = position;
  batch.invoked_tick = ++tick_;
  batch.hash = w.batches.back().hash;
  for (const Op& op : ops) {
    const auto old = w.state.find(op.key);
    if (old != w.state.end()) {
      batch.hash -= HashEntry(op.key, old->second);
      w.state.erase(old);
    }
    if (op.value.has_value()) {
      batch.hash += HashEntry(op.key, *op.value);
      w.state.emplace(op.key, *op.value);
    }
  }
  batch.ops = std::move(ops);
  w.batches.push_back(std::move(batch));
  return static_cast<BatchNumber>(w.batches.size() - 1);
}

void Ledger::Acknowledge(int writer, BatchNumber number, bool durable, uint64_t position) {
  std::lock_guard<std::mutex> lock(mutex_);
  Batch& batch = writers_[static_cast<size_t>(writer)].batches[number];
  batch.acknowledged_at = position;
  batch.acknowledged_tick = ++tick_;
  if (durable) batch.durable_at = position;
}

std::vector<Ledger::BatchNumber> Ledger::Acknowledged() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<BatchNumber> last;
  for (const Writer& writer : writers_) {
    auto n = static_cast<BatchNumber>(writer.batches.size() - 1);
    while (n > 0 && writer.batches[n].acknowledged_at == kNever) --n;
    last.push_back(n);
  }
  return last;
}

void Ledger::AllDurable(const std::vector<BatchNumber>& acknowledged, uint64_t position) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (size_t w = 0; w < acknowledged.size(); ++w) {
    uint64_t& at = writers_[w].batches[acknowledged[w]].durable_at;
    at = std::min(at, position);
  }
}

void Ledger::Resolve(const std::vector<BatchNumber>& prefix, uint64_t position) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (size_t w = 0; w < writers_.size(); ++w) {
    const Writer& old = before_->writers_[w];
    Writer& writer = writers_[w];
    writer.batches.assign(old.batches.begin(), old.batches.begin() + prefix[w] + 1);
    writer.state.clear();
    for (Batch& batch : writer.batches) {
      batch.invoked_at = batch.acknowledged_at = batch.durable_at = 0;
      batch.invoked_tick = batch.acknowledged_tick = 0;
      for (const Op& op : batch.ops) {
        if (op.value.has_value()) {
          writer.state[op.key] = *op.value;
        } else {
          writer.state.erase(op.key);
        }
      }
    }
  }
  resolved_at_ = position;
}

const Ledger& Ledger::JudgeAt(uint64_t position) const {
  return before_ != nullptr && position < resolved_at_ ? *before_ : *this;
}

Ledger::Bounds Ledger::At(uint64_t position, bool kill) const {
  if (before_ != nullptr && position < resolved_at_) return kill ? before_kill_ : before_loss_;
  Bounds bounds;
  for (const Writer& writer : writers_) {
    BatchNumber low = 0, high = 0;
    for (BatchNumber n = 1; n < writer.batches.size(); ++n) {
      const Batch& batch = writer.batches[n];
      if (batch.invoked_at <= position) high = n;
      if (batch.durable_at <= position) low = n;
      if (kill && batch.logged && batch.acknowledged_at <= position) low = n;
    }
    bounds.low.push_back(low);
    bounds.high.push_back(high);
  }
  return bounds;
}

Ledger::BatchNumber Ledger::Before(int writer, const Batch& batch) const {
  const std::vector<Batch>& batches = writers_[static_cast<size_t>(writer)].batches;
  const auto it =
      std::lower_bound(batches.begin() + 1, batches.end(), batch.invoked_tick,
                       [](const Batch& b, uint64_t tick) { return b.acknowledged_tick < tick; });
  return static_cast<BatchNumber>(it - batches.begin() - 1);
}

bool Ledger::Close(const std::vector<std::vector<BatchNumber>>& candidates,
                   std::vector<BatchNumber>* prefix) const {
  std::vector<size_t> at(candidates.size(), 0);
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t w = 0; w < candidates.size(); ++w) {
      const Batch& last = writers_[w].batches[candidates[w][at[w]]];
      for (size_t other = 0; other < candidates.size(); ++other) {
        if (other == w) continue;
        const BatchNumber needed = Before(static_cast<int>(other), last);
        while (candidates[other][at[other]] < needed) {
          if (++at[other] == candidates[other].size()) return false;
          changed = true;
        }
      }
    }
  }
  prefix->clear();
  for (size_t w = 0; w < candidates.size(); ++w) prefix->push_back(candidates[w][at[w]]);
  return true;
}

Ledger::Verdict Ledger::Judge(const std::vector<uint64_t>& hashes, uint64_t position,
                              const Bounds& bounds) const {
  const Ledger& ledger = JudgeAt(position);
  std::vector<std::vector<BatchNumber>> candidates(hashes.size());
  Verdict verdict;
  for (size_t w = 0; w < hashes.size(); ++w) {
    for (BatchNumber n = bounds.low[w]; n <= bounds.high[w]; ++n) {
      if (ledger.writers_[w].batches[n].hash == hashes[w]) candidates[w].push_back(n);
    }
    if (candidates[w].empty()) return verdict;
  }
  verdict.legal = ledger.Close(candidates, &verdict.prefix);
  return verdict;
}

Ledger::State Ledger::StateAt(const std::vector<BatchNumber>& prefix, uint64_t position) const {
  State state;
  const Ledger& ledger = JudgeAt(position);
  for (size_t w = 0; w < prefix.size(); ++w) {
    for (BatchNumber n = 1; n <= prefix[w]; ++n) {
      for (const Op& op : ledger.writers_[w].batches[n].ops) {
        if (op.value.has_value()) {
          state[op.key] = *op.value;
        } else {
          state.erase(op.key);
        }
      }
    }
  }
  return state;
}

std::string Ledger::Explain(const State& found, uint64_t position, const Bounds& bounds) const {
  const Ledger& ledger = JudgeAt(position);
  std::string text = "  must be there: " + bounds.ToString() + "\n";
  bool contradicted = false;
  std::set<std::string> known;
  for (size_t w = 0; w < ledger.writers_.size(); ++w) {
    const std::vector<Batch>& batches = ledger.writers_[w].batches;
    // For each key the numbers of batches after which it reads as found.
    std::map<std::string, std::vector<std::pair<BatchNumber, std::optional<std::string>>>> past;
    for (BatchNumber n = 1; n < batches.size(); ++n) {
      for (const Op& op : batches[n].ops) {
        auto& versions = past[op.key];
        if (!versions.empty() && versions.back().first == n) versions.pop_back();
        versions.emplace_back(n, op.value);
      }
    }
    BatchNumber least = bounds.low[w], most = bounds.high[w];
    std::string least_why = "the lower bound", most_why = "the upper bound";
    for (const auto& [key, versions] : past) {
      known.insert(key);
      const auto it = found.find(key);
      const std::optional<std::string> now =
          it == found.end() ? std::nullopt : std::optional<std::string>(it->second);
      // The widest range of prefixes that reads so; versions are distinct but for deletions.
      BatchNumber from = UINT32_MAX, to = 0;
      std::optional<std::string> value;
      for (size_t i = 0; i <= versions.size(); ++i) {
        if (i > 0) value = versions[i - 1].second;
        const BatchNumber first = i == 0 ? 0 : versions[i - 1].first;
        const BatchNumber last = i < versions.size() ? versions[i].first - 1
                                                     : static_cast<BatchNumber>(batches.size() - 1);
        if (value != now || last < bounds.low[w] || first > bounds.high[w]) continue;
        from = std::min(from, first);
        to = std::max(to, last);
      }
      const std::string shows =
          "key '" + key + "' " + (now.has_value() ? "reads '" + Head(*now) + "'" : "is absent");
      if (from == UINT32_MAX) {
        text += "  writer " + std::to_string(w) + ": " + shows +
                ", as after no prefix within the bounds; written by batches";
        for (const auto& [n, v] : versions) {
          text += " " + std::to_string(n) + (v.has_value() ? "" : "(deleted)");
        }
        text += "\n";
        contradicted = true;
        if (text.size() > 2000) return text + "  …\n";
        continue;
      }
      if (from > least) least = from, least_why = shows;
      if (to < most) most = to, most_why = shows;
    }
    if (least > most) {
      contradicted = true;
      text += "  writer " + std::to_string(w) + ": NO PREFIX: at least " + std::to_string(least) +
              " batches (" + least_why + "), at most " + std::to_string(most) + " (" + most_why +
              ")\n";
    }
  }
  for (const auto& [key, value] : found) {
    if (known.count(key) > 0) continue;
    text += "  key '" + key + "' was never written, and reads '" + Head(value) + "'\n";
    contradicted = true;
    if (text.size() > 2000) break;
  }
  if (!contradicted) {
    text +=
        "  each writer's keys show a prefix, but together they do not: a batch is there, and one "
        "that was acknowledged before it was invoked is not (or a batch is torn)\n";
  }
  return text;
}

std::vector<std::string> Ledger::Keys() const {
  std::set<std::string> keys;
  for (const Ledger* ledger = this; ledger != nullptr; ledger = ledger->before_.get()) {
    for (const Writer& writer : ledger->writers_) {
      for (const Batch& batch : writer.batches) {
        for (const Op& op : batch.ops) keys.insert(op.key);
      }
    }
  }
  return {keys.begin(), keys.end()};
}

}  // namespace varve
