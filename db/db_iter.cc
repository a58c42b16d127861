#include "db/db_iter.h"

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "db/merge_operands.h"
#include "db/visibility.h"
#include "util/planted.h"

// The internal iterator shows, for each user key, its versions from the newest to the oldest. Which
// of them counts is the newest at or below the sequence; what it means is VisibilityOf()'s to say,
// with the range tombstone that covers the key, if one does. Where the version's source lies
// beneath a ghost that accepts the key, it is as if nothing were there (db/ghost_cover.h).
//
// Forward, the iterator stands on the version that shows, and nothing of it is copied:
//  1. Next() keeps the current user key in a buffer and steps.
//  2. Versions above the sequence, and of the kept key, are passed over. The first other entry is
//     the newest of its key: if the key is deleted it is kept instead, and the search goes on.
//  3. If it is a merge operand, older versions are gathered down to one that is none. What they
//     make is a copy, as is the key: the internal iterator stands behind the operands.
//
// Backward, versions come oldest first, so which one counts is known only when the next lower key
// has been reached: the iterator then stands there, on the last entry before the current key, and
// key and value are copies. Operands are gathered on the way.
//
// A run of more than kStepsMax entries passed over is left by a seek: past the kept key, to the
// version at the sequence, or before the key's first version. A run of keys that a range tombstone
// covers is left by seeks of those sources, older than the tombstone's, of which it hides all: a
// million keys deleted at once cost a few seeks.
//
// Whatever stops the internal iterator stops this one. Going backward, that includes an error met
// while it looked for a newer version: the one in hand might be stale.

namespace varve {

namespace {

class DbIter final : public Iterator {
 public:
  DbIter(const InternalKeyComparator& comparator, const MergeOperator* merge_operator,
         const ReadOptions& options, std::unique_ptr<DbIterSource> source)
      : comparator_(comparator),
        bytewise_(comparator.bytewise()),
        merge_operator_(merge_operator),
        source_(std::move(source)) {
    if (options.lower_bound) lower_.emplace(*options.lower_bound);
    if (options.upper_bound) upper_.emplace(*options.upper_bound);
    Renew();
  }

  bool Valid() const override { return valid_; }
  Slice key() const override { return user_key_; }
  Slice value() const override {
    return place_ == Place::kHere ? iterator_->value().substr(value_skip_) : Slice(saved_value_);
  }
  std::optional<uint64_t> expires_at_ms() const override {
    uint64_t expires_at = saved_expires_at_;
    if (place_ == Place::kHere) {
      expires_at = value_skip_ == 0 ? kNever : ExpiresAtOf(iterator_->value());
    }
    return expires_at == kNever ? std::nullopt : std::optional(expires_at);
  }
  Status status() const override { return status_; }

  void SeekToFirst() override {
    if (!Begin()) return;
    if (lower_) {
      SeekInternal(*lower_, newest_trailer_);
    } else {
      iterator_->SeekToFirst();
      Load();
    }
    FindForward(/*past_saved_key=*/false);
  }

  void SeekToLast() override {
    if (!Begin()) return;
    if (upper_) {
      SeekInternalForPrev(*upper_, kTrailerBeforeAll);
    } else {
      iterator_->SeekToLast();
      Load();
    }
    FindBackward();
  }

  void Seek(Slice target) override {
    if (!Begin()) return;
    if (lower_ && comparator_.CompareUserKeys(target, *lower_) < 0) target = *lower_;
    SeekInternal(target, newest_trailer_);
    FindForward(/*past_saved_key=*/false);
  }

  void SeekForPrev(Slice target) override {
    if (!Begin()) return;
    if (upper_ && comparator_.CompareUserKeys(target, *upper_) >= 0) {
      SeekInternalForPrev(*upper_, kTrailerBeforeAll);
    } else {
      SeekInternalForPrev(target, kTrailerAfterAll);
    }
    FindBackward();
  }

  void Next() override {
    if (place_ == Place::kHere) {
      saved_key_.assign(user_key_);
      at_entry_ = iterator_->NextKey(&internal_key_);
    } else if (place_ == Place::kBefore) {
      SeekInternal(saved_key_, kTrailerAfterAll);
    }
    FindForward(/*past_saved_key=*/true);
  }

