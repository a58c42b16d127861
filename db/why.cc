#include "db/why.h"

#include <algorithm>
#include <cstdio>
#include <memory>

#include "db/ghost.h"
#include "db/miss_reason.h"
#include "db/segment_read_options.h"
#include "db/visibility.h"
#include "util/human_text.h"

namespace varve {

namespace {

// The newest entry and the newest range tombstone over the key that one source has.
struct Known {
  bool found = false;
  uint64_t trailer = 0;
  std::string value;
  std::string entry_in;  // where they are
  SequenceNumber covering = 0;
  std::string covering_in;
  Status error;
  std::string error_in;

  bool any() const { return found || covering != 0 || !error.ok(); }

  void Cover(SequenceNumber sequence, const std::string& where) {
    if (sequence <= covering) return;
    covering = sequence;
    covering_in = where;
  }
  void Fail(const Status& status, const std::string& where) {
    if (!error.ok()) return;
    error = status;
    error_in = where;
  }
  // The entry that the iterator is at after a seek, if it is one of the key.
  void Take(const InternalKeyComparator& comparator, const InternalIterator& entries, Slice key,
            const std::string& where) {
    if (!entries.Valid()) {
      if (!entries.status().ok()) Fail(entries.status(), where);
      return;
    }
    const Slice internal_key = entries.key();
    if (internal_key.size() < kTrailerBytes) {
      Fail(Status::Corruption("an internal key of " + std::to_string(internal_key.size()) +
                              " bytes"),
           where);
      return;
    }
    if (comparator.CompareUserKeys(ExtractUserKey(internal_key), key) != 0) return;
    found = true;
    trailer = ExtractTrailer(internal_key);
    value = entries.value();
    entry_in = where;
  }
};

std::string SequenceText(uint64_t trailer) {
  return "sequence " + std::to_string(TrailerSequence(trailer));
}

std::string PlaceText(const SegmentFile& file) {
  const SegmentEntry& entry = file.entry();
  return "segment " + std::to_string(entry.number) +
         (entry.level == 0 ? " (epoch " + std::to_string(entry.epoch) + ")"
                           : " (level " + std::to_string(entry.level) + ")");
}

class Account {
 public:
  Account(const WhyTools& tools, const ReadView& view, Slice key)
      : tools_(tools), view_(view), lookup_(key, tools.sequence) {}

  std::string Write() {
    AskMemtables();
    AskRuns();
    if (!decided_) {
      AddLine("never seen: " +
              std::string(view_.condemned ? "nothing in memory knows the key, and the "
                                            "directory is condemned"
                          : tools_.cache  ? "nothing knows the key; it was never written, or "
                                            "is gone and nothing older was left to hide"
                                          : "nothing knows the key; it was never written, or "
                                            "was deleted and merged away"));
    }
    return std::move(text_);
  }

 private:
  Slice key() const { return lookup_.user_key(); }

  void AskMemtables() {
    for (size_t i = 0; i <= view_.immutables.size(); ++i) {
      const MemTable& memtable = i == 0 ? *view_.memtable : *view_.immutables[i - 1];
      const std::string where = i < tools_.memtable_names.size() ? tools_.memtable_names[i]
                                : i == 0                         ? "the active memtable"
                                                                 : "a memtable to be flushed";
      Known known;
      known.Cover(memtable.MaxCoveringTombstone(key(), tools_.sequence), where);
      const auto entries = memtable.NewIterator();
      entries->Seek(lookup_.internal_key());
      known.Take(tools_.comparator, *entries, key(), where);
      Tell(known);
    }
  }

  void AskRuns() {
    const Version::Runs& runs = view_.version->runs();
    auto ghost = view_.version->ghosts().begin();
    const auto ghosts_end = view_.version->ghosts().end();
    for (size_t i = 0; i < runs.size();) {
      for (; ghost != ghosts_end && (*ghost)->place() < AgePlace::Of(*runs[i]); ++ghost) {
        AskGhost(**ghost);
      }
      Known known;
      const size_t first = i;
      for (; i < runs.size() && (i == first || runs[i]->IsOneSourceWith(*runs[i - 1])); ++i) {
        AskRun(*runs[i], &known);
      }
      Tell(known);
    }
    for (; ghost != ghosts_end; ++ghost) AskGhost(**ghost);
  }

