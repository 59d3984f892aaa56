/**
 * Random selections as text, over the whole language, for one table.
 *
 * Kinds are mostly respected (a sum of numbers, a LIKE over text), so that SQLite and the rules of the language accept
 * most of them; parentheses are left out at random, so that precedence decides.
 */
import type { ColumnType } from '../../query/index.ts';
import { Spelling, type Written } from './spelling.ts';

export class Writer extends Spelling {
  write(): Written {
    const { random } = this;
    const depth = random.pick([1, 2, 0, 3, 4, 2, 3, 5]);
    const where = random.chance(0.95) ? this.condition(depth) : '';
    const terms = random.chance(0.5) ? this.orderTerms(random.integer(2)) : [];
    const limit = random.chance(0.2)
      ? ` LIMIT ${this.count()}${random.chance(0.3) ? ` OFFSET ${this.count()}` : ''}`
      : '';
    const order = terms.length > 0 ? ` ORDER BY ${terms.join(', ')}` : '';
    const whole = `${where === '' ? '' : `WHERE ${where}`} ORDER BY ${[...terms, 'id'].join(', ')}${limit}`;
    return { text: `${where}${order}${limit}`, clauses: whole, parameters: this.parameters(), bound: this.bound };
  }

  private count(): string {
    return this.style === 'literals' || this.random.chance(0.5)
      ? this.random.pick(['3', '0', '1', '10', '100', '-1'])
      : this.parameter(this.random.pick([2n, 0n, 5n, 1_000n]));
  }

  private orderTerms(depth: number): string[] {
    const { random } = this;
    return Array.from({ length: 1 + random.integer(3) }, () => {
      const operand = random.chance(0.6) ? this.column() : this.value(random.pick(KINDS), depth);
      const collation = random.chance(0.2) ? ` COLLATE ${random.pick(COLLATIONS)}` : '';
      const term = collation === '' ? this.operand(operand) : `(${operand})${collation}`;
      return `${isNumber(term) ? `(${term})` : term}${random.pick(['', ' ASC', ' DESC'])}${random.pick(['', '', ' NULLS FIRST', ' NULLS LAST'])}`;
    });
  }

  /** Something that is true or not. */
  condition(depth: number): string {
    const { random } = this;
    if (depth <= 0) return this.comparison(0);
    const below = depth - 1;
    const all = (separator: string) =>
      Array.from({ length: 2 + random.integer(2) }, () => this.operand(this.condition(below))).join(separator);
    switch (random.pick(CONDITIONS)) {
      case 'comparison':
        return this.comparison(below);
      case 'and':
        return all(' AND ');
      case 'or':
        return all(' OR ');
      case 'not':
        return `NOT ${this.operand(this.condition(below))}`;
      case 'null':
        return `${this.operand(this.anything(below))} ${random.pick(['IS NULL', 'IS NOT NULL', 'ISNULL', 'NOTNULL', 'NOT NULL'])}`;
      case 'truth':
        return `${this.operand(this.condition(below))} IS ${random.pick(['', 'NOT '])}${random.pick(['TRUE', 'FALSE'])}`;
      case 'in':
        return this.membership(below);
      case 'between':
        return this.between(below);
      case 'match':
        return this.match(below);
      case 'value':
        return this.anything(below);
    }
  }

  private comparison(depth: number): string {
    const { random } = this;
    const kind = random.pick(KINDS);
    const other = random.chance(0.15) ? random.pick(KINDS) : kind;
    // Evaluated in the order written, since parameters are counted so.
    const operands = random.pick([
      () => [this.columnOf(kind), this.constant(other)],
      () => [this.compared(kind, depth), this.compared(other, depth)],
      () => [this.constant(kind), this.columnOf(other)],
      () => [this.collated(this.columnOf('text')), this.constant('text')],
      () => [this.column(), this.column()],
      () => [this.jsonValue(), this.spell(random.pick(['1', 'x', 1n, '{"c":"x"}']))],
      () => [this.integer(depth), this.constant('integer')],
      () => [this.text(depth), this.constant('text')],
      () => [this.columnOf('text'), this.collated(this.constant('text'))],
    ])();
    return operands.join(` ${random.pick(COMPARISONS)} `);
  }

  /** An operand of a comparison: the place for COLLATE. */
  private compared(kind: ColumnType, depth: number): string {
    if (!this.random.chance(0.12)) return this.operand(this.value(kind, depth));
    return this.collated(this.random.chance(0.5) ? `(${this.value(kind, depth)})` : this.columnOf(kind));
  }