  void Prev() override {
    if (place_ == Place::kHere) saved_key_.assign(user_key_);
    if (place_ != Place::kBefore) LeaveSavedKeyBackward();
    FindBackward();
  }

  Status Refresh() override {
    Renew();
    return status_;
  }

 private:
  // Where the internal iterator is, while valid_.
  enum class Place : uint8_t {
    kHere,    // on the version that shows
    kBehind,  // behind the versions that made the saved key and value, perhaps at the end
    kBefore,  // on the last entry before those of the saved key, which shows with the saved value
  };

  // A seek costs as much as dozens of steps.
  static constexpr int kStepsMax = 32;

  // In place of an instant.
  static constexpr uint64_t kNever = UINT64_MAX;

  // From here on the key is kept of which a run of hidden entries began.
  static constexpr uint64_t kHiddenRunNoted = 64;

  void Renew() {
    valid_ = false;
    view_ = {};
    status_ = source_->Renew(&view_);
    if (!status_.ok()) view_ = {};
    iterator_ = view_.entries.get();
    newest_trailer_ = SeekTrailer(view_.sequence);
    clock_ = ReadClock(view_.now_ms);
  }

  // What the entry of this key and trailer that the internal iterator is at means. Where a ghost
  // stands above its source and accepts the key, nothing is there, whatever the snapshot.
  Visibility VisibilityHere(Slice user_key, uint64_t trailer, SequenceNumber covering) {
    if (view_.ghosts != nullptr && IsHiddenByGhost(user_key)) [[unlikely]]
      return Visibility::kAbsent;
    return VisibilityOf(trailer, covering, &clock_, [this] { return iterator_->value(); });
  }
  [[gnu::noinline]] bool IsHiddenByGhost(Slice user_key) const {
    if (VARVE_PLANTED("iterator passes ghosts")) return false;
    return view_.ghosts->Hides(view_.merging != nullptr ? view_.merging->child() : 0, user_key);
  }

  // Before a seek. False if there is no internal iterator; status_ has said why since Renew().
  bool Begin() {
    valid_ = false;
    if (iterator_ == nullptr) return false;
    status_ = Status::OK();
    return true;
  }

  // Takes over where the internal iterator is.
  void Load() {
    at_entry_ = iterator_->Valid();
    if (at_entry_) internal_key_ = iterator_->key();
  }
  void StepBack() {
    iterator_->Prev();
    Load();
  }
  // `user_key` may point into the internal iterator's.
  void SeekInternal(Slice user_key, uint64_t trailer) {
    MakeTarget(user_key, trailer);
    iterator_->Seek(target_);
    Load();
  }
  void SeekInternalForPrev(Slice user_key, uint64_t trailer) {
    MakeTarget(user_key, trailer);
    iterator_->SeekForPrev(target_);
    Load();
  }
  void MakeTarget(Slice user_key, uint64_t trailer) {
    target_.clear();
    AppendInternalKey(&target_, user_key, trailer);
  }

  bool IsSavedKey(Slice user_key) const {
    if (!bytewise_) return comparator_.CompareUserKeys(user_key, saved_key_) == 0;
    return user_key.size() == saved_key_.size() &&
           std::memcmp(user_key.data(), saved_key_.data(), user_key.size()) == 0;
  }

  // The user key of the entry the internal iterator is at; false if that is no internal key.
  bool SplitKey(Slice* user_key, uint64_t* trailer) {
    if (internal_key_.size() < kTrailerBytes) [[unlikely]] {
      Stop(Status::Corruption("an internal key of " + std::to_string(internal_key_.size()) +
                              " bytes"));
      return false;
    }
    *user_key = ExtractUserKey(internal_key_);
    *trailer = ExtractTrailer(internal_key_);
    return true;
  }

  void Stop(Status status) {
    valid_ = false;
    status_ = std::move(status);
    if (hidden_ != 0) EndHiddenRun();
  }

