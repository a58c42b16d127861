#include "tests/never_stale/cursor.h"

#include <algorithm>
#include <string>

#include "tests/never_stale/tagged_value.h"

namespace varve::never_stale {

Cursor::Cursor(CheckedDb* db, CheckedDb::View view, std::optional<uint32_t> lower,
               std::optional<uint32_t> upper)
    : db_(db),
      snapshot_(view.has_value()),
      lower_(lower.value_or(0)),
      upper_(upper.value_or(db->keys())),
      view_(db->OrderOf(view)) {
  ReadOptions options = db->OptionsFor(view);
  const std::string low = KeyOf(lower.value_or(0)), high = KeyOf(upper.value_or(0));
  if (lower.has_value()) options.lower_bound = low;
  if (upper.has_value()) options.upper_bound = high;
  made_at_.low = db->Now().low;
  iterator_ = db->db()->NewIterator(options);
  made_at_.high = db->Now().high;
  db->oracle().Hold(view_);
}

void Cursor::Move(Random* random) {
  if (!iterator_->status().ok() && random->OneIn(2)) return Refresh();
  const auto somewhere = [&] { return static_cast<uint32_t>(random->Uniform(db_->keys())); };
  if (at_ != kNowhere && !random->OneIn(3)) {
    const bool forward = random->OneIn(2);
    for (uint64_t steps = random->Between(1, 6); steps > 0 && at_ != kNowhere; --steps) {
      forward ? Next() : Prev();
    }
    return;
  }
  switch (random->Uniform(6)) {
    case 0:
      iterator_->SeekToFirst();
      return Arrive(lower_, /*forward=*/true);
    case 1:
      iterator_->SeekToLast();
      return Arrive(upper_ - 1, /*forward=*/false);
    case 2:
    case 3: {
      const uint32_t target = somewhere();
      iterator_->Seek(KeyOf(target));
      return Arrive(target, /*forward=*/true);
    }
    default: {
      const uint32_t target = somewhere();
      iterator_->SeekForPrev(KeyOf(target));
      return Arrive(target, /*forward=*/false);
    }
  }
}

void Cursor::Next() {
  iterator_->Next();
  Arrive(at_ + 1, /*forward=*/true);
}

void Cursor::Prev() {
  iterator_->Prev();
  Arrive(at_ - 1, /*forward=*/false);
}

void Cursor::ScanForward() {
  iterator_->SeekToFirst();
  for (Arrive(lower_, true); at_ != kNowhere && !db_->failed();) Next();
}

void Cursor::ScanBackward() {
  iterator_->SeekToLast();
  for (Arrive(upper_ - 1, false); at_ != kNowhere && !db_->failed();) Prev();
}

void Cursor::Refresh() {
  made_at_.low = db_->Now().low;
  const Status status = iterator_->Refresh();
  made_at_.high = db_->Now().high;
  at_ = kNowhere;
  if (!status.ok()) {
    if (!db_->MayEnd(status)) db_->Fail(status, "Refresh: ");
    return;
  }
  if (snapshot_) return;
  db_->oracle().Release(view_);
  view_ = db_->oracle().last();
  db_->oracle().Hold(view_);
}

void Cursor::Arrive(int64_t start, bool forward) {
  at_ = kNowhere;
  if (!iterator_->status().ok()) {
    if (!db_->MayEnd(iterator_->status())) db_->Fail(iterator_->status(), "an iterator: ");
    return;  // until it is refreshed
  }
  start = forward ? std::max(start, lower_) : std::min(start, upper_ - 1);
  int64_t end = forward ? upper_ : lower_ - 1;  // where it would be behind all
  uint32_t number = 0;
  if (iterator_->Valid()) {
    const bool known = NumberOf(iterator_->key(), &number);
    const int64_t found = number;
    const bool behind = forward ? found < start : found > start;
    if (!known || behind || found < lower_ || found >= upper_) {
      return db_->Fail("FOREIGN: an iterator is on a key outside its bounds, or back where it was",
                       number);
    }
    at_ = end = found;
  }
  const int64_t step = forward ? 1 : -1;
  for (int64_t key = start; forward ? key < end : key > end; key += step) {
    db_->Judge(static_cast<uint32_t>(key), view_, made_at_, std::nullopt);
  }
  if (at_ != kNowhere) db_->Judge(number, view_, made_at_, iterator_->value());
}

}  // namespace varve::never_stale
