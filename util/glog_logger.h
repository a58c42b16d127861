#ifndef VARVE_UTIL_GLOG_LOGGER_H_
#define VARVE_UTIL_GLOG_LOGGER_H_

#include <memory>

#include "varve/logger.h"

namespace varve {

// Messages through glog: info, warnings and errors under those severities, debug as VLOG(1). The
// program decides whether, when and how glog is initialised. Linking //:varve_glog makes it the
// default logger.
std::shared_ptr<Logger> NewGlogLogger();

}  // namespace varve

#endif  // VARVE_UTIL_GLOG_LOGGER_H_
