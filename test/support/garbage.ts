/** Collecting garbage when a test says so, to look at what is left. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** In a turn of its own: what a WeakRef was made of, or asked for, stays until its turn has ended. */
export async function collectGarbage(): Promise<void> {
  for (let times = 0; times < 3; times += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
}
