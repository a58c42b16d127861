#include "util/crc32c.h"

#include <array>
#include <atomic>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

// CRC-32C three ways.
//
// x86-64: the crc32 instruction takes 8 bytes in 3 cycles but can begin one each cycle, so three
// streams run side by side. A stretch of 3 L bytes is cut in three; the registers a, b, c of its
// parts are then joined with two carry-less multiplications. What follows a are 2 L bytes, that is
// a factor of x^(16 L) modulo the polynomial, and what follows b a factor of x^(8 L). Instead of
// reducing the 64-bit products apart, they are added to the last 8 bytes of the stretch, which the
// last crc32 of c reduces: that step multiplies by x^32 and the reflected product carries one x
// more, hence the exponents less 33 in kFold. (The idea of one multiplication a stream is in V.
// Gopal et al., "Fast CRC Computation for iSCSI Polynomial Using CRC32 Instruction", Intel, 2011.)
//
// aarch64: the crc32cx instruction, one stream.
//
// Elsewhere: eight bytes a step from eight tables of 1 KiB ("slicing by 8").
//
// Which one is found out at the first call, from the CPU, never from compiler flags.

namespace varve {

namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // reflected: bit 31 is x^0

// One more factor of x.
constexpr uint32_t TimesX(uint32_t p) { return (p >> 1) ^ ((p & 1) != 0 ? kPolynomial : 0); }

using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables MakeTables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = TimesX(crc);
    tables[0][byte] = crc;
  }
  for (uint32_t byte = 0; byte < 256; ++byte) {
    for (int t = 1; t < 8; ++t) {
      const uint32_t crc = tables[t - 1][byte];
      tables[t][byte] = (crc >> 8) ^ tables[0][crc & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

inline uint64_t Load64(const char* p) {
  uint64_t value;
  std::memcpy(&value, p, sizeof(value));
  return value;
}

#if defined(__x86_64__)

// A part of a stretch is at most so many words of 8 bytes; beyond 3 KiB nothing is gained.
constexpr size_t kWordsMax = 128;

struct Fold {
  uint32_t a, b;  // x^(16 L - 33) and x^(8 L - 33), L = 8 * words
};

constexpr std::array<Fold, kWordsMax + 1> MakeFolds() {
  std::array<Fold, kWordsMax + 1> folds{};
  uint32_t powers[2] = {0x80000000u, 0x80000000u};  // x^0
  for (int i = 0; i < 31; ++i) powers[1] = TimesX(powers[1]);
  for (int i = 0; i < 95; ++i) powers[0] = TimesX(powers[0]);
  for (size_t words = 1; words <= kWordsMax; ++words) {
    folds[words] = {powers[0], powers[1]};
    for (int i = 0; i < 64; ++i) powers[1] = TimesX(powers[1]);
    for (int i = 0; i < 128; ++i) powers[0] = TimesX(powers[0]);
  }
  return folds;
}

constexpr std::array<Fold, kWordsMax + 1> kFold = MakeFolds();

__attribute__((target("sse4.2,pclmul"))) uint32_t ExtendSse42(uint32_t start, Slice data) {
  const char* p = data.data();
  size_t left = data.size();
  uint64_t crc = static_cast<uint32_t>(~start);
  constexpr size_t kThreeStreamsMin = 3 * 8 * 4;  // below, joining costs more than it spares
  while (left >= kThreeStreamsMin) {
    size_t words = left / 24;
    if (words > kWordsMax) words = kWordsMax;
    const char* const pa = p;
    const char* const pb = p + words * 8;
    const char* const pc = p + words * 16;
    uint64_t b = 0, c = 0;
    for (size_t i = 0; i + 1 < words; ++i) {
      crc = _mm_crc32_u64(crc, Load64(pa + i * 8));
      b = _mm_crc32_u64(b, Load64(pb + i * 8));
      c = _mm_crc32_u64(c, Load64(pc + i * 8));
    }
    crc = _mm_crc32_u64(crc, Load64(pa + words * 8 - 8));
    b = _mm_crc32_u64(b, Load64(pb + words * 8 - 8));
    const __m128i fold_a = _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<int64_t>(crc)),
                                                _mm_cvtsi64_si128(kFold[words].a), 0);
    const __m128i fold_b = _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<int64_t>(b)),
                                                _mm_cvtsi64_si128(kFold[words].b), 0);
    const uint64_t folds = static_cast<uint64_t>(_mm_cvtsi128_si64(_mm_xor_si128(fold_a, fold_b)));
    crc = _mm_crc32_u64(c, Load64(pc + words * 8 - 8) ^ folds);
    p += words * 24;
    left -= words * 24;
  }
  for (; left >= 8; p += 8, left -= 8) crc = _mm_crc32_u64(crc, Load64(p));
  uint32_t tail = static_cast<uint32_t>(crc);
  if ((left & 4) != 0) {
    uint32_t word;
    std::memcpy(&word, p, sizeof(word));
    tail = _mm_crc32_u32(tail, word);
    p += 4;
  }
  if ((left & 2) != 0) {
    uint16_t word;
    std::memcpy(&word, p, sizeof(word));
    tail = _mm_crc32_u16(tail, word);
    p += 2;
  }
  if ((left & 1) != 0) tail = _mm_crc32_u8(tail, static_cast<uint8_t>(*p));
  return ~tail;
}