  void ShowHere(Slice user_key, uint64_t trailer) {
    place_ = Place::kHere;
    value_skip_ = ValueSkip(trailer);
    user_key_ = user_key;
    valid_ = true;
    if (hidden_ != 0) [[unlikely]]
      EndHiddenRun();
  }
  void ShowSaved(Place place) {
    place_ = place;
    user_key_ = saved_key_;
    valid_ = true;
    if (hidden_ != 0) EndHiddenRun();
  }

  // The newest range tombstone to be seen that covers the key; false if that cannot be told.
  bool FindCovering(Slice user_key, SequenceNumber* covering) {
    *covering = 0;
    return view_.tombstones == nullptr || FindCoveringTombstone(user_key, covering);
  }
  // Apart, so that a step without tombstones has no call.
  [[gnu::noinline]] bool FindCoveringTombstone(Slice user_key, SequenceNumber* covering) {
    Status status = view_.tombstones->Find(user_key, covering);
    if (status.ok()) return true;
    Stop(std::move(status));
    return false;
  }

  // To the first key that shows, from where the internal iterator is; not the saved one, if so
  // told.
  void FindForward(bool past_saved_key) {
    int steps = 0, covered = 0;
    while (at_entry_) {
      Slice user_key;
      uint64_t trailer;
      if (!SplitKey(&user_key, &trailer)) return;
      if (upper_ && comparator_.CompareUserKeys(user_key, *upper_) >= 0) {
        Stop(Status::OK());
        return;
      }
      if (trailer > newest_trailer_) {
        if (++steps > kStepsMax) {
          steps = 0;
          SeekInternal(user_key, newest_trailer_);
          continue;
        }
      } else if (past_saved_key && IsSavedKey(user_key)) {
        CountHidden(user_key);
        if (++steps > kStepsMax) {
          steps = 0;
          SeekInternal(saved_key_, kTrailerAfterAll);
          continue;
        }
      } else {
        SequenceNumber covering;
        if (!FindCovering(user_key, &covering)) return;
        switch (VisibilityHere(user_key, trailer, covering)) {
          case Visibility::kValue:
            ShowHere(user_key, trailer);
            return;
          case Visibility::kOperand:
            saved_key_.assign(user_key);
            if (MergeForward(covering)) ShowSaved(Place::kBehind);
            return;
          case Visibility::kAbsent:
            CountHidden(user_key);
            saved_key_.assign(user_key);
            past_saved_key = true;
            steps = 0;
            if (covering != 0 && ++covered > kStepsMax) {
              covered = 0;
              if (view_.merging != nullptr && view_.tombstones->SkipForward(view_.merging)) {
                Load();
                continue;
              }
            }
            break;
          case Visibility::kUnknown:
            Stop(UnknownEntry(trailer));
            return;
        }
      }
      at_entry_ = iterator_->NextKey(&internal_key_);
    }
    Stop(iterator_->status());
  }

  // From the saved key's newest version, an operand, to behind all that counts of it; their value
  // is saved. False if that cannot be, and status_ says why.
  bool MergeForward(SequenceNumber covering) {
    operands_.Begin(MergeOperands::Order::kNewestFirst);
    operands_.Add(iterator_->value());
    for (;;) {
      at_entry_ = iterator_->NextKey(&internal_key_);
      if (!at_entry_) {
        if (iterator_->status().ok()) break;
        Stop(iterator_->status());
        return false;
      }
      Slice user_key;
      uint64_t trailer;
      if (!SplitKey(&user_key, &trailer)) return false;
      if (!IsSavedKey(user_key)) break;
      if (IsExpiringBase(trailer, covering)) {
        Stop(MergeOverExpiry());
        return false;
      }
      const Visibility visibility = VisibilityHere(user_key, trailer, covering);
      if (visibility == Visibility::kUnknown) {
        Stop(UnknownEntry(trailer));
        return false;
      }
      if (visibility == Visibility::kValue) {
        const Slice base = iterator_->value();
        return Merge(&base);
      }
      if (visibility == Visibility::kAbsent) break;
      operands_.Add(iterator_->value());
    }
    return Merge(nullptr);
  }

