#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"
#include "tools/crash/kills.h"

namespace varve::crash {
namespace {

// Checklist W1, W11, W15, L7: after SIGKILL at random moments, in all sync modes, with and without
// mapped logs, everything acknowledged is there; recovery that is killed is recovered from.
TEST(Kill, EverythingAcknowledgedSurvives) {
  TempDir directory;
  KillOptions options;
  options.directory = directory.path();
  options.seed = 20;
  options.kills = 300;
  options.seconds = 40;
  const KillReport report = RunKills(options);
  for (const std::string& violation : report.violations) ADD_FAILURE() << violation;
  // A machine that is busy otherwise does fewer; some it must do.
  EXPECT_GE(report.kills, 20u);
  EXPECT_GT(report.batches, report.kills);  // the kills met a database at work
  RecordProperty("kills", static_cast<int>(report.kills));
}

}  // namespace
}  // namespace varve::crash
