#include "util/glog_logger.h"

#include <glog/logging.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "varve/logger.h"

namespace varve {
namespace {

struct Sink final : google::LogSink {
  void send(google::LogSeverity severity, const char*, const char*, int, const tm*,
            const char* message, size_t length) override {
    lines.push_back(std::to_string(severity) + " " + std::string(message, length));
  }
  std::vector<std::string> lines;
};

// Linking the library is enough; nobody has initialised glog, and nobody does.
TEST(GlogLogger, IsTheDefaultOnceLinkedAndKeepsSeverities) {
  Sink sink;
  google::AddLogSink(&sink);
  const auto logger = DefaultLogger();
  logger->Log(LogLevel::kDebug, "debug");
  logger->Log(LogLevel::kInfo, "info");
  logger->Log(LogLevel::kWarning, "warning");
  logger->Log(LogLevel::kError, "error");
  google::RemoveLogSink(&sink);
  EXPECT_EQ(sink.lines, (std::vector<std::string>{"0 info", "1 warning", "2 error"}));
  EXPECT_EQ(DefaultLogger(), logger);
  EXPECT_FALSE(google::IsGoogleLoggingInitialized());
}

}  // namespace
}  // namespace varve
