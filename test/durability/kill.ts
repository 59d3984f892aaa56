/** Starts victims, kills them at a chosen moment, and hands over all they said. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Line, Order } from './victim-lines.ts';

const VICTIM = join(import.meta.dirname, 'victim.ts');
/** Node 24 reads TypeScript by itself. */
const LOADER = process.features.typescript ? [] : ['--import', 'tsx'];

export interface Victim {
  /** Lets it begin, kills it at the moment given, and resolves with all that it said when it is dead. */
  readonly kill: (moment: Moment) => Promise<readonly Line[]>;
}

/** So many milliseconds after the nth line of a kind. */
export interface Moment {
  readonly kind: Line['kind'];
  readonly nth: number;
  readonly delayMs: number;
}

/** Loads its modules and waits, so that the next victim can get ready while the last one's file is checked. */
export function createVictim(order: Order): Victim {
  const child = spawn(process.execPath, [...LOADER, VICTIM, JSON.stringify(order)]);
  let complaint = '';
  child.stderr.on('data', (text) => {
    complaint += text;
  });
  return {
    kill: ({ kind, nth, delayMs }) =>
      new Promise((resolve, reject) => {
        const lines: Line[] = [];
        let left = nth;
        readLines(child, (line) => {
          lines.push(line);
          if (line.kind !== kind) return;
          left -= 1;
          if (left === 0) setTimeout(() => child.kill('SIGKILL'), delayMs);
        });
        child.on('close', (_, signal) => {
          if (signal === 'SIGKILL') resolve(lines);
          else reject(new Error(`The victim ended by itself: ${complaint}`));
        });
        child.stdin.on('error', () => {}); // It has ended already, and `close` says so.
        child.stdin.write('!');
      }),
  };
}

function readLines(child: ChildProcessWithoutNullStreams, seen: (line: Line) => void): void {
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop()!;
    for (const part of parts) seen(JSON.parse(part));
  });
}
