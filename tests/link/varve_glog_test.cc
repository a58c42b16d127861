// The same program with //:varve_glog: the same engine, whose warnings now go through glog, which
// nobody initialised.

#include <glog/logging.h>
#include <gtest/gtest.h>

#include "tests/link/linked.h"
#include "tests/support/temp_dir.h"

namespace varve {
namespace {

struct Sink final : google::LogSink {
  void send(google::LogSeverity severity, const char*, const char*, int, const tm*,
            const char* message, size_t length) override {
    if (severity == google::GLOG_WARNING) warnings += std::string(message, length) + "\n";
  }
  std::string warnings;
};

TEST(LinkVarveGlog, LinksGlog) { EXPECT_TRUE(LinksGlog()); }

TEST(LinkVarveGlog, WarnsThroughGlog) {
  TempDir dir;
  Sink sink;
  google::AddLogSink(&sink);
  MakeTheEngineWarn(dir.File("db"));
  google::RemoveLogSink(&sink);
  EXPECT_NE(sink.warnings.find(kWarning), std::string::npos) << sink.warnings;
  EXPECT_FALSE(google::IsGoogleLoggingInitialized());
}

}  // namespace
}  // namespace varve
