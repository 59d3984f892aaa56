/**
 * Law 5 against a storage that fails: at every one of its calls, in every way, during ten doings of a node; at the calls
 * that SQLite makes to its disk, and at those that the engine makes to its driver.
 *
 * `npm test` takes every tenth call, each failing in one way.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { type DriverFault, faultyDriver } from '../support/faulty-driver.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';
import { diskStorage, JOURNALS, type Journal } from './disk-storage.ts';
import { type DiskFault, failingDisk } from './failing-disk.ts';
import { type FaultRun, type Ground, groundOf, preparedGround, runWithFault } from './fault-run.ts';
import { SCRIPTS, type Script } from './scripts.ts';

const IS_FULL = runs(10) === 10;
/** From one failing call to the next that is tried. */
const STEP = 10 / runs(10);
const DISK_FAULTS: readonly DiskFault['mode'][] = ['once', 'half', 'after', 'on'];
const DRIVER_FAULTS: readonly Omit<DriverFault, 'at'>[] = [
  { code: 'SQLITE_IOERR', rollsBack: true },
  { code: 'SQLITE_FULL', rollsBack: true },
  { code: 'SQLITE_FULL', rollsBack: false },
];

const random = createRandom(seedFor('faulty'));
const prepared = new Map<Journal, Ground>();
beforeAll(async () => {
  for (const journal of JOURNALS) prepared.set(journal, await preparedGround(journal));
});

describe('a disk that fails at call n', () => {
  test.each(SCRIPTS)('during $name', (script) =>
    atEveryCall(script, DISK_FAULTS, (at, mode, journal) => {
      let calls = () => 0;
      const faulty: FaultRun['faulty'] = (disk) => {
        const failing = failingDisk(disk, { at, mode });
        calls = failing.calls;
        return diskStorage(failing.disk, journal);
      };
      return { faulty, calls: () => calls() };
    }),
  );
});

describe('a driver that fails at call n', () => {
  test.each(SCRIPTS)('during $name', (script) =>
    atEveryCall(script, DRIVER_FAULTS, (at, fault, journal) => {
      let calls = () => 0;
      const faulty: FaultRun['faulty'] = (disk) => ({
        open: async () => {
          const made = faultyDriver(await diskStorage(disk, journal).open(), { at, ...fault });
          calls = made.calls;
          return made.driver;
        },
      });
      return { faulty, calls: () => calls() };
    }),
  );
});

type Fault = Pick<FaultRun, 'faulty'> & { readonly calls: () => number };

/** Until the script ends before the call that would fail. */
async function atEveryCall<Way>(
  script: Script,
  ways: readonly Way[],
  faultAt: (at: number, way: Way, journal: Journal) => Fault,
): Promise<void> {
  for (let at = 1 + random.integer(STEP); ; at += STEP) {
    let wasReached = false;
    for (const way of IS_FULL ? ways : [random.pick(ways)]) {
      const journal = random.pick(JOURNALS);
      const { faulty, calls } = faultAt(at, way, journal);
      const ground = groundOf(script, prepared.get(journal)!);
      try {
        await runWithFault({ script, ground, journal, random, faulty });
      } catch (error) {
        throw new Error(`with the fault at call ${at}, ${journal}, ${JSON.stringify(way)}`, { cause: error });
      }
      wasReached ||= calls() >= at;
    }
    if (!wasReached) return expect(at, 'calls that were made to fail').toBeGreaterThan(STEP);
  }
}
