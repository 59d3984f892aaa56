/**
 * SQLite's verdict on a parse: the original text and our fully parenthesised printing must compile to equal bytecode.
 *
 * Two pairs are compared. With the literals in place, a literal read wrongly shows; with parameters in their place, the
 * structure shows even where SQLite would fold a constant away (`0 AND x`).
 *
 * Invariants
 *   - asked once for each text, before any of its shapes is used;
 *   - the parse has already accepted the text whole, so nothing in it can close the parenthesis we put around it.
 */
import type { TendrilError } from '../../errors.ts';
import type { Expr } from '../ast.ts';
import { queryError } from '../query-error.ts';
import type { SqlProbe } from '../table.ts';
import { type Cell, exactOf } from '../value.ts';
import { CLASS_OF_TAG } from './lexer-literal.ts';
import type { Draft } from './parse.ts';
import type { SlotSource } from './parse-cursor.ts';
import { printExpression, printOrder, quoteName, quoteValue, type SpellSlot, sourceOf } from './print.ts';
import { refusedBySqlite } from './sqlite-refusal.ts';

/** @throws {TendrilError} `query-unsupported` where the two differ, `query-syntax` and others for what SQLite refuses. */
export function referee(draft: Draft, probe: SqlProbe): void {
  const literals = draft.slots.flatMap((source, slot) =>
    source.kind === 'literal' && !draft.fixed.has(slot) ? [slot] : [],
  );
  // One statement holds both predicates; ORDER BY needs one of its own only if constants may stand in it.
  if (draft.orderBy.every((term) => term.expression.kind === 'column')) {
    const lifted = literals.filter((slot) => startOf(draft, slot) < draft.tail);
    compare(draft, probe, lifted.length > 0 ? [NONE, new Set(lifted)] : [NONE]);
    return;
  }
  compare(draft, probe, [NONE]);
  if (literals.length > 0) compare(draft, probe, [new Set(literals)]);
}

const NONE: ReadonlySet<number> = new Set();

function startOf(draft: Draft, slot: number): number {
  return draft.lexed.starts[draft.slots[slot]?.token as number] as number;
}

/** One statement; it holds the predicate once for each set of literals that are lifted in it. */
function compare(draft: Draft, probe: SqlProbe, lifts: readonly ReadonlySet<number>[]): void {
  const isBound = (slot: number, lifted: ReadonlySet<number>) =>
    draft.slots[slot]?.kind === 'parameter' || lifted.has(slot);
  const bound = draft.slots.flatMap((_, slot) => (lifts.some((lifted) => isBound(slot, lifted)) ? [slot] : []));
  const numbers = new Map(bound.map((slot, i) => [slot, i + 1]));
  const number = (slot: number) => `?${numbers.get(slot)}`;
  const literals = literalSpellings(draft.lexed);
  const original = lifts.map((lifted) => written(draft, (slot) => (isBound(slot, lifted) ? number(slot) : null)));
  const ours = lifts.map((lifted) =>
    printed(draft, (slot) => {
      const source = draft.slots[slot] as SlotSource;
      if (source.kind === 'parameter') return number(slot);
      const spelled = isBound(slot, lifted) ? number(slot) : (literals[source.literal] as string);
      return source.negated ? `(- ${spelled})` : spelled;
    }),
  );
  const values = bound.map(() => null);
  const areEqual = (mark: string) => {
    const program = (clauses: readonly Clauses[]) =>
      explain(draft, () => probe(mark + statement(draft, clauses), values));
    return isSame(program(original), program(ours));
  };
  // An EXPLAIN that the driver has kept shows the schema of its time: where they differ, both are asked of the present one.
  if (!areEqual('') && !areEqual(`/* schema ${probe('PRAGMA schema_version', [])[0]?.[0]} */ `)) throw misread(draft);
}

interface Clauses {
  readonly where: string;
  readonly tail: string;
}

