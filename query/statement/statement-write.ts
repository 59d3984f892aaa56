/**
 * INSERT, UPDATE and DELETE, taken apart: which collection and properties, and the SELECT whose rows say what to write.
 *
 * The expressions move into SELECTs as they stand; nothing of them is interpreted here.
 */
import type { TendrilError } from '../../errors.ts';
import { quoteName } from '../parse/print.ts';
import type { Column, Table } from '../table.ts';
import { foldAscii } from '../value.ts';
import { type Head, maskedName, parseHead } from './statement-head.ts';
import { refuseAggregates } from './statement-names.ts';
import type { Skimmer } from './statement-select.ts';
import type { ResultColumn, Source } from './statement-sources.ts';
import type { Piece, StatementTokens, TokenRange } from './statement-tokens.ts';

export interface WriteParts {
  readonly kind: Head['kind'];
  readonly table: Table;
  /** INSERT: those listed, else all, the id first; UPDATE: those set; DELETE: none. */
  readonly properties: readonly Column[];
  /** INSERT: one value for each property, null for DEFAULT VALUES; UPDATE: the id, then the values; DELETE: the id. */
  readonly rows: Piece | null;
  readonly returning: ReturningParts | null;
  /** The collections whose rows decide what is written. */
  readonly reads: readonly string[];
}

export interface ReturningParts {
  readonly row: Piece;
  /** The same list as it was written, to name its columns. */
  readonly written: string;
  readonly columns: readonly ResultColumn[] | null;
}

/** The expressions of a statement, in order, and its head without them. */
interface Masked {
  readonly head: string;
  readonly assigned: readonly TokenRange[];
  readonly where: TokenRange | null;
  /** INSERT: VALUES or SELECT; null for DEFAULT VALUES. */
  readonly source: TokenRange | null;
  readonly returning: TokenRange | null;
}

export function takeApart(tokens: StatementTokens, skimmer: Skimmer): WriteParts {
  refuseForms(tokens);
  const masked = mask(tokens, skimmer);
  // Before the collection written to is looked up: an INSERT does not read it.
  const reads = new Set(skimmer.reads);
  const head = parseHead(tokens, masked.head);
  const { table, columns } = skimmer.collection(head.table);
  if (head.alias !== null && tokens.word(head.alias - 1) !== 'AS') {
    throw tokens.fail('query-syntax', head.alias, 'AS is expected here.', 'Write AS before the other name.');
  }
  const alias = head.alias === null ? table.name : (tokens.name(head.alias) as string);
  const source: Source = { name: foldAscii(alias), columns, hidden: [], merged: [] };
  const properties = propertiesOf(tokens, table, head);
  const from = `FROM ${quoteName(table.name)} AS ${quoteName(alias)}`;
  const id = `${quoteName(alias)}."id"`;
  const returning = masked.returning && {
    row: returningPiece(tokens, masked.returning, from, id),
    written: `SELECT ${tokens.textOf(masked.returning)} ${from}`,
    columns: skimmer.results(masked.returning.from, [source], new Map(), () => false).columns,
  };
  if (masked.returning) refuseAggregates(tokens, masked.returning);
  if (head.kind === 'insert') {
    const rows = masked.source && tokens.piece(['', ''], [masked.source]);
    return { kind: head.kind, table, properties, rows, returning, reads: [...reads] };
  }
  for (const range of masked.assigned) refuseAggregates(tokens, range);
  const rows = selected(tokens, masked, id, from);
  return { kind: head.kind, table, properties, rows, returning, reads: [...reads.add(table.name)] };
}

/** The rows to change: their ids, and what is assigned. */
function selected(tokens: StatementTokens, { assigned, where }: Masked, id: string, from: string): Piece {
  const texts = [`SELECT ${id}`];
  for (const _ of assigned) {
    texts[texts.length - 1] += ', (';
    texts.push(')');
  }
  texts[texts.length - 1] += ` ${from}`;
  if (where) {
    texts[texts.length - 1] += ' WHERE (';
    texts.push(')');
  }
  texts[texts.length - 1] += ` ORDER BY ${id}`;
  return tokens.piece(texts, where ? [...assigned, where] : assigned);
}

/** Run for one row at a time: the last parameter is its id. */
function returningPiece(tokens: StatementTokens, list: TokenRange, from: string, id: string): Piece {
  const { sql, uses } = tokens.piece(['SELECT ', ` ${from}`], [list]);
  return { sql: `${sql} WHERE ${id} = ?${uses.length + 1}`, uses };
}

