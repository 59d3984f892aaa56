/** Checks the constants that are part of a shape: formats, modifiers of dates, JSON paths. */
import type { Expr } from '../ast.ts';
import type { SqlValue } from '../value.ts';
import { type Checked, unsupported } from './check-operand.ts';
import type { FixedRole } from './functions.ts';

/** `%d` and its kin: integers, text and characters; not the reals, whose digits differ between builds. */
const FORMAT = /^(?:[^%]|%[-+ 0#,!]*\d{0,3}(?:\.\d{0,3})?[disqQwcxXou%])*$/;

/** What every supported SQLite knows; `%J` writes a REAL as text. */
const TIME_FORMAT = /^(?:[^%]|%[deFfHIjklMmpPRSsTuWwY%])*$/;

/** `localtime` and `utc` depend on the machine; `ceiling` and `floor` are not in every supported SQLite. */
const MODIFIER =
  /^\s*(?:[+-]?\d+(?:\.\d+)?\s+(?:second|minute|hour|day|month|year)s?|start of (?:day|month|year)|weekday [0-6]|unixepoch|julianday|auto|subsec|subsecond)\s*$/i;

/** Names, quoted names, indexes from either end. What else SQLite reads, versions read differently. */
const PATH = /^\$(?:\.(?:"[^"\\]*"|[\w\u0080-\uffff-]+)|\[(?:\d{1,9}|#(?:-\d{1,9})?)\])*$/;

/** A name alone, as -> and ->> take it. */
const LABEL = /^[^$["\\][^"\\]*$/;

interface Rule {
  readonly holds: (value: SqlValue | undefined) => boolean;
  readonly problem: string;
  readonly remedy: string;
}

const RULES: Readonly<Record<FixedRole, Rule>> = {
  path: {
    holds: (value) => isMatch(PATH, value),
    problem: 'A JSON function takes a constant path.',
    remedy: "Write it like '$.name' or '$.list[0]'.",
  },
  format: {
    holds: (value) => isMatch(FORMAT, value),
    problem: 'format() takes a constant format, without reals.',
    remedy: 'Use %d, %s, %x, %c, %q or %Q.',
  },
  timeFormat: {
    holds: (value) => isMatch(TIME_FORMAT, value),
    problem: 'strftime() takes a constant format that every SQLite knows.',
    remedy: "Write it like '%Y-%m'; %J is refused, since it writes a REAL as text.",
  },
  modifier: {
    holds: (value) => isMatch(MODIFIER, value),
    problem: 'A modifier of a date is constant, and means the same on every machine.',
    remedy: "Use 'start of month', '+1 day', 'weekday 0', 'unixepoch' and the like; not 'localtime' or 'utc'.",
  },
  probability: {
    holds: (value) => typeof value === 'number' && value >= 0 && value <= 1,
    problem: 'likelihood() takes a constant between 0.0 and 1.0.',
    remedy: 'Write it like 0.9.',
  },
};

export function checkFixed(scope: Checked, argument: Expr, role: FixedRole): void {
  const { holds, problem, remedy } = RULES[role];
  if (argument.kind !== 'literal' || !holds(argument.value)) throw unsupported(scope, argument, problem, remedy);
}

/** The right side of -> and ->>: an index, a name, or a path. */
export function isArrowTarget(value: SqlValue | undefined): boolean {
  if (typeof value === 'bigint') return value >= 0n;
  return isMatch(PATH, value) || isMatch(LABEL, value);
}

function isMatch(pattern: RegExp, value: SqlValue | undefined): boolean {
  return typeof value === 'string' && pattern.test(value);
}