  // The saved value becomes that of the operands over `base`, which may be the saved value.
  bool Merge(const Slice* base) {
    Status status = operands_.FullMerge(merge_operator_, saved_key_, base, &merged_value_);
    if (!status.ok()) {
      Stop(std::move(status));
      return false;
    }
    std::swap(saved_value_, merged_value_);
    saved_expires_at_ = kNever;
    return true;
  }

  // To the last key that shows, from where the internal iterator is, which is the last entry of
  // its key or any after the last version that counts.
  void FindBackward() {
    int covered = 0;
    while (at_entry_) {
      Slice user_key;
      uint64_t trailer;
      if (!SplitKey(&user_key, &trailer)) return;
      if (lower_ && comparator_.CompareUserKeys(user_key, *lower_) < 0) {
        Stop(Status::OK());
        return;
      }
      SequenceNumber covering;
      if (!FindCovering(user_key, &covering)) return;
      saved_key_.assign(user_key);
      switch (PassKeyBackward(trailer, covering)) {
        case Passed::kShows:
        case Passed::kStopped:
          return;
        case Passed::kHidden:
          break;
        case Passed::kAbsent:
          if (covering == 0 || ++covered <= kStepsMax) break;
          covered = 0;
          if (view_.merging != nullptr && view_.tombstones->SkipBackward(view_.merging)) Load();
          break;
      }
    }
    Stop(iterator_->status());
  }

  // Going backward, what became of a key.
  enum class Passed : uint8_t {
    kShows,    // the iterator is valid and shows it
    kAbsent,   // it is deleted; the internal iterator has left it
    kHidden,   // no version is to be seen; the internal iterator has left it
    kStopped,  // an error, which status_ has
  };

  // From the saved key's last entry, of this trailer, to its newest version to be seen.
  Passed PassKeyBackward(uint64_t trailer, SequenceNumber covering) {
    std::optional<Visibility> newest;  // of the versions passed so far that may be seen
    uint64_t unknown = 0;              // the trailer of one that says nothing to this version
    bool has_base = false;             // saved_value_ is that of a version beneath the operands
    bool expiring_base = false;        // that version has an expiry, or had one
    operands_.Begin(MergeOperands::Order::kOldestFirst);
    for (int steps = 0;;) {
      if (trailer > newest_trailer_) {
        LeaveSavedKeyBackward();
        break;
      }
      if (++steps > kStepsMax) return SeekNewest(covering);
      CountHidden(saved_key_);
      newest = VisibilityHere(saved_key_, trailer, covering);
      switch (*newest) {
        case Visibility::kValue:
        case Visibility::kAbsent:
          has_base = *newest == Visibility::kValue;
          expiring_base = IsExpiringBase(trailer, covering);
          if (has_base) SaveValue(trailer, iterator_->value());
          if (!operands_.empty()) operands_.Begin(MergeOperands::Order::kOldestFirst);
          unknown = 0;
          break;
        case Visibility::kOperand:
          operands_.Add(iterator_->value());
          break;
        case Visibility::kUnknown:
          unknown = trailer;
          break;
      }
      StepBack();
      if (!at_entry_) break;
      Slice user_key;
      if (!SplitKey(&user_key, &trailer)) return Passed::kStopped;
      if (!IsSavedKey(user_key)) break;
      if (!bytewise_ && trailer <= newest_trailer_) {
        saved_key_.assign(user_key);  // equal is not always identical
      }
    }
    if (!at_entry_ && !iterator_->status().ok()) {
      Stop(iterator_->status());
      return Passed::kStopped;
    }
    if (!newest.has_value()) return Passed::kHidden;
    if (*newest == Visibility::kAbsent) return Passed::kAbsent;
    if (unknown != 0) {
      Stop(UnknownEntry(unknown));
      return Passed::kStopped;
    }
    if (*newest == Visibility::kOperand) {
      if (expiring_base) {
        Stop(MergeOverExpiry());
        return Passed::kStopped;
      }
      const Slice base = saved_value_;
      if (!Merge(has_base ? &base : nullptr)) return Passed::kStopped;
    }
    ShowSaved(Place::kBefore);
    return Passed::kShows;
  }

