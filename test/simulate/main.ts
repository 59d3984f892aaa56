/**
 * `npm run simulate -- --seeds 20000`: soaks, and prints how it goes. One simulation: `--seed 7 --steps 1000`, with `--faults
 * cut,crash` (or `none`) and `--trace` for each of its events. `--budget 100000`: ends at the first violation, or after so
 * many events, with one line of JSON.
 */
import { parseArgs } from 'node:util';
import { FAULTS, type Fault } from './faults.ts';
import { type Simulated, type SimulationOptions, simulate } from './run.ts';
import { shrink, tell } from './shrink.ts';

const DEFAULT_STEPS = 1_000;
/** Between two lines that say how far it is. */
const PROGRESS_SEEDS = 100;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    steps: { type: 'string', default: String(DEFAULT_STEPS) },
    faults: { type: 'string' },
    budget: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
});
const first = Number(values.seed);
const steps = Number(values.steps);
const options = (seed: number): SimulationOptions => ({
  ...{ seed, steps },
  ...(values.faults === undefined ? {} : { faults: faultsNamed(values.faults) }),
  ...(values.trace ? { onLine: (line: string) => console.log(line) } : {}),
});

if (values.budget === undefined) await soak(Number(values.seeds));
else await search(Number(values.budget));

async function soak(seeds: number): Promise<void> {
  const began = performance.now();
  let [events, writes, failures] = [0, 0, 0];
  for (let seed = first; seed < first + seeds; seed += 1) {
    const result = await simulate(options(seed));
    events += result.steps;
    writes += result.writes;
    if (result.violations.length > 0) {
      failures += 1;
      console.log(tell(values.trace ? unshrunk(seed, result) : await shrink(options(seed), result)));
    }
    if (seeds === 1) console.log(`Faults: ${result.faults.join() || 'none'}. Trace: ${result.hash}.`);
    if ((seed - first + 1) % PROGRESS_SEEDS === 0 || seed === first + seeds - 1) {
      const each = ((performance.now() - began) / events).toFixed(3);
      console.log(
        `${seed - first + 1} seeds, ${events} events (${each} ms each), ${writes} writes: ${failures} failed.`,
      );
    }
  }
  if (failures > 0) process.exitCode = 1;
}

/** From one seed to the next until something is wrong. */
async function search(budget: number): Promise<void> {
  let events = 0;
  for (let seed = first; events < budget; seed += 1) {
    const { steps: taken, violations } = await simulate(options(seed));
    events += Math.min(taken, budget);
    if (violations.length === 0) continue;
    console.log(JSON.stringify({ seed, step: taken, events, violation: violations[0] }));
    return;
  }
  console.log(JSON.stringify({ seed: null, events }));
}

function unshrunk(seed: number, result: Simulated) {
  return { options: { seed, steps, faults: result.faults }, result };
}

function faultsNamed(list: string): readonly Fault[] {
  if (list === 'none') return [];
  return list.split(',').map((name) => {
    const fault = FAULTS.find((each) => each === name);
    if (fault === undefined) throw new Error(`There is no fault ${name}; there are ${FAULTS.join(', ')}.`);
    return fault;
  });
}