function propertiesOf(tokens: StatementTokens, table: Table, head: Head): readonly Column[] {
  if (head.columns === null) return head.kind === 'insert' ? table.columns : [];
  const properties: Column[] = [];
  for (const token of head.columns) {
    const name = foldAscii(tokens.name(token) as string);
    const column = table.columns.find((one) => foldAscii(one.name) === name);
    if (!column) {
      const known = table.columns.map((one) => one.name).join(', ');
      const facts = { property: tokens.name(token), collection: table.name };
      const problem = `${table.name} has no property ${tokens.name(token)}.`;
      throw tokens.fail('unknown-property', token, problem, `Its properties are ${known}.`, facts);
    }
    if (properties.includes(column)) {
      throw tokens.unsupported(token, `${column.name} is given twice.`, 'Give each property once.');
    }
    if (column.index === 0 && head.kind === 'update') {
      throw tokens.unsupported(token, 'The id of an entity never changes.', 'Delete the entity and create another.');
    }
    properties.push(column);
  }
  return properties;
}

const ENDS = new Set(['WHERE', 'FROM', 'RETURNING', 'ORDER', 'LIMIT']);

/** Walks the head; each expression becomes `?`, each name the number of its token. */
function mask(tokens: StatementTokens, skimmer: Skimmer): Masked {
  const words: string[] = [];
  const assigned: TokenRange[] = [];
  let where: TokenRange | null = null;
  let source: TokenRange | null = null;
  const upTo = (from: number, stops: (word: string) => boolean) => {
    const to = skimmer.expression(from, new Map(), stops);
    if (to === from) throw tokens.fail('query-syntax', to, 'An expression is expected here.', 'Add it.');
    return { from, to };
  };
  let at = 0;
  while (at < tokens.count && tokens.word(at) !== 'RETURNING') {
    const word = tokens.word(at);
    if (word === '=') {
      words.push('= ?');
      assigned.push(upTo(at + 1, (next) => next === ',' || ENDS.has(next)));
      at = (assigned.at(-1) as TokenRange).to;
    } else if (word === 'WHERE') {
      words.push('WHERE ?');
      where = upTo(at + 1, (next) => next !== 'FROM' && next !== 'WHERE' && ENDS.has(next));
      at = where.to;
    } else if (word === 'DEFAULT' && tokens.word(at + 1) === 'VALUES') {
      words.push('SELECT ?');
      at += 2;
    } else if (at > 0 && (word === 'VALUES' || word === 'SELECT' || word === 'WITH')) {
      words.push('SELECT ?');
      source = { from: at, to: skimmer.select(at).next };
      at = source.to;
    } else {
      refuseClause(tokens, at);
      words.push(KEYWORDS.has(word) || tokens.kind(at) === 'operator' ? word : maskedName(at));
      at++;
    }
  }
  const returning = at < tokens.count ? { from: at + 1, to: tokens.count } : null;
  return { head: words.join(' '), assigned, where, source, returning };
}

const KEYWORDS = new Set(['INSERT', 'INTO', 'UPDATE', 'SET', 'DELETE', 'FROM', 'AS']);

/** Forms that are not part of the language, by name, before anything else is read. */
function refuseForms(tokens: StatementTokens): void {
  const kind = tokens.word(0);
  if (kind === 'REPLACE' || tokens.word(1) === 'OR') {
    const remedy = 'Read the row first, and create or update it in one transaction.';
    throw tokens.unsupported(kind === 'REPLACE' ? 0 : 1, `${formOf(tokens, kind)} is not supported.`, remedy);
  }
  if (kind !== 'INSERT') return;
  if (tokens.word(1) !== 'INTO') throw tokens.fail('query-syntax', 1, 'INTO is expected here.', 'Write INSERT INTO.');
  for (let at = 1; at < tokens.count; at = tokens.after(at)) {
    if (tokens.word(at) !== 'ON' || tokens.word(at + 1) !== 'CONFLICT') continue;
    throw tokens.unsupported(at, 'UPSERT (ON CONFLICT) is not supported.', 'Read first, and write in one transaction.');
  }
}

function formOf(tokens: StatementTokens, kind: string): string {
  return kind === 'REPLACE' ? kind : `${kind} OR ${tokens.word(2)}`;
}

function refuseClause(tokens: StatementTokens, at: number): void {
  const [kind, word] = [tokens.word(0), tokens.word(at)];
  const refuse = (problem: string, remedy: string): TendrilError => tokens.unsupported(at, problem, remedy);
  if (word === '.') throw refuse('A collection is named without a schema.', 'Leave out the part before the dot.');
  if (word === 'INDEXED' || (word === 'NOT' && tokens.word(at + 1) === 'INDEXED')) {
    throw refuse('INDEXED BY is not supported.', 'Remove it; SQLite chooses the index.');
  }
  if (kind === 'UPDATE' && word === 'FROM') {
    throw refuse('UPDATE FROM is not supported.', 'Use a sub-select: SET a = (SELECT ...).');
  }
  if (word === 'ORDER' || word === 'LIMIT') {
    throw refuse(`${kind} with ${word} is not supported.`, 'Use WHERE id IN (SELECT id ... LIMIT n).');
  }
  if (kind === 'INSERT' && word === 'AS')
    throw refuse('INSERT ... AS is not supported.', 'Name the collection itself.');
  if (kind === 'UPDATE' && word === '(')
    throw refuse('Row values are not supported.', 'Set the properties one by one.');
}
