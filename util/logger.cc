#include "varve/logger.h"

#include <time.h>

#include <atomic>
#include <cstdio>
#include <string>

#include "util/default_logger.h"

namespace varve {

namespace {

class StderrLogger final : public Logger {
 public:
  explicit StderrLogger(LogLevel level_min) : level_min_(level_min) {}

  // "2026-01-31T23:59:59.123Z W varve: message", in one write, so that threads do not mix lines.
  void Log(LogLevel level, Slice message) override {
    if (level < level_min_) return;
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    tm utc{};
    gmtime_r(&now.tv_sec, &utc);
    char head[64];
    const size_t length = strftime(head, sizeof(head), "%Y-%m-%dT%H:%M:%S", &utc);
    std::string line(head, length);
    std::snprintf(head, sizeof(head), ".%03ldZ %c varve: ", now.tv_nsec / 1'000'000,
                  "DIWE"[static_cast<int>(level) & 3]);
    line.append(head).append(message).push_back('\n');
    std::fwrite(line.data(), 1, line.size(), stderr);
  }

 private:
  const LogLevel level_min_;
};

std::shared_ptr<Logger> StderrDefault() {
  // Never destroyed: databases may live in static storage.
  static const auto& logger = *new std::shared_ptr<Logger>(NewStderrLogger());
  return logger;
}

constinit std::atomic<LoggerFactory> default_factory{&StderrDefault};

}  // namespace

std::shared_ptr<Logger> NewStderrLogger(LogLevel level_min) {
  return std::make_shared<StderrLogger>(level_min);
}

void SetDefaultLoggerFactory(LoggerFactory factory) {
  default_factory.store(factory, std::memory_order_release);
}

std::shared_ptr<Logger> DefaultLogger() {
  return default_factory.load(std::memory_order_acquire)();
}

}  // namespace varve
