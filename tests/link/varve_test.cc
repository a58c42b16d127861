// A program that depends on //:varve alone: no glog, and warnings on standard error.

#include <gtest/gtest.h>

#include "tests/link/linked.h"
#include "tests/support/temp_dir.h"

namespace varve {
namespace {

TEST(LinkVarve, LinksNoGlog) { EXPECT_FALSE(LinksGlog()); }

TEST(LinkVarve, WarnsOnStandardError) {
  TempDir dir;
  testing::internal::CaptureStderr();
  MakeTheEngineWarn(dir.File("db"));
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find(kWarning), std::string::npos) << text;
}

}  // namespace
}  // namespace varve