  private collated(operand: string): string {
    return `${operand} COLLATE ${this.random.pick(COLLATIONS)}`;
  }

  private membership(depth: number): string {
    const { random } = this;
    const kind = random.pick(KINDS);
    const column = this.columnOf(kind);
    const left = random.pick([column, column, this.collated(column)]);
    const items = Array.from({ length: random.pick([2, 1, 0, 3, 12]) }, () => {
      if (random.chance(0.05)) return 'NULL';
      return random.chance(0.85)
        ? this.constant(random.chance(0.1) ? random.pick(KINDS) : kind)
        : this.value(kind, depth);
    });
    return `${left} ${random.pick(['', 'NOT '])}IN (${items.join(', ')})`;
  }

  private between(depth: number): string {
    const { random } = this;
    const kind = random.pick(KINDS);
    const end = () => (random.chance(0.6) ? this.constant(kind) : this.compared(kind, depth));
    const subject = random.chance(0.6) ? this.columnOf(kind) : this.compared(kind, depth);
    return `${subject} ${random.pick(['', 'NOT '])}BETWEEN ${end()} AND ${end()}`;
  }

  private match(depth: number): string {
    const { random } = this;
    const subject = random.chance(0.6)
      ? this.columnOf('text')
      : this.operand(this.value(random.pick(['text', 'integer']), depth));
    const glob = random.chance(0.3);
    const pattern = random.chance(0.8)
      ? this.spell(random.pick(glob ? GLOBS : LIKES))
      : this.operand(this.value('text', depth));
    const escaped =
      !glob && random.chance(0.25) ? ` ESCAPE ${this.spell(random.pick(['\\', 'a', '%', '_', '😀']))}` : '';
    return `${subject} ${random.pick(['', 'NOT '])}${glob ? 'GLOB' : 'LIKE'} ${pattern}${escaped}`;
  }

  private anything(depth: number): string {
    return this.value(this.random.pick(KINDS), depth);
  }

  /** An expression that mostly gives values of `kind`. */
  value(kind: ColumnType, depth: number): string {
    const { random } = this;
    if (depth <= 0 || random.chance(0.3)) return random.chance(0.6) ? this.columnOf(kind) : this.constant(kind);
    if (random.chance(0.1)) return this.cases(kind, depth - 1);
    if (random.chance(0.05))
      return `${random.pick(['coalesce', 'ifnull', 'nullif', 'max', 'min'])}(${this.value(kind, depth - 1)}, ${this.value(kind, depth - 1)})`;
    switch (kind) {
      case 'integer':
        return this.integer(depth - 1);
      case 'real':
        return this.real(depth - 1);
      case 'text':
        return this.text(depth - 1);
      case 'blob':
        return random.chance(0.5) ? this.columnOf('blob') : `CAST(${this.value('text', depth - 1)} AS BLOB)`;
    }
  }

  private integer(depth: number): string {
    const { random } = this;
    const number = () => this.operand(this.value(random.chance(0.1) ? random.pick(KINDS) : 'integer', depth));
    const text = () => this.value('text', depth);
    switch (random.pick(INTEGER_FORMS)) {
      case 'arithmetic':
        return `${number()} ${random.pick(['+', '-', '*', '/', '%', '&', '|', '<<', '>>'])} ${number()}`;
      case 'sign':
        return signed(random.pick(['-', '+', '~', '- ']), this.operand(this.value('integer', depth), 0.9));
      case 'condition':
        return `(${this.condition(depth)})`;
      case 'cast':
        return `CAST(${this.anything(depth)} AS ${random.pick(['INTEGER', 'BIGINT', 'NUMERIC'])})`;
      case 'function':
        return random.pick([
          () => `length(${text()})`,
          () => `abs(${this.value('integer', depth)})`,
          () => `instr(${text()}, ${text()})`,
          () => `unicode(${text()})`,
          () => `octet_length(${text()})`,
          () => `iif(${this.condition(depth)}, ${number()}, ${number()})`,
          () => `json_array_length(${this.json()})`,
          () => `unixepoch(${this.spell('2024-02-29T12:00:00.000Z')})`,
        ])();
    }
  }