  void SaveValue(uint64_t trailer, Slice value) {
    saved_value_.assign(UserValue(trailer, value));
    saved_expires_at_ = ValueSkip(trailer) == 0 ? kNever : ExpiresAtOf(value);
  }

  // From a version of the saved key to the newest one to be seen; there is one.
  Passed SeekNewest(SequenceNumber covering) {
    SeekInternal(saved_key_, newest_trailer_);
    if (!at_entry_) {
      Stop(iterator_->status());
      return Passed::kStopped;
    }
    Slice user_key;
    uint64_t trailer;
    if (!SplitKey(&user_key, &trailer)) return Passed::kStopped;
    switch (VisibilityHere(user_key, trailer, covering)) {
      case Visibility::kValue:
        ShowHere(user_key, trailer);
        return Passed::kShows;
      case Visibility::kOperand:
        saved_key_.assign(user_key);
        if (!MergeForward(covering)) return Passed::kStopped;
        ShowSaved(Place::kBehind);
        return Passed::kShows;
      case Visibility::kAbsent:
        LeaveSavedKeyBackward();
        return Passed::kAbsent;
      case Visibility::kUnknown:
        break;
    }
    Stop(UnknownEntry(trailer));
    return Passed::kStopped;
  }

  // From any version of the saved key, or from behind all, to the last entry before them. From
  // behind there may be entries in between: written since, or left by a seek on the way forward.
  void LeaveSavedKeyBackward() {
    for (int steps = 0; at_entry_ && steps < kStepsMax; ++steps) {
      StepBack();
      // What is no internal key is for the caller to find.
      if (!at_entry_ || internal_key_.size() < kTrailerBytes ||
          comparator_.CompareUserKeys(ExtractUserKey(internal_key_), saved_key_) < 0) {
        return;
      }
    }
    SeekInternalForPrev(saved_key_, kTrailerBeforeAll);
  }

  // Of an entry that does not show.
  void CountHidden(Slice user_key) {
    if (++hidden_ == kHiddenRunNoted) [[unlikely]]
      run_start_.assign(user_key);
  }
  // A key shows or none does: what was passed over ends at about the saved key.
  void EndHiddenRun() {
    if (hidden_ >= kHiddenRunMin) {
      const bool forward = comparator_.CompareUserKeys(run_start_, saved_key_) <= 0;
      source_->OnHiddenRun(forward ? run_start_ : saved_key_, forward ? saved_key_ : run_start_,
                           hidden_);
    }
    hidden_ = 0;
  }

  const InternalKeyComparator comparator_;
  const bool bytewise_;
  const MergeOperator* const merge_operator_;
  std::optional<std::string> lower_;
  std::optional<std::string> upper_;
  const std::unique_ptr<DbIterSource> source_;

  DbIterView view_;
  InternalIterator* iterator_ = nullptr;  // view_.entries; null after a failed Renew()
  uint64_t newest_trailer_ = 0;           // entries with a higher one are not to be seen
  ReadClock clock_{uint64_t{0}};          // at the view's instant
  bool valid_ = false;
  Place place_ = Place::kHere;
  size_t value_skip_ = 0;  // with kHere: bytes of the entry's value before the user's
  bool at_entry_ = false;  // as iterator_->Valid()
  Slice internal_key_;     // iterator_->key(), if at_entry_
  Slice user_key_;         // the current key
  std::string saved_key_;
  std::string saved_value_;
  uint64_t saved_expires_at_ = kNever;  // of that value
  std::string merged_value_;            // of Merge() alone
  MergeOperands operands_;
  uint64_t hidden_ = 0;    // entries the current call has passed over
  std::string run_start_;  // the key of number kHiddenRunNoted of them
  std::string target_;     // for seeks
  Status status_;
};

}  // namespace

std::unique_ptr<Iterator> NewDbIterator(const InternalKeyComparator& comparator,
                                        const MergeOperator* merge_operator,
                                        const ReadOptions& options,
                                        std::unique_ptr<DbIterSource> source) {
  return std::make_unique<DbIter>(comparator, merge_operator, options, std::move(source));
}

}  // namespace varve
