#include "db/restart_rules.h"

#include <gtest/gtest.h>

namespace varve {
namespace {

ManifestState Unclean() {
  ManifestState state;
  state.boot_id = "boot";
  return state;
}

constexpr auto kEmpty = AfterPowerLoss::kEmpty;
constexpr auto kKeep = AfterPowerLoss::kKeepPrefix;

TEST(RestartRules, TheDeathOfAProcessLosesNothing) {
  EXPECT_EQ(ResetAtOpen(Unclean(), "boot", kEmpty), std::nullopt);
}

// RULES R5.7, DESIGN I2.
TEST(RestartRules, WhereTheMachineDiedUnsyncedWritesMayBeGone) {
  EXPECT_EQ(ResetAtOpen(Unclean(), "another", kEmpty), CacheResetReason::kPowerLoss);
  EXPECT_EQ(ResetAtOpen(Unclean(), "another", kKeep), std::nullopt);
}

TEST(RestartRules, ABootIdThatIsNotKnownIsNeverTheSame) {
  EXPECT_EQ(ResetAtOpen(Unclean(), "", kEmpty), CacheResetReason::kPowerLoss);
  ManifestState state = Unclean();
  state.boot_id = "";
  EXPECT_EQ(ResetAtOpen(state, "", kEmpty), CacheResetReason::kPowerLoss);
  EXPECT_EQ(ResetAtOpen(state, "boot", kEmpty), CacheResetReason::kPowerLoss);
}

TEST(RestartRules, LongBootIdsAreComparedAsRootsKeepThem) {
  ManifestState state = Unclean();
  state.boot_id = std::string(64, 'b');
  EXPECT_EQ(ResetAtOpen(state, std::string(70, 'b'), kEmpty), std::nullopt);
}

TEST(RestartRules, WhereAllWasSyncedNothingIsGone) {
  ManifestState state = Unclean();
  state.all_synced = true;
  EXPECT_EQ(ResetAtOpen(state, "another", kEmpty), std::nullopt);
}

TEST(RestartRules, UnloggedWritesGoWithTheProcess) {
  ManifestState state = Unclean();
  state.unlogged = true;
  for (const bool synced : {false, true}) {
    state.all_synced = synced;
    EXPECT_EQ(ResetAtOpen(state, "boot", kEmpty), CacheResetReason::kUnloggedWrites);
    EXPECT_EQ(ResetAtOpen(state, "another", kKeep), CacheResetReason::kUnloggedWrites);
  }
}

TEST(RestartRules, AfterACleanCloseAllIsThere) {
  ManifestState state = Unclean();
  state.clean_close = true;
  EXPECT_EQ(ResetAtOpen(state, "another", kEmpty), std::nullopt);
}

// RULES R8.
TEST(RestartRules, ACondemnedDirectoryIsNeverServed) {
  ManifestState state = Unclean();
  state.condemned = state.clean_close = state.all_synced = true;
  EXPECT_EQ(ResetAtOpen(state, "boot", kKeep), CacheResetReason::kIoFailure);
}

}  // namespace
}  // namespace varve
