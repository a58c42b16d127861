#ifndef VARVE_DB_READ_VIEW_H_
#define VARVE_DB_READ_VIEW_H_

#include <atomic>
#include <memory>
#include <vector>

#include "db/version.h"
#include "memtable/memtable.h"
#include "util/epoch.h"

namespace varve {

// All sources a read may meet, at one moment. Immutable. They are listed newest first, and in that
// order hold ever older versions of a key (RULES R1.1).
struct ReadView {
  std::shared_ptr<MemTable> memtable;  // the active one
  std::vector<std::shared_ptr<MemTable>> immutables;
  std::shared_ptr<const Version> version;
  // The directory is condemned: what it held counts no more, and the version is empty.
  bool condemned = false;
};

// The current read view. A lookup borrows it inside the epoch domain, which costs no shared write;
// an iterator shares it. A view that was replaced goes when its last borrower and owner have.
//
// Destroying a view may give back many megabytes of memtables, which takes milliseconds. It is left
// to EpochDomain::Collect(), which background work calls when it has published a view and released
// its locks; writers, who publish one for each memtable they fill, do not.
//
// Thread safety: Borrow and Share from any thread; Publish by one at a time.
class ReadViewHolder {
 public:
  explicit ReadViewHolder(EpochDomain* epochs) : epochs_(epochs) {}
  ~ReadViewHolder() { delete current_.load(std::memory_order_relaxed); }
  ReadViewHolder(const ReadViewHolder&) = delete;
  ReadViewHolder& operator=(const ReadViewHolder&) = delete;

  // Requires being inside the epoch domain, for as long as the view is used.
  const ReadView* Borrow() const {
    return current_.load(std::memory_order_seq_cst)->get();  // see EpochDomain
  }
  std::shared_ptr<const ReadView> Share() const {
    EpochGuard inside(epochs_);
    return *current_.load(std::memory_order_seq_cst);
  }
  void Publish(std::shared_ptr<const ReadView> view) {
    using Cell = std::shared_ptr<const ReadView>;
    const Cell* const old = current_.exchange(new Cell(std::move(view)), std::memory_order_seq_cst);
    if (old != nullptr) epochs_->RetireLater([old] { delete old; });
  }

 private:
  EpochDomain* const epochs_;
  std::atomic<const std::shared_ptr<const ReadView>*> current_{nullptr};
};

}  // namespace varve

#endif  // VARVE_DB_READ_VIEW_H_
