// The example of the README: a program that embeds Varve. Run it twice: it finds what it wrote.

#include <iostream>
#include <memory>

#include "varve/db.h"

int main() {
  varve::Options options = varve::Options::ForDatabase();
  options.create_if_missing = true;
  std::unique_ptr<varve::DB> db;
  varve::Status status = varve::DB::Open(options, "embed-db", &db);
  if (status.ok()) status = db->Put({.sync = true}, "summer", "silt");
  varve::PinnedValue value;
  if (status.ok()) status = db->Get({}, "summer", &value);
  if (status.ok()) std::cout << "summer is " << value.slice() << "\n";
  value.Reset();
  if (status.ok()) status = db->Close();
  if (!status.ok()) std::cerr << status.ToString() << "\n";
  return status.ok() ? 0 : 1;
}
