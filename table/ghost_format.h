#ifndef VARVE_TABLE_GHOST_FORMAT_H_
#define VARVE_TABLE_GHOST_FORMAT_H_

#include <cstddef>
#include <cstdint>

// The constants of a ghost file. What they mean, with pictures and a worked example, stands in
// table/GHOST.md; the two are changed together, and with them the bytes in tests/golden/.

namespace varve {

// "VARVEGHO" as the last eight bytes of the file.
inline constexpr uint64_t kGhostMagic = 0x4f48474556524156;
inline constexpr uint32_t kGhostFormatVersion = 1;

// Feature bits of the footer that this build knows: none. An unknown compatible bit changes
// nothing, an unknown incompatible bit makes Open answer NotSupported.
inline constexpr uint32_t kGhostKnownIncompatFeatures = 0;

// ---- The content of the hash set ---------------------------------------------------------------

// | u8 kind | u8 remainder bits | 6 zero bytes | fixed64 keys | fixed32 for each stretch and once
// more: keys before it | stretches, in bits: units in unary, remainders |
inline constexpr size_t kHashSetHeaderBytes = 16;
inline constexpr uint8_t kHashSetKindEliasFano = 1;
// A stretch is so many units of 2^(remainder bits) values: it holds as many keys on average.
inline constexpr uint64_t kHashSetStretchUnits = 64;
inline constexpr int kHashSetRemainderBitsMax = 24;
inline constexpr uint64_t kHashSetKeysMax = (uint64_t{1} << 32) - 1;

// ---- The footer --------------------------------------------------------------------------------

// Offsets of its fields, all fixed-width. Its size and the last 16 bytes are the same in every
// version.
inline constexpr size_t kGhostFooterNumber = 0;        // fixed64 number of the segment
inline constexpr size_t kGhostFooterHashSetBytes = 8;  // fixed64, as stored
inline constexpr size_t kGhostFooterRangesBytes = 16;  // fixed64, as stored; 0: there are none
inline constexpr size_t kGhostFooterFileBytes = 24;    // fixed64 size of the whole file
inline constexpr size_t kGhostFooterCompat = 32;       // fixed32
inline constexpr size_t kGhostFooterIncompat = 36;     // fixed32
inline constexpr size_t kGhostFooterVersion = 40;      // fixed32
inline constexpr size_t kGhostFooterChecksum = 44;     // fixed32 of all before
inline constexpr size_t kGhostFooterMagic = 48;        // fixed64
inline constexpr size_t kGhostFooterBytes = 56;
static_assert(kGhostFooterMagic + 8 == kGhostFooterBytes);

}  // namespace varve

#endif  // VARVE_TABLE_GHOST_FORMAT_H_
