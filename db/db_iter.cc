#include "db/db_iter.h"

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "db/visibility.h"

// The internal iterator shows, for each user key, its versions from the newest to the oldest. Which
// of them counts is the newest at or below the sequence; whether it shows is VisibilityOf()'s to
// say.
//
// Forward, the iterator stands on the version that shows, and nothing of it is copied:
//  1. Next() keeps the current user key in a buffer and steps.
//  2. Versions above the sequence, and of the kept key, are passed over. The first other entry is
//     the newest of its key: if it is a tombstone its key is kept instead, and the search goes on.
//
// Backward, versions come oldest first, so which one counts is known only when the next lower key
// has been reached: the iterator then stands there, on the last entry before the current key, and
// key and value are copies.
//
// A run of more than kStepsMax entries passed over is left by a seek: past the kept key, to the
// version at the sequence, or before the key's first version.
//
// Whatever stops the internal iterator stops this one. Going backward, that includes an error met
// while it looked for a newer version: the one in hand might be stale.

namespace varve {

namespace {

class DbIter final : public Iterator {
 public:
  DbIter(const InternalKeyComparator& comparator, const ReadOptions& options,
         std::unique_ptr<DbIterSource> source)
      : comparator_(comparator), bytewise_(comparator.bytewise()), source_(std::move(source)) {
    if (options.lower_bound) lower_.emplace(*options.lower_bound);
    if (options.upper_bound) upper_.emplace(*options.upper_bound);
    Renew();
  }

  bool Valid() const override { return valid_; }
  Slice key() const override { return user_key_; }
  Slice value() const override { return forward_ ? iterator_->value() : Slice(saved_value_); }
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
      SeekInternalForPrev(*upper_, kBeforeAllVersions);
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
      SeekInternalForPrev(*upper_, kBeforeAllVersions);
    } else {
      SeekInternalForPrev(target, kAfterAllVersions);
    }
    FindBackward();
  }

  void Next() override {
    if (forward_) {
      saved_key_.assign(user_key_);
      at_entry_ = iterator_->NextKey(&internal_key_);
    } else {
      SeekInternal(saved_key_, kAfterAllVersions);
    }
    FindForward(/*past_saved_key=*/true);
  }

  void Prev() override {
    if (forward_) {
      saved_key_.assign(user_key_);
      LeaveSavedKeyBackward();
    }
    FindBackward();
  }

  Status Refresh() override {
    Renew();
    return status_;
  }

 private:
  // Trailers before and after those of all versions of a key; no entry has the first.
  static constexpr uint64_t kBeforeAllVersions = UINT64_MAX;
  static constexpr uint64_t kAfterAllVersions = 0;
  // A seek costs as much as dozens of steps.
  static constexpr int kStepsMax = 32;

  void Renew() {
    valid_ = false;
    iterator_.reset();
    SequenceNumber sequence = 0;
    status_ = source_->Renew(&iterator_, &sequence);
    if (!status_.ok()) iterator_.reset();
    newest_trailer_ = SeekTrailer(sequence);
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
  }

  void ShowHere(Slice user_key) {
    forward_ = true;
    user_key_ = user_key;
    valid_ = true;
  }

  // To the first key that shows, from where the internal iterator is; not the saved one, if so
  // told.
  void FindForward(bool past_saved_key) {
    int steps = 0;
    while (at_entry_) {
      Slice user_key;
      uint64_t trailer;
      if (!SplitKey(&user_key, &trailer)) return;
      if (upper_ && comparator_.CompareUserKeys(user_key, *upper_) >= 0) {
        valid_ = false;
        return;
      }
      if (trailer > newest_trailer_) {
        if (++steps > kStepsMax) {
          steps = 0;
          SeekInternal(user_key, newest_trailer_);
          continue;
        }
      } else if (past_saved_key && IsSavedKey(user_key)) {
        if (++steps > kStepsMax) {
          steps = 0;
          SeekInternal(saved_key_, kAfterAllVersions);
          continue;
        }
      } else {
        switch (VisibilityOf(trailer)) {
          case Visibility::kValue:
            ShowHere(user_key);
            return;
          case Visibility::kAbsent:
            saved_key_.assign(user_key);
            past_saved_key = true;
            steps = 0;
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

  // To the last key that shows, from where the internal iterator is, which is the last entry of
  // its key or any after the last version that counts.
  void FindBackward() {
    while (at_entry_) {
      Slice user_key;
      uint64_t trailer;
      if (!SplitKey(&user_key, &trailer)) return;
      if (lower_ && comparator_.CompareUserKeys(user_key, *lower_) < 0) {
        valid_ = false;
        return;
      }
      saved_key_.assign(user_key);
      std::optional<uint64_t> newest;  // the trailer of the newest version so far that may be seen
      for (int steps = 0;;) {
        if (trailer > newest_trailer_) {
          LeaveSavedKeyBackward();
          break;
        }
        if (++steps > kStepsMax) {
          // There is at least the version below, so this finds the one that counts.
          SeekInternal(saved_key_, newest_trailer_);
          if (!at_entry_) break;
          if (!SplitKey(&user_key, &trailer)) return;
          if (VisibilityOf(trailer) == Visibility::kValue) {
            ShowHere(user_key);
            return;
          }
          newest = trailer;
          break;
        }
        newest = trailer;
        if (!bytewise_) saved_key_.assign(user_key);  // equal is not always identical
        if (VisibilityOf(trailer) == Visibility::kValue) saved_value_.assign(iterator_->value());
        StepBack();
        if (!at_entry_) break;
        if (!SplitKey(&user_key, &trailer)) return;
        if (!IsSavedKey(user_key)) break;
      }
      if (!at_entry_ && !iterator_->status().ok()) break;
      if (!newest) continue;
      switch (VisibilityOf(*newest)) {
        case Visibility::kValue:
          forward_ = false;
          user_key_ = saved_key_;
          valid_ = true;
          return;
        case Visibility::kAbsent:
          break;
        case Visibility::kUnknown:
          Stop(UnknownEntry(*newest));
          return;
      }
    }
    Stop(iterator_->status());
  }

  // From any version of the saved key to the last entry before all of them.
  void LeaveSavedKeyBackward() {
    for (int steps = 0; steps < kStepsMax; ++steps) {
      StepBack();
      // What is no internal key is for the caller to find.
      if (!at_entry_ || internal_key_.size() < kTrailerBytes ||
          !IsSavedKey(ExtractUserKey(internal_key_))) {
        return;
      }
    }
    SeekInternalForPrev(saved_key_, kBeforeAllVersions);
  }

  const InternalKeyComparator comparator_;
  const bool bytewise_;
  std::optional<std::string> lower_;
  std::optional<std::string> upper_;
  const std::unique_ptr<DbIterSource> source_;

  std::unique_ptr<InternalIterator> iterator_;  // null after a failed Renew()
  uint64_t newest_trailer_ = 0;                 // entries with a higher one are not to be seen
  bool valid_ = false;
  // Where the current key comes from: the entry the internal iterator is at, or the saved ones.
  bool forward_ = true;
  bool at_entry_ = false;  // as iterator_->Valid()
  Slice internal_key_;     // iterator_->key(), if at_entry_
  Slice user_key_;         // the current key
  std::string saved_key_;
  std::string saved_value_;
  std::string target_;  // for seeks
  Status status_;
};

}  // namespace

std::unique_ptr<Iterator> NewDbIterator(const InternalKeyComparator& comparator,
                                        const ReadOptions& options,
                                        std::unique_ptr<DbIterSource> source) {
  return std::make_unique<DbIter>(comparator, options, std::move(source));
}

}  // namespace varve
