#ifndef VARVE_TOOLS_CRASH_CRASH_POINT_H_
#define VARVE_TOOLS_CRASH_CRASH_POINT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/sim_disk.h"

// One crash: when, and what it leaves. Together with the seed of the run it says everything, so
// that a line of text, the token, replays any violation.

namespace varve::crash {

struct CrashPoint {
  enum class Kind : uint8_t {
    kKill,  // the process dies; the machine goes on
    kLoss,  // the machine loses power
  };
  uint64_t boundary = 0;  // so many changes of the disk have happened
  Kind kind = Kind::kKill;
  // The next change, a write, has happened in part (see SimDisk::ApplyTorn).
  bool torn = false;
  uint64_t tear = 0;
  SimLoss loss = {};
  // What befalls the disk apart from the crash.
  enum class Damage : uint8_t {
    kNone,
    kRoot,  // the newest root of the manifest is unreadable
    kFlip,  // one bit of one file is another
    kMove,  // a sector of one file holds what belongs to another place, as by a stray write
  };
  Damage damage = Damage::kNone;
  uint64_t damage_seed = 0;  // kFlip, kMove: which

  // "1873.kill", "1873.torn2.kill", "1873.rnd5", "1873.only3~root", "1873.keep~flip77"
  std::string ToString() const;
  static bool Parse(std::string_view text, CrashPoint* point);
  // For the table: "kill", "torn", "drop", "keep", "only", "but", "set", "rnd", each perhaps
  // with "~root", "~flip" or "~move".
  std::string Fault() const;
};

// The disk that `point` leaves; `replay` stands at its boundary. `next` is the change after it, or
// null at the end of the history.
SimDisk Materialise(const SimReplay& replay, const SimOp* next, const CrashPoint& point);

// Does to the disk what point.damage says, to files of `directory` ("/db") where it chooses one.
// The path of the file it was done to; "" if nothing is changed by it: with kRoot, if there is no
// manifest with two valid roots, or if a change of it is pending.
std::string DamageDisk(const CrashPoint& point, std::string_view directory, SimDisk* disk);

// A run and the crashes that lead to an image: "wal:1f:-:1873.rnd5/44.kill".
struct Token {
  std::string matrix;   // what ran
  uint64_t seed = 0;    // of the first session; those after it derive theirs
  std::string variant;  // further choices of the run; "-": those of the seed
  std::vector<CrashPoint> points;

  std::string ToString() const;
  static bool Parse(std::string_view text, Token* token);
  // The seed of the session that follows the first `depth` crashes.
  uint64_t SeedAt(size_t depth) const;
};

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_CRASH_POINT_H_
