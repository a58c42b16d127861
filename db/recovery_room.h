#ifndef VARVE_DB_RECOVERY_ROOM_H_
#define VARVE_DB_RECOVERY_ROOM_H_

#include <cstdint>
#include <string>
#include <vector>

#include "db/cache_space.h"
#include "db/event_dispatch.h"
#include "db/evicted_segment.h"
#include "db/manifest.h"
#include "memtable/memtable.h"
#include "varve/status.h"

namespace varve {

// What a cache has given up while it was opened.
struct EvictedAtOpen {
  uint64_t segments = 0;
  uint64_t entries = 0;  // those of the log too, that there was no room to flush
  uint64_t bytes = 0;    // of segments, and of entries in memory
};

// How the recovery of a cache keeps within its capacity (RULES R6.4), which may be lower than what
// the directory holds. Nothing grows before what is over it is gone:
//
//  1. what neither root reaches is removed: both are durable, so it may (R4.4);
//  2. live segments go, the lowest epochs first, by a commit and a seal, and then their files;
//  3. of what this recovery has made itself, and not committed, the oldest;
//  4. then what was replayed is dropped: with nothing older left, it uncovers nothing.
//
// By the thread that recovers.
class RecoveryRoom {
 public:
  // `live`: what the manifest has, kept up to date here. `events` hears of what goes.
  RecoveryRoom(const CacheSpace& space, std::string directory, Manifest* manifest,
               std::vector<SegmentEntry>* live, EventDispatch* events)
      : space_(space),
        directory_(std::move(directory)),
        manifest_(manifest),
        live_(live),
        events_(events) {}

  // Names that may be removed.
  void SetUnreachable(std::vector<std::string> names) { unreachable_ = std::move(names); }

  // Makes so much free; `made` are segments that are not committed, oldest first. *enough says
  // whether it is.
  Status Make(uint64_t bytes, std::vector<SegmentEntry>* made, bool* enough);
  // Gives up what is over the capacity, as far as it can.
  Status BringUnder();
  // NoSpace if it is still over.
  Status CheckUnder() const;

  // What was replayed is dropped: so many bytes of it.
  void Dropped(const MemTable& memtable, uint64_t bytes) {
    evicted_.entries += memtable.entries();
    evicted_.bytes += bytes;
    Tell({EvictedMemtable(memtable)});
  }
  const EvictedAtOpen& evicted() const { return evicted_; }

 private:
  // Each false if there was nothing of its kind.
  bool RemoveUnreachable();
  bool EvictOldest(uint64_t wanted, Status* status);
  void Tell(std::vector<EvictionInfo::Segment> segments);
  void Unlink(const NumberedFile& file);
  void Count(const SegmentEntry& victim);

  const CacheSpace space_;
  const std::string directory_;
  Manifest* const manifest_;
  std::vector<SegmentEntry>* const live_;
  EventDispatch* const events_;
  std::vector<std::string> unreachable_;
  EvictedAtOpen evicted_;
};

}  // namespace varve

#endif  // VARVE_DB_RECOVERY_ROOM_H_
