#ifndef VARVE_TOOLS_BENCH_DISTRIBUTIONS_H_
#define VARVE_TOOLS_BENCH_DISTRIBUTIONS_H_

#include <cstdint>

#include "util/random.h"

namespace varve::bench {

// Numbers from 1 to n, k with a probability proportional to k^-exponent; exponent > 0. Constant
// time and memory for any n, by rejection-inversion: W. Hoermann and G. Derflinger,
// "Rejection-Inversion to Generate Variates from Monotone Discrete Distributions", ACM TOMACS 6(3),
// 1996.
class Zipf {
 public:
  Zipf(uint64_t n, double exponent);
  uint64_t Sample(Random* random) const;

 private:
  // The density continued to reals, an antiderivative of it, and the inverse of that.
  double Density(double x) const;
  double Area(double x) const;
  double AreaInverse(double area) const;

  const double n_;
  const double exponent_;
  double area_low_, area_high_, sure_;
};

// The quantile function of the generalized Pareto distribution: P(X <= x) = u in [0, 1).
double GeneralizedParetoQuantile(double u, double location, double scale, double shape);

// The same of the generalized extreme value distribution, u in (0, 1), shape != 0.
double GeneralizedExtremeValueQuantile(double u, double location, double scale, double shape);

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_DISTRIBUTIONS_H_
