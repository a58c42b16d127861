#include "tools/crash/shrink.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <tuple>

#include "tools/crash/matrix.h"
#include "tools/crash/variant.h"

namespace varve::crash {
namespace {

constexpr uint64_t kImagesMax = 4000;  // of one run
constexpr uint64_t kStepsMax = 4096;

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// The plainer, the smaller.
auto Rank(const Token& token) {
  if (token.points.empty())
    return std::tuple(size_t{0}, CrashPoint::Damage::kNone, false, 0, uint64_t{0});
  const CrashPoint& last = token.points.back();
  const int loss = last.kind == CrashPoint::Kind::kKill ? 0 : 1 + static_cast<int>(last.loss.kind);
  return std::tuple(token.points.size(), last.damage, last.torn, loss, last.boundary);
}

class Plainest : public MatrixListener {
 public:
  explicit Plainest(double deadline) : deadline_(deadline) {}
  bool OnImage(const Token&) override { return Now() < deadline_; }
  void OnObserved() override {}
  void OnViolation(const Token& token, const std::string& text) override {
    if (token_.has_value() && Rank(*token_) <= Rank(token)) return;
    token_ = token;
    text_ = text;
  }
  const std::optional<Token>& token() const { return token_; }
  const std::string& text() const { return text_; }

 private:
  const double deadline_;
  std::optional<Token> token_;
  std::string text_;
};

class Shrinker {
 public:
  Shrinker(const Token& token, double seconds)
      : given_(token), deadline_(Now() + seconds), best_{token, "", 0} {
    Plainest none(deadline_);
    best_.text = Matrix({}, &none).Replay(token);
  }

  Shrunk Go() {
    Variant variant = Variant::Parse(given_.variant);
    uint64_t found = 0;
    for (uint64_t steps = 1; found == 0 && steps <= kStepsMax && Now() < deadline_; steps *= 2) {
      variant.steps_max = steps;
      if (Try(variant)) found = steps;
    }
    if (found == 0) return best_;
    for (uint64_t low = found / 2 + 1; low < found && Now() < deadline_;) {
      const uint64_t middle = low + (found - low) / 2;
      variant.steps_max = middle;
      if (Try(variant)) {
        found = middle;
      } else {
        low = middle + 1;
      }
    }
    variant.steps_max = found;
    variant.writers_max = 1;
    Try(variant);
    return best_;
  }

 private:
  // Whether that run shows a violation, which then is the best so far.
  bool Try(const Variant& variant) {
    Token token = given_;
    token.variant = variant.ToString();
    token.points.clear();
    const int depth_max = std::max<int>(1, static_cast<int>(given_.points.size()));
    for (int depth = 1; depth <= depth_max; ++depth) {
      Plainest plainest(deadline_);
      ++best_.runs;
      Matrix({.images_max = kImagesMax, .depth = depth}, &plainest).Run(token);
      if (!plainest.token().has_value()) continue;
      best_.token = *plainest.token();
      best_.text = plainest.text();
      return true;
    }
    return false;
  }

  const Token given_;
  const double deadline_;
  Shrunk best_;
};

}  // namespace

Shrunk Shrink(const Token& token, double seconds) { return Shrinker(token, seconds).Go(); }

}  // namespace varve::crash
