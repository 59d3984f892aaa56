/**
 * From text and parameters to a selection, at the cost of one pass of the lexer and a lookup for a text whose shape is
 * known.
 *
 * Invariants
 *   - a text is refereed by SQLite before its first selection exists;
 *   - texts and shapes are remembered up to MAX_KNOWN_TEXTS, MAX_KNOWN_SHAPES and MAX_KNOWN_CHARACTERS; what is forgotten
 *     is parsed again;
 *   - equal keys mean identical selections: same printing, same classes, same values.
 */
import type { TendrilError } from '../errors.ts';
import { checkParameters, inputCell, inputClass, inputOf, refuseInput, type SqlParameters } from './binding.ts';
import { type BuiltShape, buildShape } from './check/shape.ts';
import { objectionTo } from './guard.ts';
import { MAX_KNOWN_CHARACTERS, MAX_KNOWN_SHAPES, MAX_KNOWN_TEXTS } from './limits.ts';
import { type Lexed, lex } from './parse/lexer.ts';
import { CLASS_OF_TAG, type Literal } from './parse/lexer-literal.ts';
import { type Draft, parse } from './parse/parse.ts';
import type { SlotSource } from './parse/parse-cursor.ts';
import { referee } from './parse/referee.ts';
import { queryError } from './query-error.ts';
import { Recent } from './recent.ts';
import type { Selection } from './selection.ts';
import type { SqlProbe, Table } from './table.ts';
import { type Cell, latin1Of, type SqlInput, type ValueClass } from './value.ts';
import { Where } from './where.ts';

/**
 * One selection of `text` and `parameters` over the selector's table.
 *
 * - `text`: a predicate, with ORDER BY and LIMIT if wanted; empty for every row; or a `where` template.
 * - Cost: one pass over the text if its shape is known; else a parse and four EXPLAINs.
 *
 * @throws {TendrilError} `query-syntax`, `query-unsupported`, `unknown-property`, `invalid-parameter`, `limit-exceeded`.
 */
export type Selector = (text: string | Where, parameters?: SqlParameters) => Selection;

interface KnownText {
  readonly draft: Draft;
  /** Tells this text's shapes from those of others. */
  readonly number: number;
  /** True if the text alone decides the shape: no parameters, nothing fixed. */
  readonly single: boolean;
  readonly unused: readonly number[];
  /** Which literals of the text count columns: texts that differ in them share a key, and are not the same. */
  readonly ordinals: readonly number[];
}

interface KnownShape extends BuiltShape {
  /** Starts the key of each of its selections. */
  readonly prefix: string;
}

interface Bound {
  readonly lexed: Lexed;
  readonly values: readonly Cell[];
  readonly classes: readonly ValueClass[];
}

export function createSelector(table: Table, probe: SqlProbe): Selector {
  const texts = new Recent<string, KnownText>(MAX_KNOWN_TEXTS, MAX_KNOWN_CHARACTERS);
  const shapes = new Recent<string, KnownShape>(MAX_KNOWN_SHAPES, MAX_KNOWN_CHARACTERS);
  /** One shape for all the texts that print alike. */
  const printings = new Recent<string, KnownShape>(MAX_KNOWN_SHAPES, MAX_KNOWN_CHARACTERS);
  let counter = 0;

  function recall(lexed: Lexed): KnownText | undefined {
    const known = texts.get(lexed.key);
    return known?.ordinals.length ? texts.get(countedKey(lexed, known.ordinals)) : known;
  }

  function remember(lexed: Lexed, known: KnownText): void {
    texts.set(lexed.key, known, lexed.text.length);
    if (known.ordinals.length > 0) texts.set(countedKey(lexed, known.ordinals), known, lexed.text.length);
  }

  function shapeOf(known: KnownText, bound: Bound, isNew: boolean): KnownShape {
    const variant = known.single ? `${known.number}` : variantOf(known, bound);
    const found = shapes.get(variant);
    if (found) return found;
    // Errors point into the text at hand, which may differ in its constants from the one that was parsed first.
    const draft = known.draft.lexed.text === bound.lexed.text ? known.draft : parse(bound.lexed, table);
    const built = buildShape(draft, bound.classes, bound.values);
    if (isNew) referee(draft, probe);
    const printing = `${JSON.stringify(built.shape.sql)} ${built.shape.classes.join(' ')}`;
    const shape = printings.get(printing) ?? { ...built, prefix: `${++counter}` };
    const weight = bound.lexed.text.length;
    printings.set(printing, shape, weight);
    const own = { ...shape, guards: built.guards, kept: built.kept };
    shapes.set(variant, own, weight);
    return own;
  }

  return (text, parameters) => {
    const [written, given] = text instanceof Where ? [text.text, text.parameters] : [text, parameters ?? []];
    const lexed = lex(written);
    const remembered = recall(lexed);
    const known = remembered ?? understand(lexed, table, ++counter);
    const bound = bind(known, lexed, given, probe);
    const shape = shapeOf(known, bound, remembered === undefined);
    if (!remembered) remember(lexed, known);
    const values = shape.kept === null ? bound.values : shape.kept.map((slot) => bound.values[slot] as Cell);
    for (const guard of shape.guards) {
      const objection = objectionTo(guard, values[guard.slot] as Cell);
      if (objection) throw objected(known.draft, shape, guard.slot, lexed, objection);
    }
    return { shape: shape.shape, values, key: keyOf(shape.prefix, values) };
  };
}

