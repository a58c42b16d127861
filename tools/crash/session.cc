#include "tools/crash/session.h"

#include <algorithm>

namespace varve::crash {

std::string Session::JudgeState(const Observation& observation, const CrashPoint& point,
                                const Circumstances& how) const {
  Ledger::Bounds bounds = BoundsAt(point.boundary, how.kill, how.damaged);
  // Above the position that is recorded as durable, damage of the log looks like its tail (R5.3).
  if (how.decayed) std::fill(bounds.low.begin(), bounds.low.end(), 0);
  const bool legal = ledger_->Judge(observation.hashes, point.boundary, bounds).legal;
  return legal ? "" : "no legal prefix";
}

std::string Session::Explain(const Ledger::State& state, const CrashPoint& point,
                             const Circumstances& how) const {
  return ledger_->Explain(state, point.boundary, ledger_->At(point.boundary, how.kill));
}

}  // namespace varve::crash
