#!/usr/bin/env python3
"""The rules that keep a cache from serving stale data (docs/cache.md), as a model that runs.

  never_stale_test.py                  the test: with all rules, no finding in random histories nor in those
                                       of never_stale_histories.py; with a rule broken, a finding in its own
  never_stale_test.py --histories N    all rules, N random histories
  never_stale_test.py --search N       each rule broken: how many random histories, up to N, until a finding
  never_stale_test.py --show NAME      the history of a broken rule, step by step
"""

import argparse
import sys

sys.dont_write_bytecode = True  # beside the sources

from never_stale_histories import MUTANTS, Script, run_history, search


def test():
    failed = []
    for name, (rule, what, history) in MUTANTS.items():
        sound, broken = Script().run(history), Script([name]).run(history)
        print("%-4s %-30s %s" % (rule, name, broken or "NOT FOUND: " + what))
        if sound:
            print("     with all rules: %s" % sound)
        if sound or not broken:
            failed.append(name)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--search", type=int)
    parser.add_argument("--show", choices=sorted(MUTANTS))
    args = parser.parse_args()
    if args.show:
        trace = []
        finding = Script([args.show], trace).run(MUTANTS[args.show][2])
        print("\n".join(trace + [finding or "no finding"]))
        return 0
    if args.search:
        for name in MUTANTS:
            found = search(args.search, args.steps, args.seed, [name])
            print("%-30s %s" % (name, "history %d: %s" % found if found else "not found"), flush=True)
        return 0
    failed = test() if args.histories is None else []
    histories = 500 if args.histories is None else args.histories
    found = search(histories, args.steps, args.seed)
    if found:
        trace = []
        run_history(args.seed * 1000003 + found[0], args.steps, (), trace)
        print("\n".join(trace + ["all rules: history %d: %s" % found]))
    else:
        print("all rules: no finding in %d histories of %d steps" % (histories, args.steps))
    return 1 if failed or found else 0


if __name__ == "__main__":
    sys.exit(main())
