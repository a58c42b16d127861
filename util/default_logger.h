#ifndef VARVE_UTIL_DEFAULT_LOGGER_H_
#define VARVE_UTIL_DEFAULT_LOGGER_H_

#include <memory>

#include "varve/logger.h"

namespace varve {

// What DefaultLogger() calls from now on. May be called before main(), in any order with other
// static initialisers; `factory` returns the same logger each time.
using LoggerFactory = std::shared_ptr<Logger> (*)();
void SetDefaultLoggerFactory(LoggerFactory factory);

}  // namespace varve

#endif  // VARVE_UTIL_DEFAULT_LOGGER_H_
