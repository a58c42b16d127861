#include "util/crc32c.h"

#include <gtest/gtest.h>

#include <string>

#include "util/random.h"

namespace varve {
namespace {

// Bit by bit, straight from the definition.
uint32_t SlowCrc32c(uint32_t crc, Slice data) {
  crc = ~crc;
  for (char c : data) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

std::string RandomBytes(Random* random, size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random->Next());
  return bytes;
}

// RFC 3720, appendix B.4.
TEST(Crc32c, AnswersThePublishedVectors) {
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  std::string bytes(32, '\0');
  for (int i = 0; i < 32; ++i) bytes[i] = static_cast<char>(i);
  EXPECT_EQ(Crc32c(bytes), 0x46dd794eu);
  for (int i = 0; i < 32; ++i) bytes[i] = static_cast<char>(31 - i);
  EXPECT_EQ(Crc32c(bytes), 0x113fdb5cu);
  EXPECT_EQ(Crc32c(""), 0u);
}

TEST(Crc32c, ImplementationsAgreeAtEveryLengthAndAlignment) {
  Random random(301);
  const std::string bytes = RandomBytes(&random, 12000);
  const auto hardware = internal::HardwareCrc32c();
#if defined(__x86_64__)
  EXPECT_NE(hardware, nullptr) << "this machine tests the portable code alone";
#endif
  auto check = [&](size_t offset, size_t size) {
    const Slice data = Slice(bytes).substr(offset, size);
    const uint32_t start = static_cast<uint32_t>(random.Next());
    const uint32_t expected = SlowCrc32c(start, data);
    ASSERT_EQ(internal::ExtendCrc32cPortable(start, data), expected) << size;
    if (hardware != nullptr) {
      ASSERT_EQ(hardware(start, data), expected) << size;
    }
    ASSERT_EQ(ExtendCrc32c(start, data), expected) << size;
  };
  for (size_t size = 0; size <= 700; ++size) check(size % 9, size);
  for (size_t size = 3000; size <= 3200; ++size) check(size % 9, size);  // around a whole stretch
  for (int i = 0; i < 300; ++i) check(random.Uniform(16), random.Uniform(11900));
}

TEST(Crc32c, ExtendsInAnyPieces) {
  Random random(7);
  const std::string bytes = RandomBytes(&random, 5000);
  for (int i = 0; i < 200; ++i) {
    const size_t cut = random.Uniform(bytes.size() + 1);
    const uint32_t head = Crc32c(Slice(bytes).substr(0, cut));
    ASSERT_EQ(ExtendCrc32c(head, Slice(bytes).substr(cut)), Crc32c(bytes));
  }
}

TEST(Crc32c, SeesEverySingleBitFlip) {
  Random random(8);
  std::string bytes = RandomBytes(&random, 400);
  const uint32_t good = Crc32c(bytes);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
    ASSERT_NE(Crc32c(bytes), good);
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
  }
}

}  // namespace
}  // namespace varve
