/** Processes that offer functions: a test asks for them by name, over the channel between them, or kills the process. */
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';

/** Functions by name; what goes in and what comes out passes through JSON. */
export type Offer = Readonly<Record<string, (...given: never[]) => unknown>>;

export interface Asked<Offered extends Offer> {
  readonly ask: <Name extends keyof Offered & string>(
    name: Name,
    ...given: Parameters<Offered[Name]>
  ) => Promise<Awaited<ReturnType<Offered[Name]>>>;
  /** Resolves when it is dead. What was asked and not answered is never answered. */
  readonly kill: () => Promise<void>;
}

interface Question {
  readonly number: number;
  readonly name: string;
  readonly given: readonly never[];
}
type Reply = { readonly number: number; readonly answer?: unknown; readonly error?: string };

/** Node 24 reads TypeScript by itself. */
const LOADER = process.features.typescript ? [] : ['--import', 'tsx'];

/** Loads the program and waits to be asked. - `file`: beside this one. */
export function startAsked<Offered extends Offer>(file: string): Asked<Offered> {
  const child = fork(join(import.meta.dirname, file), [], {
    execArgv: LOADER,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const waiting = new Map<number, (reply: Reply) => void>();
  let complaint = '';
  child.stderr!.on('data', (text) => {
    complaint += text;
  });
  let isKilled = false;
  let numbers = 0;
  const dead = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.on('message', (reply: Reply) => {
    waiting.get(reply.number)!(reply);
    waiting.delete(reply.number);
  });
  child.once('exit', () => {
    if (isKilled) return;
    for (const answer of waiting.values()) answer({ number: 0, error: `${file} ended by itself: ${complaint}` });
  });
  return {
    ask: (name, ...given) =>
      new Promise((resolve, reject) => {
        numbers += 1;
        waiting.set(numbers, ({ answer, error }) => {
          if (error === undefined) resolve(answer as never);
          else reject(new Error(error));
        });
        send(child, { number: numbers, name, given });
      }),
    kill: () => {
      isKilled = true;
      child.kill('SIGKILL');
      return dead;
    },
  };
}

function send(child: ChildProcess, question: Question): void {
  // It may be dead already: whoever killed it knows.
  child.send(question, () => {});
}

/** The program's part: answers until nobody can ask any more, then ends. */
export function offer(offered: Offer): void {
  process.on('message', async ({ number, name, given }: Question) => {
    try {
      process.send!({ number, answer: (await offered[name]!(...given)) ?? null });
    } catch (error) {
      process.send!({ number, error: error instanceof Error ? error.stack : String(error) });
    }
  });
  process.once('disconnect', () => process.exit());
}
