// Which errors the background gets over by itself, and what stands in the way of a resume.

#include "db/background_error.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace varve {
namespace {

using Source = BackgroundErrorSource;

class Recorder : public EventListener {
 public:
  void OnBackgroundError(const BackgroundErrorInfo& info) override {
    lines.push_back(std::string(BackgroundErrorSourceName(info.source)) + " " +
                    StatusCodeName(info.status.code()) + (info.read_only ? " read-only" : ""));
  }
  void OnErrorRecovered(const BackgroundErrorInfo& info) override {
    lines.push_back(std::string("no more ") + BackgroundErrorSourceName(info.source) + " " +
                    StatusCodeName(info.status.code()));
  }
  std::vector<std::string> lines;
};

using Lines = std::vector<std::string>;

class BackgroundErrorsTest : public ::testing::Test {
 protected:
  Lines Told() {
    events_.Deliver();
    return std::move(recorder_->lines);
  }
  std::shared_ptr<Recorder> recorder_ = std::make_shared<Recorder>();
  EventDispatch events_{{recorder_}};
  BackgroundErrors errors_{&events_};
};

TEST(IsTransient, WorkThatChangedNothingIsTriedAgain) {
  for (const Source source : {Source::kFlush, Source::kCompaction}) {
    EXPECT_TRUE(IsTransient(source, Status::NoSpace()));
    EXPECT_TRUE(IsTransient(source, Status::IOError()));
    EXPECT_TRUE(IsTransient(source, Status::TimedOut()));
    EXPECT_FALSE(IsTransient(source, Status::Corruption()));
    EXPECT_FALSE(IsTransient(source, Status::InvalidArgument()));
  }
  for (const Source source : {Source::kLog, Source::kManifest, Source::kWrite}) {
    EXPECT_FALSE(IsTransient(source, Status::NoSpace()));
    EXPECT_FALSE(IsTransient(source, Status::IOError()));
  }
}

TEST_F(BackgroundErrorsTest, TransientOnesAreToldOncePerSource) {
  EXPECT_FALSE(errors_.Failed(Source::kFlush, Status::NoSpace()));
  EXPECT_FALSE(errors_.Failed(Source::kFlush, Status::IOError()));
  EXPECT_FALSE(errors_.Failed(Source::kCompaction, Status::NoSpace()));
  EXPECT_EQ(Told(), (Lines{"flush NoSpace", "compaction NoSpace"}));
  EXPECT_TRUE(errors_.read_only().ok());
  EXPECT_TRUE(errors_.transient(Source::kFlush).IsIOError());  // the last one
  errors_.Succeeded(Source::kFlush);
  errors_.Succeeded(Source::kFlush);
  EXPECT_EQ(Told(), Lines{"no more flush IOError"});
  EXPECT_TRUE(errors_.transient(Source::kFlush).ok());
  EXPECT_FALSE(errors_.transient(Source::kCompaction).ok());
  EXPECT_FALSE(errors_.Failed(Source::kFlush, Status::NoSpace()));
  EXPECT_EQ(Told(), Lines{"flush NoSpace"});
}

TEST_F(BackgroundErrorsTest, TheFirstReadOnlyOneIsKept) {
  EXPECT_TRUE(errors_.Failed(Source::kLog, Status::IOError("first")));
  EXPECT_FALSE(errors_.Failed(Source::kLog, Status::IOError("second")));
  EXPECT_FALSE(errors_.Failed(Source::kCompaction, Status::Corruption("third")));
  EXPECT_EQ(Told(), Lines{"log IOError read-only"});
  EXPECT_EQ(errors_.read_only().message(), "first");
  EXPECT_TRUE(errors_.WhyNotResumable().ok());
  errors_.Resumed();
  errors_.Resumed();
  EXPECT_EQ(Told(), Lines{"no more log IOError"});
  EXPECT_TRUE(errors_.read_only().ok());
  EXPECT_TRUE(errors_.Failed(Source::kCompaction, Status::Corruption("again")));
  EXPECT_TRUE(errors_.WhyNotResumable().ok());
}

// Also where another error made the database read-only before.
TEST_F(BackgroundErrorsTest, ResumeIsRefusedAfterWhatItCannotMend) {
  for (const Source source : {Source::kManifest, Source::kWrite}) {
    for (const bool log_first : {false, true}) {
      BackgroundErrors errors(&events_);
      if (log_first) errors.Failed(Source::kLog, Status::IOError());
      errors.Failed(source, Status::IOError("the reason"));
      errors.Failed(Source::kLog, Status::IOError());
      const Status refused = errors.WhyNotResumable();
      EXPECT_TRUE(refused.IsIOError());
      EXPECT_NE(refused.ToString().find("the reason"), std::string::npos) << refused.ToString();
    }
  }
}

}  // namespace
}  // namespace varve
