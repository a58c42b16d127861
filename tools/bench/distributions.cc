#include "tools/bench/distributions.h"

#include <algorithm>
#include <cmath>

namespace varve::bench {
namespace {

// log1p(x) / x and expm1(x) / x, continued at 0: they keep exponents near 1 exact.
double Log1pByX(double x) { return std::abs(x) > 1e-8 ? std::log1p(x) / x : 1 - x / 2; }
double Expm1ByX(double x) { return std::abs(x) > 1e-8 ? std::expm1(x) / x : 1 + x / 2; }

}  // namespace

Zipf::Zipf(uint64_t n, double exponent) : n_(static_cast<double>(n)), exponent_(exponent) {
  area_low_ = Area(1.5) - 1;
  area_high_ = Area(n_ + 0.5);
  sure_ = 2 - AreaInverse(Area(2.5) - Density(2));
}

double Zipf::Density(double x) const { return std::exp(-exponent_ * std::log(x)); }

double Zipf::Area(double x) const {
  const double log_x = std::log(x);
  return Expm1ByX((1 - exponent_) * log_x) * log_x;
}

double Zipf::AreaInverse(double area) const {
  const double t = std::max(-1.0, area * (1 - exponent_));
  return std::exp(Log1pByX(t) * area);
}

uint64_t Zipf::Sample(Random* random) const {
  while (true) {
    const double area = area_high_ + random->Real() * (area_low_ - area_high_);
    const double x = AreaInverse(area);
    const double k = std::clamp(std::floor(x + 0.5), 1.0, n_);
    if (k - x <= sure_ || area >= Area(k + 0.5) - Density(k)) return static_cast<uint64_t>(k);
  }
}

double GeneralizedParetoQuantile(double u, double location, double scale, double shape) {
  return location + scale * std::expm1(-shape * std::log1p(-u)) / shape;
}

double GeneralizedExtremeValueQuantile(double u, double location, double scale, double shape) {
  return location + scale * std::expm1(-shape * std::log(-std::log(u))) / shape;
}

}  // namespace varve::bench
