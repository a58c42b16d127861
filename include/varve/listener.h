#ifndef VARVE_INCLUDE_VARVE_LISTENER_H_
#define VARVE_INCLUDE_VARVE_LISTENER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "varve/status.h"

namespace varve {

// A flush: memtables that become segments, as a rule one.
struct FlushInfo {
  uint64_t job = 0;        // numbers flushes and compactions, from 1 at every open
  uint64_t memtables = 0;  // how many it takes
  // Known at the end.
  std::vector<uint64_t> segments;  // their numbers; none where there was nothing to keep
  uint64_t entries_read = 0;
  uint64_t entries_dropped = 0;  // versions that no read can see any more
  uint64_t bytes_written = 0;    // of the segments' files
  uint64_t micros = 0;           // how long it took
  Status status;
};

// A compaction: segments that become others, or move to another level as they are.
struct CompactionInfo {
  struct Input {
    uint32_t level = 0;
    std::vector<uint64_t> segments;  // numbers
  };

  uint64_t job = 0;    // see FlushInfo
  std::string reason;  // why it was wanted, for people
  std::vector<Input> inputs;
  uint32_t output_level = 0;
  bool trivial_move = false;  // nothing is read or written
  uint64_t bytes_read = 0;    // of the inputs' files
  // Known at the end.
  std::vector<uint64_t> outputs;  // numbers
  uint64_t bytes_written = 0;     // of the outputs' files
  uint64_t entries_read = 0;
  uint64_t entries_dropped = 0;
  uint64_t micros = 0;
  Status status;
};

struct SegmentInfo {
  uint64_t job = 0;  // that made it; 0 where no job did, and for a removal
  uint64_t number = 0;
  std::string path;
  uint64_t file_bytes = 0;  // 0 for a removal
};

enum class StallState : uint8_t {
  kNone = 0,
  kDelayed = 1,  // writes are held to a number of bytes a second
  kStopped = 2,  // writes wait until background work has caught up
};
enum class StallReason : uint8_t {
  kNone = 0,
  kMemtables = 1,       // too much waits for a flush
  kLevel0Runs = 2,      // too many sorted runs wait in level 0
  kCompactionDebt = 3,  // compactions are too far behind
};

struct StallInfo {
  StallState before = StallState::kNone;
  StallState now = StallState::kNone;
  StallReason reason = StallReason::kNone;
  uint64_t bytes_per_second = 0;  // what writes are held to while delayed
};

enum class BackgroundErrorSource : uint8_t {
  kFlush = 0,
  kCompaction = 1,
  kManifest = 2,
  kLog = 3,    // a write or sync of the log
  kWrite = 4,  // entries of a logged write could not be inserted
};

struct BackgroundErrorInfo {
  BackgroundErrorSource source = BackgroundErrorSource::kFlush;
  Status status;
  // Set: writes are refused with `status` until DB::Resume() or a reopen. Not set: the work is
  // tried again by itself, and reads and writes go on.
  bool read_only = false;
};

// A wall clock that has jumped ahead by more than Options::clock_jump_max_ms, and is not followed.
struct ClockJumpInfo {
  uint64_t now_ms = 0;   // the database's time, ms since 1970
  uint64_t wall_ms = 0;  // what the wall clock says
};

// What is left of a database whose files have failed (Options::on_io_failure).
enum class Degradation : uint8_t {
  kNone = 0,
  kReadOnly = 1,    // reads go on
  kMemoryOnly = 2,  // of a cache: reads and writes go on, in memory
  kStopped = 3,     // every call answers the error
};

struct DegradedInfo {
  Degradation now = Degradation::kNone;
  Status status;  // what failed; with kNone what had failed
};

// Why a cache was emptied. The numbers are on disk.
enum class CacheResetReason : uint8_t {
  kPowerLoss = 1,       // the machine went down, and not every write had been synced
  kUnloggedWrites = 2,  // acknowledged writes were in no log, and the process ended without a close
  kDamagedLog = 3,      // a log could not be read where it should have been whole
  kIoFailure = 4,       // the directory was condemned (OnIoFailure::kMemoryOnly)
  kClock = 5,           // the clock mark was set by hand (varve_ldb reset-clock)
};

// A cache that was emptied, so that nothing in it can be older than what was acknowledged. File and
// sequence numbers go on.
struct CacheResetInfo {
  CacheResetReason reason = CacheResetReason::kPowerLoss;
  uint64_t wall_ms = 0;   // when, ms since 1970
  uint64_t segments = 0;  // that went, ghosts included
  uint64_t resets = 0;    // of this directory since it was made, this one included
};

// Why something is taken out of a cache, or out of a database that has nothing beneath it.
enum class EvictionReason : uint8_t {
  kExpired = 0,  // every entry of it is past its time
  kRoom = 1,     // the capacity, or the budget of ghosts, wants it gone
  kDamaged = 2,  // it cannot be read
};

// Whole segments that are taken out, in one commit. It changes what is there to be found, never
// what a find is: see docs/cache.md.
struct EvictionInfo {
  struct Segment {
    uint64_t number = 0;      // 0: entries that were in memory and in no segment
    uint64_t file_bytes = 0;  // 0 in memory
    uint64_t entries = 0;
    // Of its entries. All that was written between them and is in no other source goes with it.
    uint64_t smallest_sequence = 0;
    uint64_t largest_sequence = 0;
    bool leaves_ghost = false;  // which goes on hiding what is older
  };
  uint64_t job = 0;  // see FlushInfo; 0 while the database is opened
  EvictionReason reason = EvictionReason::kRoom;
  std::vector<Segment> segments;
};

// Hears of what happens in the background; see Options::listeners. Every method does nothing unless
// it is overridden.
//
// They are called without locks of the engine, by the thread to which it happens, which waits for
// them: a background thread, or one that writes. So they may come from several threads at once, but
// OnStallChanged, OnBackgroundError and OnErrorRecovered come one at a time and in the order of
// what they tell. They should be quick, must not throw, and may read the database and its
// properties; what writes, flushes, compacts, ingests, makes a checkpoint, sets options, resumes,
// pauses or closes must not be called.
class EventListener {
 public:
  virtual ~EventListener() = default;

