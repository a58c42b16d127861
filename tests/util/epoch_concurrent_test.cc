#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <vector>

#include "util/epoch.h"

namespace varve {
namespace {

TEST(EpochDomain, DestroysAtOnceWithoutReaders) {
  EpochDomain domain;
  bool destroyed = false;
  domain.Retire([&] { destroyed = true; });
  EXPECT_TRUE(destroyed);
}

TEST(EpochDomain, DestroysLaterWhatIsRetiredForLater) {
  EpochDomain domain;
  bool destroyed = false;
  domain.RetireLater([&] { destroyed = true; });
  EXPECT_FALSE(destroyed);
  EXPECT_EQ(domain.Collect(), 0u);
  EXPECT_TRUE(destroyed);
}

TEST(EpochDomain, KeepsWhatAReaderMaySee) {
  EpochDomain domain;
  bool destroyed = false;
  domain.Enter();
  domain.Enter();  // nests
  domain.Retire([&] { destroyed = true; });
  domain.Leave();
  EXPECT_EQ(domain.Collect(), 1u);
  EXPECT_FALSE(destroyed);
  domain.Leave();
  EXPECT_EQ(domain.Collect(), 0u);
  EXPECT_TRUE(destroyed);
}

TEST(EpochDomain, LaterReaderDoesNotHoldUpWhatWasOutOfSight) {
  EpochDomain domain;
  std::atomic<bool> destroyed{false};
  domain.Enter();
  domain.Retire([&] { destroyed = true; });
  std::atomic<bool> inside{false}, leave{false};
  Thread later("later", [&] {
    EpochGuard guard(&domain);
    inside.store(true);
    for (SpinWait wait; !leave.load();) wait.Once();
  });
  for (SpinWait wait; !inside.load();) wait.Once();
  domain.Leave();
  domain.Collect();
  EXPECT_TRUE(destroyed);
  leave.store(true);
  later.Join();
}

TEST(EpochDomain, DestructorDestroysTheRest) {
  bool destroyed = false;
  {
    EpochDomain domain;
    domain.Enter();
    domain.Retire([&] { destroyed = true; });
    domain.Leave();
    EXPECT_FALSE(destroyed);
  }
  EXPECT_TRUE(destroyed);
}

TEST(EpochDomain, WaitForReadersOutlastsThoseInside) {
  EpochDomain domain;
  std::atomic<bool> inside{false}, left{false};
  Thread reader("reader", [&] {
    domain.Enter();
    inside.store(true);
    SleepFor(20'000'000);
    left.store(true);
    domain.Leave();
  });
  for (SpinWait wait; !inside.load();) wait.Once();
  domain.WaitForReaders();
  EXPECT_TRUE(left.load());
  reader.Join();
}

// Readers follow a pointer that a writer keeps replacing; an object that was destroyed too early
// shows as a wrong stamp here, and as a race or use after free under a sanitizer.
TEST(EpochDomain, ReadersNeverSeeADestroyedObject) {
  struct Object {
    explicit Object(uint64_t v) : value(v), check(~v) {}
    ~Object() { check = value; }
    uint64_t value, check;
  };
  EpochDomain domain;
  std::atomic<Object*> current{new Object(0)};
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> bad{0}, reads{0};
  std::vector<Thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back("reader", [&] {
      uint64_t last = 0;
      while (!stop.load(std::memory_order_relaxed)) {
        EpochGuard guard(&domain);
        const Object* object = current.load(std::memory_order_seq_cst);
        bad += object->check != ~object->value || object->value < last;
        last = object->value;
        ++reads;
      }
    });
  }
  for (uint64_t i = 1; i <= 20000 || reads.load() < 1000; ++i) {
    Object* const old = current.exchange(new Object(i), std::memory_order_seq_cst);
    domain.Retire([old] { delete old; });
  }
  stop.store(true);
  for (Thread& reader : readers) reader.Join();
  EXPECT_EQ(bad.load(), 0u);
  EXPECT_EQ(domain.Collect(), 0u);
  delete current.load();
}

}  // namespace
}  // namespace varve
