#include "util/glog_logger.h"

#include <glog/logging.h>

#include "util/default_logger.h"

namespace varve {

namespace {

class GlogLogger final : public Logger {
 public:
  void Log(LogLevel level, Slice message) override {
    google::LogSeverity severity = google::GLOG_INFO;
    switch (level) {
      case LogLevel::kDebug:
        if (!VLOG_IS_ON(1)) return;
        break;
      case LogLevel::kInfo:
        break;
      case LogLevel::kWarning:
        severity = google::GLOG_WARNING;
        break;
      case LogLevel::kError:
        severity = google::GLOG_ERROR;
        break;
    }
    google::LogMessage("varve", 0, severity).stream() << message;
  }
};

std::shared_ptr<Logger> GlogDefault() {
  // Never destroyed: databases may live in static storage.
  static const auto& logger = *new std::shared_ptr<Logger>(NewGlogLogger());
  return logger;
}

[[maybe_unused]] const bool registered = (SetDefaultLoggerFactory(&GlogDefault), true);

}  // namespace

std::shared_ptr<Logger> NewGlogLogger() { return std::make_shared<GlogLogger>(); }

}  // namespace varve
