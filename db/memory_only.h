#ifndef VARVE_DB_MEMORY_ONLY_H_
#define VARVE_DB_MEMORY_ONLY_H_

#include <cstdint>
#include <functional>
#include <string>

#include "util/mutex.h"
#include "util/thread.h"
#include "varve/env.h"
#include "varve/status.h"

namespace varve {

// Leads a cache out of its directory when that fails, and back when it works again (RULES R8):
//
//  1. Begin() starts it, once an I/O failure has made writes impossible. Its thread calls `leave`,
//     which condemns the directory and lets writes go on in memory. Where that fails writes stay
//     refused, and it is tried again.
//  2. Every kProbeMillis it probes the directory: a file is made, written, synced, unlinked.
//  3. Once a probe succeeds it calls `come_back`, which empties the directory and writes to it
//     again. OK ends the matter until the next Begin().
//
// What leaving and coming back are the owner says. Time is the clock's; a wait ends with Stop().
// Thread safety: all of it. Begin() may be called under no lock that the steps take.
class MemoryOnly {
 public:
  static constexpr uint64_t kProbeMillis = 10'000;

  struct Steps {
    // OK: writes go on in memory, or nothing failed after all. Called until it says so.
    std::function<Status()> leave;
    // Whether there is still something to come back from.
    std::function<bool()> is_away;
    std::function<Status()> come_back;
  };

  MemoryOnly(FileSystem* file_system, Clock* clock, std::string directory, Steps steps);
  ~MemoryOnly() { Stop(); }
  MemoryOnly(const MemoryOnly&) = delete;
  MemoryOnly& operator=(const MemoryOnly&) = delete;

  // Returns at once. Without a thread to be had nothing happens, and writes stay refused.
  void Begin();
  // Begins nothing more, and returns when a step under way has ended. May be called again.
  void Stop();

  // Whether files can be made, written, synced and removed in the directory.
  static Status Probe(FileSystem* file_system, const std::string& directory);

 private:
  void Run();
  // Until the next probe is due, or it is stopped.
  void AwaitProbe() REQUIRES(mu_);

  FileSystem* const file_system_;
  Clock* const clock_;
  const std::string directory_;
  const Steps steps_;

  Mutex mu_;
  CondVar changed_;
  Thread thread_ GUARDED_BY(mu_);
  bool wanted_ GUARDED_BY(mu_) = false;
  bool stopped_ GUARDED_BY(mu_) = false;
};

}  // namespace varve

#endif  // VARVE_DB_MEMORY_ONLY_H_