  virtual void OnFlushBegin(const FlushInfo&) {}
  // Once for every OnFlushBegin, whatever came of it.
  virtual void OnFlushEnd(const FlushInfo&) {}
  virtual void OnCompactionBegin(const CompactionInfo&) {}
  // Once for every OnCompactionBegin.
  virtual void OnCompactionEnd(const CompactionInfo&) {}

  // A segment is part of the database, durably.
  virtual void OnSegmentCreated(const SegmentInfo&) {}
  // The file of a segment was unlinked.
  virtual void OnSegmentRemoved(const SegmentInfo&) {}

  // Segments are about to be taken out: the commit follows. If it fails they stay, and are told
  // again when it is tried again. While the database is opened it may come before DB::Open returns.
  virtual void OnEviction(const EvictionInfo&) {}

  // Writes begin or cease to be delayed or stopped.
  virtual void OnStallChanged(const StallInfo&) {}

  // Once for each jump that is refused.
  virtual void OnClockJump(const ClockJumpInfo&) {}

  // Once when background work begins to fail and once when the database becomes read-only; not for
  // each further attempt that fails.
  virtual void OnBackgroundError(const BackgroundErrorInfo&) {}
  // What failed works again, by itself or after DB::Resume(). `info` is the error that is over.
  virtual void OnErrorRecovered(const BackgroundErrorInfo&) {}

  // After the OnBackgroundError that made the database read-only, and whenever it changes later. In
  // the order of what they tell, as that.
  virtual void OnDegradationChanged(const DegradedInfo&) {}

  // The cache was emptied, durably: while it was opened (before DB::Open returns it), or as a
  // device came back.
  virtual void OnCacheReset(const CacheResetInfo&) {}
};

// For people and logs: "delayed", "level-0 runs", "flush".
const char* StallStateName(StallState state);
const char* StallReasonName(StallReason reason);
const char* BackgroundErrorSourceName(BackgroundErrorSource source);
const char* DegradationName(Degradation degradation);
const char* CacheResetReasonName(CacheResetReason reason);
const char* EvictionReasonName(EvictionReason reason);

}  // namespace varve

#endif  // VARVE_INCLUDE_VARVE_LISTENER_H_
