#ifndef VARVE_INCLUDE_VARVE_LOGGER_H_
#define VARVE_INCLUDE_VARVE_LOGGER_H_

#include <memory>

#include "varve/slice.h"

namespace varve {

enum class LogLevel : int { kDebug = 0, kInfo = 1, kWarning = 2, kError = 3 };

// Where the engine's own messages go: one line a call, without a newline at its end. Called from
// any thread, never while holding a lock a user callback could want.
class Logger {
 public:
  virtual ~Logger() = default;
  virtual void Log(LogLevel level, Slice message) = 0;
};

// Warnings and errors to standard error. The default of `//:varve`.
std::shared_ptr<Logger> NewStderrLogger(LogLevel level_min = LogLevel::kWarning);

// The logger used where Options.logger is null: NewStderrLogger(), unless the program links
// `//:varve_glog`, which puts one through glog in its place (glog is never initialised by us).
std::shared_ptr<Logger> DefaultLogger();

}  // namespace varve

#endif  // VARVE_INCLUDE_VARVE_LOGGER_H_
