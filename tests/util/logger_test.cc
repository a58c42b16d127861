#include "varve/logger.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "util/default_logger.h"

namespace varve {
namespace {

class MemoryLogger final : public Logger {
 public:
  void Log(LogLevel, Slice message) override { messages.emplace_back(message); }
  std::vector<std::string> messages;
};

TEST(StderrLogger, WritesOneLineOfWhatIsSevereEnough) {
  const auto logger = NewStderrLogger(LogLevel::kWarning);
  testing::internal::CaptureStderr();
  logger->Log(LogLevel::kInfo, "not this");
  logger->Log(LogLevel::kWarning, "slow disk");
  logger->Log(LogLevel::kError, std::string("a\0b", 3));
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.find("not this"), std::string::npos);
  EXPECT_NE(text.find("Z W varve: slow disk\n"), std::string::npos) << text;
  EXPECT_NE(text.find(std::string("Z E varve: a\0b\n", 15)), std::string::npos) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
}

TEST(DefaultLogger, IsOneUntilAnotherIsRegistered) {
  const auto before = DefaultLogger();
  ASSERT_NE(before, nullptr);
  EXPECT_EQ(DefaultLogger(), before);
  static const auto mine = std::make_shared<MemoryLogger>();
  SetDefaultLoggerFactory([]() -> std::shared_ptr<Logger> { return mine; });
  DefaultLogger()->Log(LogLevel::kInfo, "hello");
  EXPECT_EQ(mine->messages, std::vector<std::string>{"hello"});
}

}  // namespace
}  // namespace varve
