/** Another process that owns a file, seen from the test that starts and kills it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { FileDriverName } from '../../storage/drivers/choose.ts';

export interface Holder {
  readonly pid: number;
  /** The greatest row that it has said to be committed. */
  readonly committed: () => number;
  /** Resolves when it has committed so many rows. */
  readonly reach: (rows: number) => Promise<void>;
  /** SIGKILL; resolves when the process is gone, and all it said was heard. */
  readonly kill: () => Promise<void>;
}

/** Resolves when the other process has the file open. */
export async function holdFile(path: string, driver: FileDriverName): Promise<Holder> {
  const script = join(import.meta.dirname, 'hold-file.ts');
  const child = spawn(process.execPath, ['--no-warnings', '--import', 'tsx', script, path, driver], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  const closed = Promise.all([once(child, 'exit'), once(lines, 'close')]);
  let committed = -1;
  let heard = () => {};
  lines.on('line', (line) => {
    committed = line === 'open' ? 0 : Number(line);
    heard();
  });
  const reach = async (rows: number): Promise<void> => {
    while (committed < rows) {
      const next = new Promise<void>((resolve) => {
        heard = resolve;
      });
      await Promise.race([next, closed]);
      if (child.exitCode !== null) throw new Error(`the holder of ${path} ended with ${child.exitCode}`);
    }
  };
  await reach(0);
  return {
    pid: child.pid!,
    committed: () => committed,
    reach,
    kill: async () => {
      child.kill('SIGKILL');
      await closed;
    },
  };
}
