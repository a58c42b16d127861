#include "db/compaction_iterator.h"

#include <optional>

#include "util/planted.h"
#include "varve/write_batch.h"

namespace varve {

void CompactionIterator::Stats::Add(const Stats& other) {
  entries_read += other.entries_read;
  entries_written += other.entries_written;
  ghost_dropped += other.ghost_dropped;
  hidden_dropped += other.hidden_dropped;
  deletes_dropped += other.deletes_dropped;
  filter_dropped += other.filter_dropped;
  expired += other.expired;
  expired_dropped += other.expired_dropped;
  expired_bytes += other.expired_bytes;
  operands_folded += other.operands_folded;
  tombstones_dropped += other.tombstones_dropped;
  merge_failures += other.merge_failures;
}

CompactionIterator::CompactionIterator(Context context, InternalIterator* input)
    : context_(std::move(context)), input_(input) {}

void CompactionIterator::Start(const std::string* begin, const std::string* end) {
  end_ = end;
  if (begin == nullptr) {
    input_->SeekToFirst();
  } else {
    std::string target;
    AppendInternalKey(&target, *begin, SeekTrailer(kMaxSequence));
    input_->Seek(target);
  }
  FindNext();
}

void CompactionIterator::Next() {
  valid_ = false;
  if (!queue_.empty()) {
    queue_.pop_front();
    if (!queue_.empty()) return EmitFront();
  }
  if (at_input_) {
    at_input_ = false;
    input_->Next();
  }
  FindNext();
}

void CompactionIterator::EmitFront() { Emit(queue_.front().first, queue_.front().second); }

bool CompactionIterator::SplitInput() {
  if (!input_->Valid()) {
    status_ = input_->status();
    return false;
  }
  input_key_ = input_->key();
  if (input_key_.size() < kTrailerBytes) {
    status_ =
        Status::Corruption("an internal key of " + std::to_string(input_key_.size()) + " bytes");
    return false;
  }
  const uint64_t trailer = ExtractTrailer(input_key_);
  sequence_ = TrailerSequence(trailer);
  type_ = TrailerType(trailer);
  return true;
}

bool CompactionIterator::ReadEntry() {
  if (!SplitInput()) return false;
  const Slice user_key = ExtractUserKey(input_key_);
  newest_ = !any_ || context_.comparator.CompareUserKeys(user_key, user_key_) != 0;
  if (newest_) {
    if (end_ != nullptr && context_.comparator.CompareUserKeys(user_key, *end_) >= 0) return false;
    user_key_.assign(user_key);
    any_ = true;
    newer_ = kNone;
    under_operand_ = false;
  }
  return CountRead();
}

bool CompactionIterator::CountRead() {
  ++stats_.entries_read;
  const uint64_t untold = stats_.entries_read - entries_told_;
  bytes_untold_ += input_->value().size();
  if (untold < kEntriesPerCheck && bytes_untold_ < kBytesPerCheck) return true;
  entries_told_ += untold;
  bytes_untold_ = 0;
  if (context_.entries_done != nullptr) {
    context_.entries_done->fetch_add(untold, std::memory_order_relaxed);
  }
  if (context_.cancelled == nullptr || !context_.cancelled()) return true;
  status_ = Status::Aborted("a compaction was cancelled");
  return false;
}

bool CompactionIterator::ReadEntryOfSameKey() {
  return SplitInput() &&
         context_.comparator.CompareUserKeys(ExtractUserKey(input_key_), user_key_) == 0;
}

SequenceNumber CompactionIterator::Covering(SequenceNumber at) const {
  return context_.tombstones == nullptr ? 0 : context_.tombstones->MaxCovering(user_key_, at);
}

bool CompactionIterator::IsHidden(SequenceNumber sequence) const {
  if (VARVE_PLANTED("snapshot ignored") && newer_ != kNone) return true;
  const SequenceNumber reader = context_.readers.FirstToSee(sequence);
  return newer_ <= reader || Covering(reader) > sequence;
}

void CompactionIterator::FindNext() {
  while (!valid_ && ReadEntry()) {
    if (IsHiddenByGhost()) {
      ++stats_.ghost_dropped;
      input_->Next();
      continue;
    }
    if (IsHidden(sequence_)) {
      ++stats_.hidden_dropped;
      if (type_ != ValueType::kMerge) newer_ = sequence_;
      input_->Next();
      continue;
    }
    bool keeps = false;
    switch (type_) {
      case ValueType::kValue:
        keeps = KeepsValue();
        break;
      case ValueType::kDelete:
      case ValueType::kRefused:
      case ValueType::kEvicted:
      case ValueType::kExpired:
        keeps = KeepsTombstone();
        break;
      case ValueType::kValueWithExpiry:
        keeps = KeepsExpiring();
        if (!status_.ok()) return;
        break;
      case ValueType::kMerge:
        under_operand_ = true;
        if (context_.merge_operator != nullptr) {
          FoldOperands();  // it leaves the input behind what it took
          return;
        }
        Emit(input_key_, input_->value());
        at_input_ = true;
        return;
      default:
        status_ =
            Status::NotSupported("an entry of type " + std::to_string(static_cast<int>(type_)) +
                                 " needs a later version of this library");
        return;
    }
    newer_ = sequence_;
    under_operand_ = false;
    if (keeps) {
      at_input_ = true;
      return;
    }
    input_->Next();
  }
}

bool CompactionIterator::KeepsValue() {
  if (context_.filter != nullptr && newest_ && !context_.readers.SnapshotSees(sequence_)) {
    const Slice value = input_->value();
    const size_t skip = type_ == ValueType::kValueWithExpiry ? kExpiresAtBytes : 0;
    changed_value_.clear();
    switch (context_.filter->Filter(static_cast<int>(context_.output_level), user_key_,
                                    value.substr(skip), &changed_value_)) {
      case CompactionFilter::Decision::kKeep:
        break;
      case CompactionFilter::Decision::kChange:
        if (changed_value_.size() > WriteBatch::kValueBytesMax - skip) break;
        changed_value_.insert(0, value.data(), skip);  // it expires when it would have
        Emit(input_key_, changed_value_);
        return true;
      case CompactionFilter::Decision::kRemove:
        ++stats_.filter_dropped;
        return KeepsAs(ValueType::kDelete);
    }
  }
  Emit(input_key_, input_->value());
  return true;
}

bool CompactionIterator::KeepsTombstone() {
  if (VARVE_PLANTED("tombstone early")) return false;
  if (sequence_ <= context_.readers.lowest() && !context_.older_may_hold(user_key_)) {
    stats_.deletes_dropped += IsTombstone(type_);
    return false;
  }
  Emit(input_key_, Slice());
  return true;
}

bool CompactionIterator::KeepsExpiring() {
  const Slice value = input_->value();
  if (value.size() < kExpiresAtBytes) {
    status_ = Status::Corruption("an entry (sequence " + std::to_string(sequence_) +
                                 ") is too short for its expiry");
    return false;
  }
  if (context_.now_ms < ExpiresAtOf(value)) return KeepsValue();
  if (under_operand_) {
    Emit(input_key_, value);
    return true;
  }
  ++stats_.expired;
  stats_.expired_bytes += user_key_.size() + value.size() - kExpiresAtBytes;
  if (VARVE_PLANTED("expired uncovers")) return false;
  if (KeepsAs(ValueType::kExpired)) return true;
  ++stats_.expired_dropped;
  return false;
}

bool CompactionIterator::KeepsAs(ValueType tombstone) {
  if (!KeepsTombstone()) return false;
  changed_key_.clear();
  if (VARVE_PLANTED("tombstone renumbered")) sequence_ += 1000;
  AppendInternalKey(&changed_key_, user_key_, PackTrailer(sequence_, tombstone));
  key_ = changed_key_;
  return true;
}

void CompactionIterator::FoldOperands() {
  const SequenceNumber newest = sequence_;
  operands_.Begin(MergeOperands::Order::kNewestFirst);
  operand_sequences_.clear();
  const auto take = [this] {
    operands_.Add(input_->value());
    operand_sequences_.push_back(sequence_);
    input_->Next();
  };
  take();
  bool ended = false;     // the inputs hold nothing else of the key
  bool has_base = false;  // it is known on what the operands stand: nothing, or …
  std::optional<std::pair<SequenceNumber, std::string>> base;  // … this value
  while (!has_base) {
    if (!ReadEntryOfSameKey()) {
      if (!status_.ok()) return;
      ended = true;
      break;
    }
    const SequenceNumber reader = context_.readers.FirstToSee(sequence_);
    if (reader < newest) break;  // somebody sees it without the newest operand
    if (IsHiddenByGhost() || Covering(reader) > sequence_ || IsTombstone(type_)) {
      has_base = true;  // on nothing; what is there is hidden then, and goes by (0) or (1)
    } else if (type_ == ValueType::kValue) {
      if (!CountRead()) return;
      has_base = true;
      base.emplace(sequence_, input_->value());
      input_->Next();
    } else if (type_ == ValueType::kMerge) {
      if (!CountRead()) return;
      take();
    } else {
      break;  // it expires, and stays apart; or FindNext() says what is wrong
    }
  }
  if (ended && !context_.older_may_hold(user_key_)) has_base = true;

  const size_t taken = operands_.size() + base.has_value();
  const Slice base_value = base.has_value() ? Slice(base->second) : Slice();
  std::string value;
  if (has_base &&
      operands_
          .FullMerge(context_.merge_operator, user_key_, base.has_value() ? &base_value : nullptr,
                     &value)
          .ok() &&
      value.size() <= WriteBatch::kValueBytesMax) {
    Queue(newest, ValueType::kValue, std::move(value));
    newer_ = newest;
    under_operand_ = false;
  } else {
    stats_.merge_failures += has_base;
    for (auto& joined : operands_.PartialMerge(*context_.merge_operator, user_key_)) {
      Queue(operand_sequences_[joined.newest], ValueType::kMerge, std::move(joined.operand));
    }
    if (base.has_value()) {
      newer_ = base->first;
      under_operand_ = false;
      Queue(base->first, ValueType::kValue, std::move(base->second));
    }
  }
  stats_.operands_folded += taken - queue_.size();
  EmitFront();
}

void CompactionIterator::Queue(SequenceNumber sequence, ValueType type, std::string value) {
  std::string key;
  AppendInternalKey(&key, user_key_, PackTrailer(sequence, type));
  queue_.emplace_back(std::move(key), std::move(value));
}

std::vector<RangeTombstone> CompactionIterator::KeptTombstones(const std::string* lower,
                                                               const std::string* upper) {
  std::vector<RangeTombstone> kept;
  if (context_.tombstones == nullptr) return kept;
  const FragmentedRangeTombstones& tombstones = *context_.tombstones;
  const InternalKeyComparator& comparator = context_.comparator;
  for (size_t i = lower == nullptr ? 0 : tombstones.FindFragment(*lower);
       i < tombstones.fragments(); ++i) {
    Slice start = tombstones.start(i), end = tombstones.end(i);
    if (lower != nullptr && comparator.CompareUserKeys(start, *lower) < 0) start = *lower;
    if (upper != nullptr && comparator.CompareUserKeys(end, *upper) > 0) end = *upper;
    if (comparator.CompareUserKeys(start, end) >= 0) break;
    // Downwards: the newest, then the newest that some reader sees without those above it.
    SequenceNumber sequence = tombstones.NewestAt(i, kMaxSequence);
    while (sequence != 0) {
      if (sequence <= context_.readers.lowest() && !context_.older_may_overlap(start, end)) {
        ++stats_.tombstones_dropped;
      } else {
        kept.push_back({std::string(start), std::string(end), sequence});
      }
      SequenceNumber next = sequence;
      do {
        next = tombstones.NewestAt(i, next - 1);
      } while (next != 0 && context_.readers.FirstToSee(next) >= sequence);
      sequence = next;
    }
  }
  return kept;
}

}  // namespace varve
