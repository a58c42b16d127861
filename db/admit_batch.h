#ifndef VARVE_DB_ADMIT_BATCH_H_
#define VARVE_DB_ADMIT_BATCH_H_

#include <cstdint>

#include "cache/admission.h"
#include "varve/status.h"
#include "varve/write_batch.h"

namespace varve {

struct RefusedEntries {
  uint64_t entries = 0;
  uint64_t bytes = 0;  // of their keys and values
};

// Asks about each put of a batch. Where one is refused, *admitted is the batch with deletes of type
// kRefused in the place of those that are, entry by entry: as a batch is visible whole or not at
// all, so is what became of it. Where none is, *admitted is left alone. Deletes and ranges are not
// asked about (Checklist E8). The errors of WriteBatch::Iterate().
Status AdmitBatch(const WriteBatch& batch, Admission* admission, WriteBatch* admitted,
                  RefusedEntries* refused);

}  // namespace varve

#endif  // VARVE_DB_ADMIT_BATCH_H_
