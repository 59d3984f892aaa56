/** Shrink: from a simulation that fails to a smaller one that fails too, by fewer events and fewer faults. */
import type { Fault } from './faults.ts';
import { type Simulated, type SimulationOptions, simulate } from './run.ts';

/** Simulations tried at most. */
const MAX_TRIES = 40;

export interface Shrunk {
  readonly options: SimulationOptions & { readonly faults: readonly Fault[] };
  readonly result: Simulated;
}

/** `failed`: what `simulate(options)` gave, with a violation. */
export async function shrink(options: SimulationOptions, failed: Simulated): Promise<Shrunk> {
  let tries = 0;
  let best: Shrunk = { options: { ...options, faults: failed.faults }, result: failed };
  const attempt = async (smaller: Partial<SimulationOptions>): Promise<boolean> => {
    if (tries >= MAX_TRIES) return false;
    tries += 1;
    const tried = { ...best.options, ...smaller };
    const result = await simulate(tried);
    if (result.violations.length === 0) return false;
    best = { options: { ...tried, steps: Math.min(tried.steps, result.steps) }, result };
    return true;
  };
  await attempt({ steps: Math.min(options.steps, failed.steps) });
  await fewerSteps(() => best.options.steps, attempt);
  for (const fault of failed.faults) await attempt({ faults: best.options.faults.filter((each) => each !== fault) });
  await fewerSteps(() => best.options.steps, attempt);
  return best;
}

/** By bisection: a run that fails after fewer events may do so for another reason, which is as good. */
async function fewerSteps(
  present: () => number,
  attempt: (smaller: { steps: number }) => Promise<boolean>,
): Promise<void> {
  let least = 0;
  while (present() - least > 1) {
    const steps = (least + present()) >> 1;
    if (!(await attempt({ steps }))) least = steps;
    if (present() - least < present() / 50) return;
  }
}

/** The one command that runs it again. */
export function replayCommand({ seed, steps, faults }: Shrunk['options']): string {
  return `npm run simulate -- --seed ${seed} --steps ${steps} --faults ${faults.length === 0 ? 'none' : faults.join()}`;
}

/** What a failure says: the seed, the options, the step, the violations, and how to see it again. */
export function tell({ options, result }: Shrunk): string {
  const { seed, steps, faults } = options;
  return [
    `Seed ${seed}, ${steps} steps, faults ${faults.length === 0 ? 'none' : faults.join()}: wrong at step ${result.steps}.`,
    ...result.violations.map((violation) => `  ${violation}`),
    `Again: ${replayCommand(options)}`,
  ].join('\n');
}
