/**
 * Runs each bench in a process of its own, so that none inherits another's heap, caches or compiled code.
 *
 * The child is the same program with the bench's name; it sends its figures as they come.
 */
import { fork } from 'node:child_process';
import type { Bench, Pace } from './bench.ts';
import type { Figure } from './figure.ts';

type Message = { readonly kind: 'figure'; readonly figure: Figure } | { readonly kind: 'said'; readonly what: string };

export interface Listener {
  readonly figure: (figure: Figure) => void;
  readonly said: (what: string) => void;
}

/** Starts `program` again for one bench. Rejects if that process fails; its error stands on stderr. */
export function runApart(program: string, bench: Bench, pace: Pace, listener: Listener): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = fork(program, ['--child', bench.name, ...(pace.isShort ? ['--short'] : [])]);
    child.on('message', (message: Message) => {
      if (message.kind === 'figure') listener.figure(message.figure);
      else listener.said(message.what);
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`${bench.name} ended with ${signal ?? `exit code ${code}`}`));
    });
  });
}

/** The child's part. Each message is waited for, so that none is lost at the end. */
export async function runAsChild(bench: Bench, pace: Pace): Promise<void> {
  const send = (message: Message) => new Promise<void>((resolve) => process.send?.(message, () => resolve()));
  for await (const figure of bench.run((what) => void send({ kind: 'said', what }), pace)) {
    await send({ kind: 'figure', figure });
  }
  process.disconnect?.();
}