  void AskGhost(const Ghost& ghost) {
    const uint64_t prefix = tools_.comparator.bytewise() ? KeyPrefix(key()) : 0;
    if (!ghost.Accepts(tools_.comparator, key(), prefix, lookup_.hash())) return;
    const SegmentEntry& entry = ghost.entry();
    std::string line = "masked: by ghost " + std::to_string(entry.number) + " (epoch " +
                       std::to_string(entry.epoch) + "), eviction " +
                       std::to_string(entry.evicted) + ": ";
    if (ghost.wide()) {
      line += "its segment or its file could not be read, and all within its bounds is gone";
    } else {
      char rate[32];
      std::snprintf(rate, sizeof(rate), "%.4f", ghost.false_positive_rate() * 100);
      line += "evicted with that segment, or a false positive, as for " + std::string(rate) +
              " % of keys";
    }
    AddLine(line);
  }

  void AskRun(const SortedRun& run, Known* known) {
    const uint64_t prefix = tools_.comparator.bytewise() ? KeyPrefix(key()) : 0;
    const std::shared_ptr<SegmentFile>* const file = run.Find(key(), prefix);
    if (file == nullptr) return;
    const std::string where = PlaceText(**file);
    std::shared_ptr<SegmentReader> reader;
    if (Status status = tools_.segments->Share(*file, &reader); !status.ok()) {
      known->Fail(status, where);
      return;
    }
    if (const FragmentedRangeTombstones* tombstones = reader->range_tombstones()) {
      known->Cover(tombstones->MaxCovering(key(), tools_.sequence), where);
    }
    SegmentReadOptions reading;
    reading.fill_cache = false;
    const auto entries = reader->NewIterator(reading);
    entries->Seek(lookup_.internal_key());
    known->Take(tools_.comparator, *entries, key(), where);
  }

  void Tell(const Known& known) {
    if (!known.any()) return;
    if (!known.error.ok()) {
      AddLine("error: in " + known.error_in + ": " + known.error.ToString());
    } else if (known.found && TrailerSequence(known.trailer) >= known.covering) {
      AddLine(EntryText(known));
    } else {
      AddLine("deleted: by a range tombstone at sequence " + std::to_string(known.covering) +
              " in " + known.covering_in);
      if (known.found) AddLine(EntryText(known));
    }
  }

  std::string EntryText(const Known& known) {
    const std::string at = SequenceText(known.trailer) + " in " + known.entry_in;
    ReadClock clock(tools_.now_ms);
    switch (VisibilityOf(known.trailer, /*covering=*/0, &clock,
                         [&]() -> Slice { return known.value; })) {
      case Visibility::kValue:
        return (decided_ ? "value: at " : "live: at ") + at + ", " +
               std::to_string(UserValue(known.trailer, known.value).size()) + " bytes" +
               ExpiryText(known);
      case Visibility::kOperand:
        undecided_ = true;
        return "operand: at " + at + ", " + std::to_string(known.value.size()) +
               " bytes, for what is beneath";
      case Visibility::kUnknown:
        return "unknown: at " + at + ": " + UnknownEntry(known.trailer).ToString();
      case Visibility::kAbsent:
        break;
    }
    switch (AbsenceOf(known.trailer, /*covering=*/0)) {
      case MissReason::kExpired:
        if (TrailerType(known.trailer) == ValueType::kExpired) {
          return "expired: a merge found it so, and left a tombstone at " + at;
        }
        return "expired: at " + InstantText(ExpiresAtOf(known.value)) + ", " + at;
      case MissReason::kRefused:
        return "refused: the write at " + at + " was not admitted";
      case MissReason::kEvicted:
        return "evicted: by a merge, which left a tombstone at " + at;
      default:
        return "deleted: at " + at;
    }
  }

  std::string ExpiryText(const Known& known) const {
    if (TrailerType(known.trailer) != ValueType::kValueWithExpiry) return "";
    const uint64_t expires_at = ExpiresAtOf(known.value);
    if (expires_at == UINT64_MAX) return ", never expires";
    return ", expires at " + InstantText(expires_at) + ", in " +
           DurationText(expires_at - tools_.now_ms);
  }

  void AddLine(const std::string& line) {
    text_ += (decided_ ? "  beneath: " : "") + line + "\n";
    decided_ = !undecided_;
    undecided_ = false;
  }

  const WhyTools& tools_;
  const ReadView& view_;
  const LookupKey lookup_;
  bool decided_ = false;
  bool undecided_ = false;  // the line that is made does not decide alone
  std::string text_;
};

}  // namespace

std::string Why(const WhyTools& tools, const ReadView& view, Slice key) {
  return Account(tools, view, key).Write();
}

}  // namespace varve
