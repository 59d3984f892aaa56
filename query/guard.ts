/** What is checked of the value of a slot each time one is bound, because a shape cannot know it. */
import { MAX_PATTERN_BYTES } from './limits.ts';
import type { Cell } from './value.ts';

export interface Guard {
  readonly kind: 'pattern' | 'escape' | 'document' | 'time' | 'index';
  readonly slot: number;
}

export interface Objection {
  readonly code: 'limit-exceeded' | 'invalid-parameter';
  readonly problem: string;
  readonly remedy: string;
}

/** Characters; the versions of SQLite agree on positions up to this. */
const MAX_INDEX = 2 ** 31 - 1;

/** SQLite reads JSON to this depth. */
const MAX_JSON_DEPTH = 1_000;

/** Null if `value` may stand in the slot. */
export function objectionTo(guard: Guard, value: Cell): Objection | null {
  if (guard.kind === 'index') return objectionToIndex(value);
  if (typeof value !== 'string') return null;
  switch (guard.kind) {
    case 'pattern':
      if (value.length * 3 <= MAX_PATTERN_BYTES || bytesOf(value) <= MAX_PATTERN_BYTES) return null;
      return {
        code: 'limit-exceeded',
        problem: `A pattern holds at most ${MAX_PATTERN_BYTES} bytes.`,
        remedy: 'Shorten it.',
      };
    case 'escape':
      return [...value].length === 1 && value !== '\0'
        ? null
        : invalid('ESCAPE takes one character.', "Pass '\\', for one.");
    case 'document':
      return isJson(value) ? null : invalid('This text is not JSON.', 'Pass JSON as JSON.stringify writes it.');
    case 'time':
      if (/^\s*[-+.\d]/.test(value) || value === '') return null;
      return invalid('This is not a fixed point in time.', 'Pass a Date, or text like 2001-03-31T12:00:00.000Z.');
  }
}

function objectionToIndex(value: Cell): Objection | null {
  if (value === null || Math.abs(Number(value)) <= MAX_INDEX) return null;
  return invalid(`A position in text lies within ±${MAX_INDEX}.`, 'Pass a smaller number.');
}

function invalid(problem: string, remedy: string): Objection {
  return { code: 'invalid-parameter', problem, remedy };
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
  } catch {
    return false;
  }
  return text.length < MAX_JSON_DEPTH || depthOf(text) <= MAX_JSON_DEPTH;
}

function depthOf(json: string): number {
  let depth = 0;
  let greatest = 0;
  for (const [mark] of json.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/g)) {
    if (mark === '[' || mark === '{') greatest = Math.max(greatest, ++depth);
    else if (mark === ']' || mark === '}') depth--;
  }
  return greatest;
}
