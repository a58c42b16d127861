// varve_ldb looks into a database and changes single keys of it, with the command names of
// RocksDB's ldb wherever both have the same thing. docs/ldb.md shows each command at work.
//
// Exit status: 0; 1 where something failed or is damaged; 2 for a command line that makes no sense.

#include <iostream>
#include <string>
#include <vector>

#include "tools/ldb/ldb.h"

int main(int argc, char** argv) {
  return varve::ldb::Run(std::vector<std::string>(argv + 1, argv + argc), varve::Options(),
                         std::cout, std::cerr);
}
