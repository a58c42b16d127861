#include "db/covering_tombstones.h"

#include <algorithm>
#include <string>

#include "db/merging_iterator.h"

namespace varve {

bool TombstoneList::IsFirstToEndAfter(size_t i, Slice user_key) const {
  return (i == list_->fragments() || comparator_.CompareUserKeys(list_->end(i), user_key) > 0) &&
         (i == 0 || comparator_.CompareUserKeys(list_->end(i - 1), user_key) <= 0);
}

Status TombstoneList::Find(Slice user_key, SequenceNumber at, TombstoneStretch* stretch) {
  if (!IsFirstToEndAfter(at_, user_key)) {
    if (at_ < list_->fragments() && IsFirstToEndAfter(at_ + 1, user_key)) {
      ++at_;
    } else if (at_ > 0 && IsFirstToEndAfter(at_ - 1, user_key)) {
      --at_;
    } else {
      at_ = list_->FindFragment(user_key);
    }
  }
  *stretch = {};
  if (at_ == list_->fragments()) {
    if (at_ > 0) stretch->from = list_->end(at_ - 1);
  } else if (comparator_.CompareUserKeys(list_->start(at_), user_key) <= 0) {
    stretch->from = list_->start(at_);
    stretch->to = list_->end(at_);
    stretch->newest = list_->NewestAt(at_, at);
  } else {
    if (at_ > 0) stretch->from = list_->end(at_ - 1);
    stretch->to = list_->start(at_);
  }
  return Status::OK();
}

Status CoveringTombstones::FindAnew(Slice user_key) {
  const bool known = std::exchange(known_, false);  // until all is well
  meet_ = {};
  for (Source& source : sources_) {
    if (!known || !Holds(source.stretch, user_key)) {
      Status status = source.tombstones->Find(user_key, at_, &source.stretch);
      if (!status.ok()) return status;
    }
    const TombstoneStretch& stretch = source.stretch;
    meet_.newest = std::max(meet_.newest, stretch.newest);
    if (stretch.from.has_value() &&
        (!meet_.from.has_value() || comparator_.CompareUserKeys(*stretch.from, *meet_.from) > 0)) {
      meet_.from = stretch.from;
    }
    if (stretch.to.has_value() &&
        (!meet_.to.has_value() || comparator_.CompareUserKeys(*stretch.to, *meet_.to) < 0)) {
      meet_.to = stretch.to;
    }
  }
  known_ = true;
  return Status::OK();
}

bool CoveringTombstones::SkipForward(MergingIterator* iterator) {
  if (!known_) return false;
  bool moved = false;
  for (const Source& source : sources_) {
    if (source.stretch.newest == 0) continue;
    moved |= iterator->SkipForward(source.first_older, *source.stretch.to);
  }
  return moved;
}

bool CoveringTombstones::SkipBackward(MergingIterator* iterator) {
  if (!known_) return false;
  bool moved = false;
  for (const Source& source : sources_) {
    if (source.stretch.newest == 0) continue;
    moved |= iterator->SkipBackward(source.first_older, *source.stretch.from);
  }
  return moved;
}

}  // namespace varve
