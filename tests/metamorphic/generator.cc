#include "tests/metamorphic/generator.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "tests/metamorphic/varve_options.h"

namespace varve::metamorphic {
namespace {

constexpr uint64_t kThreadsMax = 4;

// Keys of a thread of kThreads, which no other thread writes.
std::string ThreadPrefix(uint64_t thread) { return "t" + std::to_string(thread) + "/"; }

}  // namespace

Generator::Generator(uint64_t seed) : random_(seed) {
  keys_ = uint64_t{20} << random_.Uniform(9);
  value_bytes_max_ = uint64_t{1} << random_.Between(5, 12);
  fixed_options_ = DrawFixedOptions(&random_);
  merges_ = fixed_options_["merge_operator"] != "none";
  choices_ = {
      {Kind::kPut, 3000},       {Kind::kDelete, 800},
      {Kind::kBatch, 600},      {Kind::kGet, 1500},
      {Kind::kMultiGet, 300},   {Kind::kCursor, 200},
      {Kind::kSeekToFirst, 60}, {Kind::kSeekToLast, 60},
      {Kind::kSeek, 300},       {Kind::kSeekForPrev, 300},
      {Kind::kNext, 500},       {Kind::kPrev, 500},
      {Kind::kRefresh, 80},     {Kind::kSnapshot, 80},
      {Kind::kRelease, 40},     {Kind::kMark, 60},
      {Kind::kDeleteRange, 30}, {Kind::kMerge, merges_ ? uint64_t{600} : 1},
      {Kind::kScan, 60},        {Kind::kFlush, 40},
      {Kind::kSyncWal, 20},     {Kind::kCompactRange, 8},
      {Kind::kCheckpoint, 6},   {Kind::kIngest, 12},
      {Kind::kSetOptions, 20},  {Kind::kOpen, 10},
      {Kind::kThreads, 20},
  };
  static constexpr uint64_t kFactors[] = {1, 2, 2, 2, 2, 4};  // over two
  for (Choice& choice : choices_) {
    choice.weight = choice.weight * kFactors[random_.Uniform(std::size(kFactors))] / 2;
    weight_sum_ += choice.weight;
  }
}

std::vector<Operation> Generator::Generate(uint64_t count) {
  std::vector<Operation> operations;
  operations.push_back(DrawOfKind(Kind::kOpen));
  while (operations.size() + 1 < count) operations.push_back(Draw());
  operations.push_back(DrawOfKind(Kind::kOpen));
  operations.emplace_back().kind = Kind::kScan;
  return operations;
}

Operation Generator::Draw() {
  uint64_t dice = random_.Uniform(weight_sum_);
  for (const Choice& choice : choices_) {
    if (dice < choice.weight) return DrawOfKind(choice.kind);
    dice -= choice.weight;
  }
  return DrawOfKind(Kind::kGet);
}

Operation Generator::DrawOfKind(Kind kind) {
  Operation operation;
  operation.kind = kind;
  switch (kind) {
    case Kind::kPut:
      operation.value = DrawValue();
      operation.keys = {DrawAnyKey()};
      DrawDurability(&operation);
      break;
    case Kind::kDelete:
      operation.keys = {DrawAnyKey()};
      DrawDurability(&operation);
      break;
    case Kind::kDeleteRange:
      DrawRange("", &operation);
      DrawDurability(&operation);
      break;
    case Kind::kMerge:
      operation.value = DrawOperand();
      operation.keys = {DrawAnyKey()};
      DrawDurability(&operation);
      break;
    case Kind::kBatch:
      DrawBatch("", &operation);
      DrawDurability(&operation);
      break;
    case Kind::kIngest:
      DrawIngestion(&operation);
      break;
    case Kind::kGet:
      operation.keys = {DrawAnyKey()};
      DrawView(&operation);
      break;
    case Kind::kMultiGet:
      for (uint64_t n = random_.Uniform(16); n > 0; --n) operation.keys.push_back(DrawAnyKey());
      DrawView(&operation);
      break;
    case Kind::kScan:
      DrawView(&operation);
      if (!random_.OneIn(3)) DrawPrefixBounds(&operation);
      break;
    case Kind::kCursor:
      DrawView(&operation);
      if (random_.OneIn(4)) {
        DrawPrefixBounds(&operation);
      } else {
        DrawBounds(&operation);
      }
      operation.slot = DrawSlot();
      break;
    case Kind::kSeek:
    case Kind::kSeekForPrev:
      operation.keys = {DrawAnyKey()};
      operation.slot = DrawSlot();
      break;
    case Kind::kNext:
    case Kind::kPrev:
      operation.count = random_.Between(1, 8);
      operation.slot = DrawSlot();
      break;
    case Kind::kOpen:
      operation.options = DrawOptions(&random_);
      operation.options.insert(fixed_options_.begin(), fixed_options_.end());
      break;
    case Kind::kFlush:
      operation.no_wait = random_.OneIn(2);
      break;
    case Kind::kSetOptions:
      operation.options = DrawLiveOptions(&random_);
      break;
    case Kind::kThreads:
      DrawThreads(&operation);
      break;
    case Kind::kCompactRange:
      DrawBounds(&operation);
      operation.rewrite = random_.OneIn(4);
      break;
    case Kind::kCheckpoint:
    case Kind::kSyncWal:
      break;
    default:
      operation.slot = DrawSlot();
  }
  return operation;
}

Operation Generator::DrawEntry(const std::string& prefix) {
  Operation entry;
  const uint64_t dice = random_.Uniform(100);
  if (dice < 60) {
    entry.kind = Kind::kPut;
    entry.value = DrawValue();
  } else if (dice < 80) {
    entry.kind = Kind::kDelete;
  } else if (dice < 97 && merges_) {
    entry.kind = Kind::kMerge;
    entry.value = DrawOperand();
  } else {
    entry.kind = Kind::kDeleteRange;
    DrawRange(prefix, &entry);
    return entry;
  }
  entry.keys = {DrawKey(prefix)};
  return entry;
}

void Generator::DrawBatch(const std::string& prefix, Operation* batch) {
  const bool save_points = random_.OneIn(3);
  for (uint64_t n = random_.Uniform(12); n > 0; --n) {
    if (save_points && random_.OneIn(3)) {
      static constexpr Kind kKinds[] = {Kind::kSavePoint, Kind::kSavePoint, Kind::kRollback,
                                        Kind::kPopSavePoint};
      batch->parts.emplace_back().kind = kKinds[random_.Uniform(std::size(kKinds))];
    } else {
      batch->parts.push_back(DrawEntry(prefix));
    }
  }
}

// Ascending keys, each once. Several files must not overlap, so only a single one has ranges.
void Generator::DrawIngestion(Operation* operation) {
  operation->oldest = random_.OneIn(3);
  operation->no_wait = random_.OneIn(2);
  operation->count = random_.Between(1, 3);
  std::map<std::string, Operation> entries;
  std::vector<Operation> ranges;
  Operation first;
  first.keys = {DrawAnyKey()};
  first.kind = Kind::kPut;
  first.value = DrawValue();
  entries[first.key()] = first;
  for (uint64_t n = random_.Uniform(60); n > 0; --n) {
    Operation entry = DrawEntry(random_.OneIn(8) ? ThreadPrefix(0) : "");
    if (entry.kind != Kind::kDeleteRange) {
      entries[entry.key()] = entry;
    } else if (*entry.lower < *entry.upper) {
      ranges.push_back(std::move(entry));
    }
  }
  for (auto& [key, entry] : entries) operation->parts.push_back(std::move(entry));
  if (operation->count > 1) return;
  operation->parts.insert(operation->parts.end(), ranges.begin(), ranges.end());
}

void Generator::DrawThreads(Operation* operation) {
  operation->paused = random_.OneIn(3);
  const uint64_t threads = random_.Between(2, kThreadsMax);
  for (uint64_t thread = 0; thread < threads; ++thread) {
    const std::string prefix = ThreadPrefix(thread);
    for (uint64_t n = random_.Uniform(40); n > 0; --n) {
      Operation part;
      const uint64_t dice = random_.Uniform(10);
      if (dice < 6) {
        part = DrawEntry(prefix);
        DrawDurability(&part);
      } else if (dice < 7) {
        part.kind = Kind::kBatch;
        DrawBatch(prefix, &part);
      } else {
        part.kind = Kind::kGet;
        part.keys = {DrawKey(prefix)};
      }
      part.thread = static_cast<int>(thread);
      operation->parts.push_back(std::move(part));
    }
  }
}

// All keys that begin alike, or a part of them.
void Generator::DrawPrefixBounds(Operation* cursor) {
  std::string lower = DrawAnyKey();
  const std::string prefix = lower.substr(0, random_.Between(1, 4));
  std::string upper = prefix;
  if (random_.OneIn(3)) {
    upper += DrawKey("");
  } else {
    while (!upper.empty() && upper.back() == '\xff') upper.pop_back();
    if (!upper.empty()) ++upper.back();
  }
  cursor->lower = random_.OneIn(3) ? std::move(lower) : prefix;
  cursor->upper = std::move(upper);
}

void Generator::DrawBounds(Operation* operation) {
  std::string lower = DrawAnyKey(), upper = DrawAnyKey();
  if (lower > upper && !random_.OneIn(20)) std::swap(lower, upper);
  if (random_.OneIn(3)) operation->lower = std::move(lower);
  if (random_.OneIn(3)) operation->upper = std::move(upper);
}

// Mostly what begins alike, so that a range takes a part of the keys with it and not half of them.
void Generator::DrawRange(const std::string& prefix, Operation* entry) {
  std::string start = DrawKey(prefix), end = DrawKey(prefix);
  if (!random_.OneIn(10)) {
    start.resize(std::min(start.size(), prefix.size() + random_.Between(2, 5)));
    end = start + "~";  // behind every key that begins so
    if (random_.OneIn(3)) start = std::max(start, DrawKey(start));
  } else if (start > end && !random_.OneIn(4)) {
    std::swap(start, end);
  }
  entry->lower = std::move(start);
  entry->upper = std::move(end);
}

void Generator::DrawView(Operation* read) {
  const uint64_t dice = random_.Uniform(8);
  if (dice < 3) read->snapshot = DrawSlot();
  if (dice == 3) read->mark = DrawSlot();
}

void Generator::DrawDurability(Operation* operation) {
  const uint64_t dice = random_.Uniform(400);
  operation->sync = dice == 0;
  operation->disable_wal = dice < 4 && dice != 0;
}

std::string Generator::DrawKey(const std::string& prefix) {
  const uint64_t number =
      random_.OneIn(3) ? random_.Uniform(1 + keys_ / 8) : random_.Uniform(keys_);
  std::string key = std::to_string(number * 7919 % 1000003);
  if (key.size() % 3 == 0) key.append(key.size(), 'x');  // prefixes of one another
  if (number % 11 == 5) key += {'\0', '\xff'};
  return prefix + (key[0] == '1' ? key.substr(1) : key);  // the empty key too
}

std::string Generator::DrawAnyKey() {
  return DrawKey(random_.OneIn(8) ? ThreadPrefix(random_.Uniform(kThreadsMax)) : "");
}

// Numbers where they are added; now and then another length, which counts as none.
Value Generator::DrawOperand() {
  if (fixed_options_["merge_operator"] == "add" && !random_.OneIn(50)) {
    return {.id = ++values_, .bytes = 8};
  }
  return {.id = ++values_, .bytes = random_.Uniform(20)};
}

Value Generator::DrawValue() {
  return {.id = ++values_,
          .bytes = random_.OneIn(500) ? random_.Uniform(40000) : random_.Uniform(value_bytes_max_)};
}

}  // namespace varve::metamorphic
