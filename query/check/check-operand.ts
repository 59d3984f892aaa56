/** What an operand must be, once its typing is known, for every build of SQLite to answer alike. */
import type { TendrilError } from '../../errors.ts';
import type { Expr } from '../ast.ts';
import type { Guard } from '../guard.ts';
import { queryError } from '../query-error.ts';
import type { ValueClass } from '../value.ts';
import { BLOB, mayBe, REAL, TEXT, type Typing } from './check-typing.ts';

export interface Checked {
  readonly text: string;
  /** The class of each slot. */
  readonly classes: readonly ValueClass[];
  /** What is left to check of each value bound later. */
  readonly guards: Guard[];
}

export function unsupported(scope: Checked, expr: Expr, problem: string, remedy: string): TendrilError {
  return queryError({ code: 'query-unsupported', text: scope.text, at: expr.at, problem, remedy });
}

/** For an operand that SQLite reads as text. */
export function requireText(scope: Checked, expr: Expr, typed: Typing, what: string): void {
  refuseReal(scope, expr, typed, what);
  if (!mayBe(typed, BLOB)) return;
  throw unsupported(scope, expr, `This may be a BLOB, which ${what} reads differently in each build.`, 'Use hex().');
}

export function refuseReal(scope: Checked, expr: Expr, typed: Typing, what: string): void {
  if (!mayBe(typed, REAL)) return;
  const remedy = 'Compare it as a number, or CAST it to INTEGER first.';
  throw unsupported(scope, expr, `This may be a REAL, whose text for ${what} differs between builds.`, remedy);
}

/** What JSON functions read: NULL, an integer, or text known to be JSON; text in a slot is looked at when it is bound. */
export function requireDocument(scope: Checked, expr: Expr, typed: Typing, what: string): void {
  requireText(scope, expr, typed, what);
  if (typed.json || !mayBe(typed, TEXT)) return;
  if (expr.kind !== 'slot') {
    const remedy = 'Give the property the type json(), which is checked when it is written.';
    throw unsupported(scope, expr, `${what} reads JSON, and this may be other text.`, remedy);
  }
  scope.guards.push({ kind: 'document', slot: expr.index });
}

export function guardPattern(scope: Checked, pattern: Expr): void {
  if (pattern.kind === 'slot') scope.guards.push({ kind: 'pattern', slot: pattern.index });
}

export function guardEscape(scope: Checked, character: Expr): void {
  if (character.kind !== 'slot' || scope.classes[character.index] !== 'text') {
    throw unsupported(scope, character, 'ESCAPE takes one character.', "Write it as a string: ESCAPE '\\'.");
  }
  scope.guards.push({ kind: 'escape', slot: character.index });
}
