/**
 * The matcher: whether a row satisfies a selection's predicate, exactly as SQLite would say.
 *
 * Invariants
 *   - compiled once per shape, which fixes the class of every constant; it holds no row and no constants, so a hundred
 *     thousand selections of one shape share one matcher. `values` must be the selection's own, unchanging array: sets
 *     for IN are remembered by its identity;
 *   - conditions that JavaScript can answer come first; SQLite is asked about the rest only if they hold;
 *   - where JavaScript meets a value that it cannot answer for (`DOUBT`), SQLite is asked about the whole predicate.
 */
import type { Expr } from '../ast.ts';
import type { Shape } from '../selection.ts';
import type { SqlProbe } from '../table.ts';
import type { Cell, RawRow } from '../value.ts';
import { unlessDoubtful } from './doubt.ts';
import { compileTruth } from './evaluate.ts';
import { imitable } from './imitable.ts';
import { askTruth } from './residual.ts';
import { allOf, anyOf, notOf, type Test, TRUE } from './truth.ts';
import { compileTyped } from './typed.ts';

export type Matcher = (row: RawRow, values: readonly Cell[]) => boolean;

/** How a shape is matched: by typed closures alone, with generic ones, or with a question to SQLite for each row. */
export type MatcherTier = 'typed' | 'generic' | 'sqlite';

export function matcherTier(shape: Shape): MatcherTier {
  const conjuncts = conjunctsOf(shape);
  if (!conjuncts.every(imitable)) return 'sqlite';
  return conjuncts.every((conjunct) => compileTest(conjunct, shape).typed) ? 'typed' : 'generic';
}

/** `probe` may be asked at any call, of a connection that has nothing but SQLite's own functions. */
export function compileMatcher(shape: Shape, probe: SqlProbe): Matcher {
  const { where } = shape.tree;
  if (where === null) return () => true;
  const conjuncts = conjunctsOf(shape);
  const own = conjuncts.filter(imitable);
  const residual = conjuncts.filter((conjunct) => !own.includes(conjunct));
  const tests = own.map((conjunct) => compileTest(conjunct, shape));
  const test = tests.length === 1 ? tests[0]!.test : allOf(tests.map((compiled) => compiled.test));
  const first: Matcher = (row, values) => test(row, values) === TRUE;
  const asked = residual.length === 0 ? first : followedBy(own.length === 0 ? null : first, residual, shape, probe);
  return tests.every((compiled) => compiled.typed) ? asked : unlessDoubtful(asked, askTruth(where, shape, probe));
}

function conjunctsOf(shape: Shape): readonly Expr[] {
  const { where } = shape.tree;
  if (where === null) return [];
  return where.kind === 'and' ? where.operands : [where];
}

function followedBy(first: Matcher | null, residual: readonly Expr[], shape: Shape, probe: SqlProbe): Matcher {
  const [only, ...others] = residual as readonly [Expr, ...Expr[]];
  const rest: Expr = others.length === 0 ? only : { kind: 'and', operands: residual, at: only.at };
  const ask = askTruth(rest, shape, probe);
  return first === null ? ask : (row, values) => first(row, values) && ask(row, values);
}

interface CompiledTest {
  readonly test: Test;
  /** Without any generic part, so that it never doubts. */
  readonly typed: boolean;
}

/** Typed wherever possible, also below AND, OR and NOT. */
function compileTest(expression: Expr, shape: Shape): CompiledTest {
  switch (expression.kind) {
    case 'and':
    case 'or': {
      const operands = expression.operands.map((operand) => compileTest(operand, shape));
      const tests = operands.map((operand) => operand.test);
      const test = expression.kind === 'and' ? allOf(tests) : anyOf(tests);
      return { test, typed: operands.every((operand) => operand.typed) };
    }
    case 'not': {
      const operand = compileTest(expression.operand, shape);
      return { test: notOf(operand.test), typed: operand.typed };
    }
    case 'literal':
    case 'slot':
    case 'column':
    case 'negate':
    case 'plus':
    case 'invert':
    case 'arithmetic':
    case 'json':
    case 'compare':
    case 'is':
    case 'isTruth':
    case 'between':
    case 'in':
    case 'like':
    case 'glob':
    case 'case':
    case 'cast':
    case 'collate':
    case 'call': {
      const generic = compileTruth(expression, shape.classes);
      const typed = compileTyped(expression, shape.classes, generic);
      return typed === null ? { test: generic, typed: false } : { test: typed, typed: true };
    }
  }
}
