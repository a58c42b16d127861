#include "varve/status.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace varve {
namespace {

TEST(Status, OkIsTheDefaultAndPrintsAsOk) {
  EXPECT_TRUE(Status().ok());
  EXPECT_EQ(Status::OK().ToString(), "OK");
  EXPECT_EQ(Status::OK().message(), "");
}

TEST(Status, PrintsCodeAndMessage) {
  EXPECT_EQ(Status::Corruption("000012.log at 4096").ToString(), "Corruption: 000012.log at 4096");
  EXPECT_EQ(Status::NotFound().ToString(), "NotFound");
  EXPECT_EQ(Status::TimedOut("x").code(), Status::Code::kTimedOut);
}

TEST(Status, EveryCodeHasItsOwnNameAndPredicate) {
  std::set<std::string> names;
  for (int code = 0; code <= 10; ++code) {
    const Status status(static_cast<Status::Code>(code), {});
    names.insert(status.ToString());
    const int trues = status.ok() + status.IsNotFound() + status.IsCorruption() +
                      status.IsIOError() + status.IsInvalidArgument() + status.IsNotSupported() +
                      status.IsBusy() + status.IsAborted() + status.IsNoSpace() +
                      status.IsTooOld() + status.IsTimedOut();
    EXPECT_EQ(trues, 1) << code;
  }
  EXPECT_EQ(names.size(), 11u);
  EXPECT_EQ(names.count("Unknown"), 0u);
}

TEST(Status, ContextGoesInFrontAndLeavesOkAlone) {
  EXPECT_EQ(Status::IOError("EIO").WithContext("a.seg").ToString(), "IOError: a.seg: EIO");
  EXPECT_EQ(Status::IOError().WithContext("a.seg").ToString(), "IOError: a.seg");
  EXPECT_TRUE(Status::OK().WithContext("a.seg").ok());
}

TEST(Status, ComparesCodesOnly) {
  EXPECT_EQ(Status::Busy("a"), Status::Busy("b"));
  EXPECT_FALSE(Status::Busy() == Status::Aborted());
}

}  // namespace
}  // namespace varve
