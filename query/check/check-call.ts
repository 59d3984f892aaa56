/** Checks the arguments of a call by their roles, and says what class its result may have. */
import type { Expr } from '../ast.ts';
import { checkFixed } from './check-fixed.ts';
import {
  type Checked,
  guardEscape,
  guardPattern,
  refuseReal,
  requireDocument,
  requireText,
  unsupported,
} from './check-operand.ts';
import { BLOB, bitOf, INTEGER, mayBe, NULL, REAL, TEXT, type Typing } from './check-typing.ts';
import { findFunction, isFixedRole, type Role, type Signature } from './functions.ts';

type Call = Extract<Expr, { kind: 'call' }>;

/** @throws {TendrilError} `query-unsupported` for a function that is not served, or arguments that are not in pairs. */
export function signatureOf(scope: Checked, call: Call): Signature {
  const found = findFunction(call.name);
  if (found.kind === 'refused') throw unsupported(scope, call, found.problem, found.remedy);
  checkPairs(scope, call, found.signature);
  return found.signature;
}

export function resultOf(signature: Signature, typed: readonly Typing[]): Typing {
  return {
    classes: resultClasses(signature, typed),
    affinity: null,
    json: signature.json,
    collated: typed.some((one) => one.collated),
  };
}

/** json_object and its kin take their last arguments in pairs. */
function checkPairs(scope: Checked, call: Call, signature: Signature): void {
  const { length } = signature.rest;
  if (length < 2 || (call.arguments.length - signature.roles.length) % length === 0) return;
  throw unsupported(scope, call, `${call.name}() takes its values in pairs.`, 'Add the argument that is missing.');
}

/** One argument whose typing is known. */
export function checkArgument(scope: Checked, what: string, argument: Expr, typed: Typing, role: Role): void {
  if (isFixedRole(role)) {
    checkFixed(scope, argument, role);
    return;
  }
  switch (role) {
    case 'any':
      return;
    case 'text':
    case 'element':
      requireText(scope, argument, typed, what);
      return;
    case 'pattern':
      guardPattern(scope, argument);
      requireText(scope, argument, typed, what);
      return;
    case 'escape':
      guardEscape(scope, argument);
      return;
    case 'document':
      requireDocument(scope, argument, typed, what);
      return;
    case 'bytes':
      refuseReal(scope, argument, typed, what);
      return;
    case 'string': {
      if (!mayBe(typed, INTEGER | REAL | BLOB)) return;
      const remedy = 'Leave numbers out; versions treat them differently.';
      throw unsupported(scope, argument, `${what} takes text here.`, remedy);
    }
    case 'label':
      if (typed.classes === TEXT) return;
      throw unsupported(scope, argument, `${what} takes text for each name.`, 'Write the name as a string.');
    case 'index':
      checkIndex(scope, argument);
      return;
    case 'time':
      checkTime(scope, argument, typed);
  }
}

const SMALL_RESULTS = new Set(['instr', 'length', 'octet_length', 'unicode', 'sign']);

/** Versions differ where a position nears the ends of 64 bits. */
function checkIndex(scope: Checked, argument: Expr): void {
  if (isSmall(scope, argument)) return;
  const remedy = 'Use a number, a parameter, instr() or length(), and sums of them.';
  throw unsupported(scope, argument, 'This position may be too great for some versions of SQLite.', remedy);
}

function isSmall(scope: Checked, expr: Expr): boolean {
  switch (expr.kind) {
    case 'slot':
      scope.guards.push({ kind: 'index', slot: expr.index });
      return scope.classes[expr.index] !== 'text' && scope.classes[expr.index] !== 'blob';
    case 'literal':
      return true;
    case 'negate':
    case 'plus':
      return isSmall(scope, expr.operand);
    case 'arithmetic':
      return (
        (expr.operator === '+' || expr.operator === '-') && isSmall(scope, expr.left) && isSmall(scope, expr.right)
      );
    case 'call':
      return SMALL_RESULTS.has(expr.name);
  }
  return false;
}

/** Text may say `now`; so only text that cannot is a point in time. */
function checkTime(scope: Checked, argument: Expr, typed: Typing): void {
  if (argument.kind === 'slot') {
    if (scope.classes[argument.index] === 'text') scope.guards.push({ kind: 'time', slot: argument.index });
    if (!mayBe(typed, BLOB)) return;
  }
  if (!mayBe(typed, TEXT | BLOB) || isTimestamp(argument)) return;
  const remedy = 'Give the property the type timestamp(), or pass the time as a parameter.';
  throw unsupported(scope, argument, 'This text may be "now", which is another time at each reading.', remedy);
}

const TIMES = new Set(['date', 'time', 'datetime']);

function isTimestamp(expr: Expr): boolean {
  if (expr.kind === 'column') return expr.column.timestamp === true;
  if (expr.kind === 'plus') return isTimestamp(expr.operand);
  return expr.kind === 'call' && TIMES.has(expr.name);
}

function resultClasses(signature: Signature, typed: readonly Typing[]): number {
  const at = (index: number) => typed[index]?.classes ?? NULL;
  switch (signature.result) {
    case 'i':
      return INTEGER | NULL;
    case 'r':
      return REAL | NULL;
    case 't':
      return TEXT | NULL;
    case 'b':
      return BLOB | NULL;
    case 'ir':
      return INTEGER | REAL | NULL;
    case 'irt':
      return INTEGER | REAL | TEXT | NULL;
    case 'any argument':
      return typed.reduce((classes, one) => classes | one.classes, 0);
    case 'first argument':
      return at(0) | NULL;
    case 'second or third':
      return at(1) | at(2);
    case 'magnitude':
      return (at(0) & (INTEGER | NULL)) | (at(0) & (REAL | TEXT | BLOB) ? REAL : 0);
    case 'slice':
      return NULL | (at(0) & BLOB) | (at(0) & (INTEGER | TEXT) ? bitOf('text') : 0);
  }
}
