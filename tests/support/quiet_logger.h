#ifndef VARVE_TESTS_SUPPORT_QUIET_LOGGER_H_
#define VARVE_TESTS_SUPPORT_QUIET_LOGGER_H_

#include "varve/logger.h"
#include "varve/slice.h"

namespace varve {

// For tests that make things fail on purpose: nobody need read of it.
class QuietLogger : public Logger {
 public:
  void Log(LogLevel, Slice) override {}
};

}  // namespace varve

#endif  // VARVE_TESTS_SUPPORT_QUIET_LOGGER_H_