function understand(lexed: Lexed, table: Table, number: number): KnownText {
  const draft = parse(lexed, table);
  const single = draft.fixed.size === 0 && draft.slots.every((source) => source.kind === 'literal');
  const ordinals = draft.ordinals.map((literal) => lexed.literals.indexOf(literal));
  return { draft, number, single, unused: unusedPositions(draft), ordinals };
}

function countedKey({ key, literals }: Lexed, ordinals: readonly number[]): string {
  return `${key}\0${ordinals.map((literal) => literals[literal]?.value).join()}`;
}

/** The classes of the parameters and the values of what is fixed, which the text does not tell. */
function variantOf(known: KnownText, { classes, values }: Bound): string {
  const { slots, fixed } = known.draft;
  let variant = `${known.number}`;
  for (let slot = 0; slot < slots.length; slot++) {
    if (slots[slot]?.kind === 'parameter') variant += ` ${classes[slot]}`;
    if (fixed.has(slot)) variant += ` ${spell(values[slot] as Cell)}`;
  }
  return variant;
}

function bind({ draft, unused }: KnownText, lexed: Lexed, given: SqlParameters, probe: SqlProbe): Bound {
  checkParameters(lexed.text, draft.parameters, given);
  const values: Cell[] = [];
  const classes: ValueClass[] = [];
  for (const position of unused) {
    const input = inputOf(given, position);
    if (inputClass(input) === null) throw refuseInput(lexed.text, 0, position, input);
  }
  for (const source of draft.slots) {
    if (source.kind === 'literal') {
      const literal = lexed.literals[source.literal] as Literal;
      const smallest = source.negated && literal.tag === 'e';
      classes.push(smallest ? 'integer' : CLASS_OF_TAG[literal.tag]);
      values.push(smallest ? -(2n ** 63n) : literalValue(lexed, literal, source.negated, probe));
    } else {
      const input = inputOf(given, source.parameter);
      const inputsClass = inputClass(input);
      if (inputsClass === null) throw refuseInput(lexed.text, atOf(lexed, source), source.parameter, input);
      classes.push(inputsClass);
      values.push(inputCell(input as SqlInput));
    }
  }
  return { lexed, values, classes };
}

/** `?3` alone leaves two inputs unused: they must be values all the same. */
function unusedPositions({ slots, parameters }: Draft): readonly number[] {
  if (parameters.kind === 'names') return [];
  const used = new Set(slots.map((source) => (source.kind === 'parameter' ? source.parameter : null)));
  return Array.from({ length: parameters.count }, (_, i) => i + 1).filter((position) => !used.has(position));
}

function literalValue(lexed: Lexed, literal: Literal, negated: boolean, probe: SqlProbe): Cell {
  const { token } = literal;
  const value = literal.doubtful
    ? (probe(`SELECT ${lexed.text.slice(lexed.starts[token], lexed.ends[token])}`, [])[0]?.[0] as Cell)
    : literal.value;
  if (!negated) return value;
  return value === 0 ? 0 : -(value as number | bigint);
}

function atOf(lexed: Lexed, source: SlotSource): number {
  return lexed.starts[source.token] as number;
}

function objected(
  draft: Draft,
  shape: KnownShape,
  slot: number,
  lexed: Lexed,
  objection: NonNullable<ReturnType<typeof objectionTo>>,
): TendrilError {
  const source = draft.slots[shape.kept === null ? slot : (shape.kept[slot] as number)] as SlotSource;
  return queryError({ ...objection, text: lexed.text, at: atOf(lexed, source) });
}

function keyOf(prefix: string, values: readonly Cell[]): string {
  let key = prefix;
  for (const value of values) key += ` ${spell(value)}`;
  return key;
}

/** Unambiguous beside others: text and blobs start with their length. */
function spell(value: Cell): string {
  if (typeof value === 'string') return `${value.length}:${value}`;
  if (value instanceof Uint8Array) return `${value.length}#${latin1Of(value)}`;
  return String(value);
}
