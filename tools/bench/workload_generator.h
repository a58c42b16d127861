#ifndef VARVE_TOOLS_BENCH_WORKLOAD_GENERATOR_H_
#define VARVE_TOOLS_BENCH_WORKLOAD_GENERATOR_H_

// Requests like those that caches of large sites see, for where there is no trace. Every figure is
// a published one:
//
//  [A] B. Atikoglu, Y. Xu, E. Frachtenberg, S. Jiang, M. Paleczny: "Workload Analysis of a
//      Large-Scale Key-Value Store", SIGMETRICS 2012; Facebook's pool ETC.
//  [C] Z. Cao, S. Dong, S. Vemuri, D. Du: "Characterizing, Modeling, and Benchmarking RocksDB
//      Key-Value Workloads at Facebook", FAST 2020; ZippyDB.
//  [Y] J. Yang, Y. Yue, K. V. Rashmi: "A large scale analysis of hundreds of in-memory cache
//      clusters at Twitter", OSDI 2020, with the statistics published beside its traces
//      (github.com/twitter/cache-trace, stat/2020Mar.md); cluster 4.
//
//   popularity     Zipf with exponent 1.1004 [Y]; ranks are spread over the keys by a bijection
//   objects        one for 26.5 requests, the mean frequency of an object [Y]
//   operations     30 gets a set [A]; 6 deletes for 13 sets [C]
//   half of the objects (class A)
//     key bytes    generalized extreme value (30.7984, 8.20449, 0.078688) [A]
//     value bytes  below 15 the table of [A], together 0.44155; else 15 and a generalized Pareto
//                  (0, 214.476, 0.348238) [A]
//   the others (class Y)
//     key bytes    67 [Y]
//     value bytes  generalized Pareto of the mean 2,439 [Y] and the shape of [A]
//   time           5,260 requests a second [Y]
//   ttl            60 s 0.39, 300 s 0.24, 1 h 0.13, 600 s 0.12, 4 h 0.09, 1 d 0.03 [Y]
//
// What an object's key and value are long, and its ttl, stays the same throughout a run. Not
// modelled: bursts, days and nights, objects that come and go, sizes that change.

#include <cstdint>
#include <string>

#include "tools/bench/distributions.h"
#include "tools/bench/request_source.h"
#include "util/random.h"

namespace varve::bench {

// What does not change about an object.
struct ObjectTraits {
  uint32_t key_bytes = 0;
  uint32_t value_bytes = 0;
  uint32_t ttl_seconds = 0;
};

// Those of the object with this number under this seed.
ObjectTraits TraitsOfObject(uint64_t seed, uint64_t object);

class WorkloadGenerator : public RequestSource {
 public:
  // The same requests for the same arguments, on every machine.
  WorkloadGenerator(uint64_t requests, uint64_t seed);

  Status Next(Request* request, bool* end) override;
  double Progress() const override;
  std::string Name() const override;

  uint64_t objects() const { return objects_; }

  static constexpr double kRequestsPerObject = 26.5;
  static constexpr double kZipfExponent = 1.1004;
  static constexpr double kRequestsPerSecond = 5260;

 private:
  const uint64_t requests_;
  const uint64_t seed_;
  const uint64_t objects_;
  const Zipf popularity_;
  Random random_;
  uint64_t given_ = 0;
  std::string key_;
};

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_WORKLOAD_GENERATOR_H_
