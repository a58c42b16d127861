#ifndef VARVE_TESTS_NEVER_STALE_CURSOR_H_
#define VARVE_TESTS_NEVER_STALE_CURSOR_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "tests/never_stale/checked_db.h"
#include "util/random.h"

namespace varve::never_stale {

// An iterator that is held while other things happen. Each of its moves is judged: what it stands
// on has to be right as of when it was made, and each key it passed over has to be absent.
class Cursor {
 public:
  Cursor(CheckedDb* db, CheckedDb::View view, std::optional<uint32_t> lower,
         std::optional<uint32_t> upper);
  ~Cursor() { db_->oracle().Release(view_); }
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;

  // Somewhere: a seek, or some steps from where it is.
  void Move(Random* random);
  void ScanForward();
  void ScanBackward();
  // To the newest state, or to its snapshot's.
  void Refresh();
  // Whether it reads the snapshot at this place, which must not go before it.
  bool reads_snapshot() const { return snapshot_; }

 private:
  static constexpr int64_t kNowhere = -2;

  void Next();
  void Prev();
  // It has moved: the first key it may be on is `start`.
  void Arrive(int64_t start, bool forward);

  CheckedDb* const db_;
  const bool snapshot_;
  const int64_t lower_, upper_;  // keys in [lower, upper)
  uint64_t view_;
  Instant made_at_;
  std::unique_ptr<Iterator> iterator_;
  int64_t at_ = kNowhere;  // the key it is on
};

}  // namespace varve::never_stale

#endif  // VARVE_TESTS_NEVER_STALE_CURSOR_H_
