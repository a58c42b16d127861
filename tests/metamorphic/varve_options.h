#ifndef VARVE_TESTS_METAMORPHIC_VARVE_OPTIONS_H_
#define VARVE_TESTS_METAMORPHIC_VARVE_OPTIONS_H_

#include "tests/metamorphic/operation.h"
#include "util/random.h"
#include "varve/options.h"

// The options of a metamorphic run, by name. What is drawn is small, so that a few thousand
// operations fill many memtables, segments and levels.

namespace varve::metamorphic {

// The options that stay the same for the life of a database: merge operator, history.
OptionMap DrawFixedOptions(Random* random);

// All the others.
OptionMap DrawOptions(Random* random);

// One or two that SetOptions takes.
OptionMap DrawLiveOptions(Random* random);

// InvalidArgument names an option that is unknown.
Status ApplyOptions(const OptionMap& changes, Options* options);

}  // namespace varve::metamorphic

#endif  // VARVE_TESTS_METAMORPHIC_VARVE_OPTIONS_H_