#elif defined(__aarch64__)

uint32_t ExtendArm(uint32_t start, Slice data) {
  const char* p = data.data();
  size_t left = data.size();
  uint32_t crc = ~start;
  for (; left >= 8; p += 8, left -= 8) {
    asm(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(Load64(p)));
  }
  for (; left > 0; ++p, --left) {
    asm(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1"
        : "+r"(crc)
        : "r"(static_cast<uint32_t>(static_cast<uint8_t>(*p))));
  }
  return ~crc;
}

#endif

using Extend = uint32_t (*)(uint32_t crc, Slice data);

uint32_t ChooseAndExtend(uint32_t crc, Slice data);

// Relaxed: the functions exist before anything runs, and a thread that still sees the first value
// chooses the same once more. Constant-initialised, so it works before main() too.
constinit std::atomic<Extend> extend{&ChooseAndExtend};

uint32_t ChooseAndExtend(uint32_t crc, Slice data) {
  const Extend hardware = internal::HardwareCrc32c();
  const Extend chosen = hardware != nullptr ? hardware : &internal::ExtendCrc32cPortable;
  extend.store(chosen, std::memory_order_relaxed);
  return chosen(crc, data);
}

}  // namespace

namespace internal {

uint32_t ExtendCrc32cPortable(uint32_t start, Slice data) {
  const char* p = data.data();
  size_t left = data.size();
  uint32_t crc = ~start;
  for (; left >= 8; p += 8, left -= 8) {
    const uint64_t word = Load64(p) ^ crc;
    crc = kTables[7][word & 0xff] ^ kTables[6][word >> 8 & 0xff] ^ kTables[5][word >> 16 & 0xff] ^
          kTables[4][word >> 24 & 0xff] ^ kTables[3][word >> 32 & 0xff] ^
          kTables[2][word >> 40 & 0xff] ^ kTables[1][word >> 48 & 0xff] ^ kTables[0][word >> 56];
  }
  for (; left > 0; ++p, --left) {
    crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<uint8_t>(*p)) & 0xff];
  }
  return ~crc;
}

uint32_t (*HardwareCrc32c())(uint32_t crc, Slice data) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul")) return &ExtendSse42;
#elif defined(__aarch64__)
  if ((getauxval(AT_HWCAP) & HWCAP_CRC32) != 0) return &ExtendArm;
#endif
  return nullptr;
}

}  // namespace internal

uint32_t ExtendCrc32c(uint32_t crc, Slice data) {
  return extend.load(std::memory_order_relaxed)(crc, data);
}

}  // namespace varve