/** The columns stand in the result for `ORDER BY 2` to count; the predicate beside them, not in WHERE, to be left whole. */
function statement(draft: Draft, clauses: readonly Clauses[]): string {
  const { table } = draft;
  const columns = draft.ordinals.length > 0 ? table.columns.map((column) => quoteName(column.name)) : [];
  const predicates = clauses.map(({ where }) => (where === '' ? '1' : `(\n${where}\n)`));
  return `EXPLAIN SELECT ${[...columns, ...predicates].join(', ')} FROM ${sourceOf(table)}\n${clauses[0]?.tail}`;
}

/** The text itself, with `?N` where `number` gives one for the slot of a token. */
function written(draft: Draft, number: (slot: number) => string | null): Clauses {
  const { text, starts, ends } = draft.lexed;
  let [where, tail] = ['', ''];
  let copied = 0;
  const copy = (to: number, then: string) => {
    if (to <= draft.tail) where += text.slice(copied, to) + then;
    else {
      where += text.slice(copied, Math.max(copied, draft.tail));
      tail += text.slice(Math.max(copied, draft.tail), to) + then;
    }
  };
  for (const { token, slot } of draft.places) {
    const spelled = number(slot);
    if (spelled === null) continue;
    copy(starts[token] as number, spelled);
    copied = ends[token] as number;
  }
  copy(text.length, '');
  return { where: draft.where ? where : '', tail };
}

function printed(draft: Draft, spell: SpellSlot): Clauses {
  const print = (expr: Expr | null) => (expr ? printExpression(expr, spell) : '');
  const order = draft.orderBy.length > 0 ? `ORDER BY ${printOrder(draft.orderBy, spell)}` : '';
  const limit = draft.limit ? ` LIMIT ${print(draft.limit)}` : '';
  const offset = draft.offset ? ` OFFSET ${print(draft.offset)}` : '';
  return { where: print(draft.where), tail: `${order}${limit}${offset}` };
}

/**
 * How each literal is spelled: as the value we read, so that a misreading shows. As it was written where JavaScript may
 * round otherwise than SQLite, and where two spell one value in two ways: SQLite shares a register by the spelling.
 */
function literalSpellings({ text, starts, ends, literals }: Draft['lexed']): readonly string[] {
  const written = literals.map(({ token }) => text.slice(starts[token], ends[token]));
  const printed = literals.map(({ tag, value, doubtful }, i) =>
    doubtful || tag === 'e' ? (written[i] as string) : quoteValue(exactOf(value, CLASS_OF_TAG[tag])),
  );
  const first = new Map<string, string>();
  const ambiguous = new Set<string>();
  printed.forEach((spelled, i) => {
    const before = first.get(spelled);
    if (before === undefined) first.set(spelled, written[i] as string);
    else if (before !== written[i]) ambiguous.add(spelled);
  });
  return printed.map((spelled, i) => (ambiguous.has(spelled) ? (written[i] as string) : spelled));
}

type Program = readonly (readonly Cell[])[];

function explain(draft: Draft, ask: () => Program): Program {
  try {
    return ask();
  } catch (error) {
    throw refusedBySqlite(draft.lexed, error);
  }
}

/** Of each instruction: address, opcode, p1 to p5. What follows are comments. */
const OPCODE = 1;
const P4 = 5;
const PARTS = 7;

function isSame(left: Program, right: Program): boolean {
  return left.length === right.length && left.every((instruction, i) => isSameInstruction(instruction, right[i] ?? []));
}

function isSameInstruction(left: readonly Cell[], right: readonly Cell[]): boolean {
  for (let part = 0; part < PARTS; part++) {
    // Parameters are compared by number, not by name.
    if (left[part] !== right[part] && !(part === P4 && left[OPCODE] === 'Variable')) return false;
  }
  return true;
}

function misread(draft: Draft): TendrilError {
  return queryError({
    code: 'query-unsupported',
    text: draft.lexed.text,
    at: 0,
    problem: 'SQLite reads this text otherwise than Tendril does.',
    remedy: 'Put parentheses around the parts, and please report the text: it should not happen.',
  });
}