  private real(depth: number): string {
    const { random } = this;
    const number = () => this.operand(this.value(random.pick(['real', 'integer']), depth));
    return random.pick([
      () => `${number()} ${random.pick(['+', '-', '*', '/', '%'])} ${number()}`,
      () => signed('-', this.operand(this.value('real', depth), 0.9)),
      () => `CAST(${this.value(random.pick(['integer', 'real', 'text']), depth)} AS REAL)`,
      () => `round(${number()})`,
      () => `julianday(${this.spell('2024-02-29')})`,
    ])();
  }

  private text(depth: number): string {
    const { random } = this;
    const text = () => this.value('text', depth);
    switch (random.pick(TEXT_FORMS)) {
      case 'concat':
        return `${this.operand(text())} || ${this.operand(random.chance(0.7) ? text() : this.columnOf('integer'))}`;
      case 'function':
        return `${random.pick(['upper', 'lower', 'trim', 'ltrim', 'rtrim', 'hex'])}(${text()})`;
      case 'more':
        return random.pick([
          () => `substr(${text()}, ${this.value('integer', 0)}, ${random.pick(['1', '2', '-1'])})`,
          () => `replace(${text()}, ${text()}, ${text()})`,
          () => `typeof(${this.anything(depth)})`,
          () => `quote(${this.value(random.pick(['integer', 'blob']), 0)})`,
          () => `hex(${this.value('blob', depth)})`,
          () => `CAST(${this.columnOf('integer')} AS TEXT)`,
          () => `date(${this.spell('2024-02-29T12:00:00.000Z')}, '+1 day')`,
        ])();
      case 'json':
        return this.jsonValue();
    }
  }

  /** Something found in a document. */
  private jsonValue(): string {
    const { random } = this;
    return random.pick([
      () =>
        `${this.json()} ${random.pick(['->', '->>'])} ${random.pick(["'$.a'", "'b'", '0', "'$.b[2].c'", "'$[1]'"])}`,
      () => `json_extract(${this.json()}, ${random.pick(["'$.a'", "'$.b[0]'", "'$'"])})`,
      () => `json_type(${this.json()}, '$.b')`,
      () => `json(${this.json()})`,
    ])();
  }

  private cases(kind: ColumnType, depth: number): string {
    const { random } = this;
    const value = () => this.value(kind, depth);
    const subject = random.chance(0.4) ? random.pick(KINDS) : null;
    const arms = Array.from({ length: 1 + random.integer(2) }, () => {
      const when = subject === null ? this.condition(depth) : this.value(subject, depth);
      return `WHEN ${when} THEN ${value()}`;
    });
    const otherwise = random.chance(0.7) ? ` ELSE ${value()}` : '';
    return `CASE${subject === null ? '' : ` ${this.columnOf(subject)}`} ${arms.join(' ')}${otherwise} END`;
  }
}

const KINDS: readonly ColumnType[] = ['integer', 'text', 'real', 'blob', 'integer', 'text', 'text'];
const COLLATIONS = ['NOCASE', 'RTRIM', 'BINARY', 'nocase'];
const COMPARISONS = [
  '=',
  '<',
  '<=',
  '>',
  '>=',
  '<>',
  '!=',
  '==',
  'IS',
  'IS NOT',
  'IS DISTINCT FROM',
  'IS NOT DISTINCT FROM',
];
const CONDITIONS = [
  'comparison',
  'and',
  'or',
  'not',
  'null',
  'truth',
  'in',
  'between',
  'match',
  'comparison',
  'and',
  'or',
  'value',
] as const;
const INTEGER_FORMS = ['arithmetic', 'sign', 'condition', 'cast', 'function', 'arithmetic'] as const;
const TEXT_FORMS = ['concat', 'function', 'more', 'json'] as const;
const LIKES = [
  'a%',
  '%',
  'abc',
  'A_c%',
  '%b%',
  '1%',
  '\\%%',
  'a\\_c',
  '_',
  '%😀%',
  'é',
  '',
  'ab%d',
  '%%',
  '__%',
  '😀%',
];
const GLOBS = [
  'a*',
  '*',
  'abc',
  'a?c*',
  '*b*',
  '[aA]*',
  '[^a]*',
  '[a-c]?*',
  '[]]',
  '[^]]*',
  '',
  '1*',
  '[',
  '*😀*',
  '[a-',
  '?',
];

/** Two minus signs would begin a comment. */
function signed(sign: string, operand: string): string {
  return operand.startsWith('-') ? `${sign} ${operand}` : `${sign}${operand}`;
}

function isNumber(text: string): boolean {
  return /^[-+\d.]/.test(text);
}
