/**
 * Programs: parts of a bench that run in processes of their own. One offers functions, the bench asks for them by name.
 *
 * A program ends when the bench ends it, or when the bench is gone.
 */
import { type ChildProcess, fork } from 'node:child_process';

/** Functions by name; what goes in and what comes out passes through JSON. */
export type Offer = Readonly<Record<string, (...given: never[]) => unknown>>;

export interface Program<Offered extends Offer> {
  readonly pid: number;
  readonly ask: <Name extends keyof Offered & string>(
    name: Name,
    ...given: Parameters<Offered[Name]>
  ) => Promise<Awaited<ReturnType<Offered[Name]>>>;
  readonly end: () => Promise<void>;
}

interface Question {
  readonly number: number;
  readonly name: string;
  readonly given: readonly never[];
}

type Reply = { readonly number: number; readonly answer?: unknown; readonly error?: string };

interface Waiting {
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
}

/** Resolves when it offers its functions. - `file`: beside this one. */
export async function startProgram<Offered extends Offer>(
  file: string,
  ...given: readonly string[]
): Promise<Program<Offered>> {
  const child = fork(new URL(file, import.meta.url), given);
  const waiting = new Map<number, Waiting>();
  let numbers = 0;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.on('exit', (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`${file} ended with ${signal ?? `exit code ${code}`}`));
  });
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve());
    child.once('error', reject);
    void ended.then(() => reject(new Error(`${file} ended before it began`)));
  });
  child.on('message', ({ number, answer, error }: Reply) => {
    const asked = waiting.get(number)!;
    waiting.delete(number);
    if (error === undefined) asked.resolve(answer as never);
    else asked.reject(new Error(error));
  });
  return {
    pid: child.pid!,
    ask: (name, ...args) =>
      new Promise((resolve, reject) => {
        numbers += 1;
        waiting.set(numbers, { resolve, reject });
        child.send({ number: numbers, name, given: args });
      }),
    end: () => endOf(child, ended),
  };
}

async function endOf(child: ChildProcess, ended: Promise<void>): Promise<void> {
  if (child.connected) child.disconnect();
  await ended;
}

/** The program's part: answers until nobody can ask any more, then runs `close` and ends. */
export function offer(offered: Offer, close: () => unknown): void {
  process.on('message', async ({ number, name, given }: Question) => {
    try {
      process.send!({ number, answer: (await offered[name]!(...given)) ?? null });
    } catch (error) {
      process.send!({ number, error: String(error) });
    }
  });
  process.once('disconnect', async () => {
    await close();
    process.exit(0);
  });
  process.send!('ready');
}
