/** Checks the arguments of a call by their roles, and says what class its result may have. */
import type { Expr } from '../ast.ts';
import {
  type Checked,
  check,
  checkDocument,
  checkEscape,
  checkText,
  guardPattern,
  refuseReal,
  unsupported,
} from './check.ts';
import { checkFixed } from './check-fixed.ts';
import { BLOB, bitOf, INTEGER, mayBe, NULL, REAL, TEXT, type Typing } from './check-typing.ts';
import { argumentRole, findFunction, isFixedRole, type Role, type Signature } from './functions.ts';

type Call = Extract<Expr, { kind: 'call' }>;

export function checkCall(scope: Checked, call: Call): Typing {
  const found = findFunction(call.name);
  if (found.kind === 'refused') throw unsupported(scope, call, found.problem, found.remedy);
  const { signature } = found;
  checkPairs(scope, call, signature);
  const typed = call.arguments.map((argument, i) => checkArgument(scope, call, argument, argumentRole(signature, i)));
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

function checkArgument(scope: Checked, call: Call, argument: Expr, role: Role): Typing {
  const what = `${call.name}()`;
  if (isFixedRole(role)) {
    checkFixed(scope, argument, role);
    return check(scope, argument);
  }
  switch (role) {
    case 'any':
      return check(scope, argument);
    case 'text':
    case 'element':
      return checkText(scope, argument, what);
    case 'pattern':
      guardPattern(scope, argument);
      return checkText(scope, argument, what);
    case 'escape':
      checkEscape(scope, argument);
      return check(scope, argument);
    case 'document':
      return checkDocument(scope, argument, what);
    case 'bytes': {
      const typed = check(scope, argument);
      refuseReal(scope, argument, typed, what);
      return typed;
    }
    case 'string': {
      const typed = check(scope, argument);
      if (!mayBe(typed, INTEGER | REAL | BLOB)) return typed;
      throw unsupported(
        scope,
        argument,
        `${what} takes text here.`,
        'Leave numbers out; versions treat them differently.',
      );
    }
    case 'label': {
      const typed = check(scope, argument);
      if (typed.classes === TEXT) return typed;
      throw unsupported(scope, argument, `${what} takes text for each name.`, 'Write the name as a string.');
    }
    case 'index':
      return checkIndex(scope, argument);
    case 'time':
      return checkTime(scope, argument);
  }
}

const SMALL_RESULTS = new Set(['instr', 'length', 'octet_length', 'unicode', 'sign']);

/** Versions differ where a position nears the ends of 64 bits. */
function checkIndex(scope: Checked, argument: Expr): Typing {
  if (isSmall(scope, argument)) return check(scope, argument);
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
function checkTime(scope: Checked, argument: Expr): Typing {
  const typed = check(scope, argument);
  if (argument.kind === 'slot') {
    if (scope.classes[argument.index] === 'text') scope.guards.push({ kind: 'time', slot: argument.index });
    if (!mayBe(typed, BLOB)) return typed;
  }
  if (!mayBe(typed, TEXT | BLOB) || isTimestamp(argument)) return typed;
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
