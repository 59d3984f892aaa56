import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MAX_STATEMENT_BYTES } from '../../query/limits.ts';
import { lex } from '../../query/parse/lexer.ts';
import { CLASS_OF_TAG } from '../../query/parse/lexer-literal.ts';
import { classOf, exactOf } from '../../query/value.ts';
import { memory } from '../../storage/drivers/sql-js.ts';
import type { SqliteDriver } from '../../storage/index.ts';
import { runs, seedFor } from '../support/random.ts';
import { refusal } from './flights.ts';

let driver: SqliteDriver;
beforeAll(async () => {
  driver = await memory().open();
});
afterAll(() => driver.close());

const spelled = (text: string) => {
  const { kinds, starts, ends } = lex(text);
  return kinds.slice(0, -1).map((kind, i) => `${kind} ${text.slice(starts[i], ends[i])}`);
};

describe('tokens', () => {
  test.each([
    ['a->>b', ['word a', 'operator ->>', 'word b']],
    ['a<<1||b<>c', ['word a', 'operator <<', 'literal 1', 'operator ||', 'word b', 'operator <>', 'word c']],
    ['a==b!=c', ['word a', 'operator ==', 'word b', 'operator !=', 'word c']],
    ['"a""b".[c d]=`e```', ['quoted "a""b"', 'operator .', 'quoted [c d]', 'operator =', 'quoted `e```']],
    ["x'0a' X'' x", ["literal x'0a'", "literal X''", 'word x']],
    ["'it''s' ''", ["literal 'it''s'", "literal ''"]],
    ['1.5 .5 1. 1e3 1.e-3 0x1F 1_000', ['1.5', '.5', '1.', '1e3', '1.e-3', '0x1F', '1_000'].map((n) => `literal ${n}`)],
    ['? ?3 :name', ['parameter ?', 'parameter ?3', 'parameter :name']],
    ['a--comment\nb/* c\n*/d', ['word a', 'word b', 'word d']],
    ['a - -b', ['word a', 'operator -', 'operator -', 'word b']],
    ['größe $', ['word größe']],
    ['a$1', ['word a$1']],
  ])('%s', (text, tokens) => {
    if (text.endsWith(' $')) expect(refusal(() => lex(text)).facts.offset).toBe(text.length - 1);
    else expect(spelled(text)).toEqual(tokens);
  });

  test.each([
    ["'abc", 0, 'not closed'],
    ['a = "abc', 4, 'not closed'],
    ['[abc', 0, 'not closed'],
    ['a /* b', 2, 'not closed'],
    ['12abc', 0, 'followed by a letter'],
    ['1_', 0, 'followed by a letter'],
    ['1__0', 0, 'followed by a letter'],
    ['0x', 0, 'followed by a letter'],
    ['1e', 0, 'followed by a letter'],
    ["x'0'", 0, 'pairs'],
    ["x'0g'", 0, 'pairs'],
    ['a = $b', 4, 'do not start with $'],
    ['a = @b', 4, 'do not start with @'],
    ['a = :', 4, 'needs a name'],
    ['a ! b', 2, 'no token'],
    ['a \\ b', 2, 'no token'],
    ['a = 0x10000000000000000', 4, '64 bits'],
    ['a = \u0000', 4, 'U+0000'],
  ])('%j is refused at its token', (text, offset, problem) => {
    const error = refusal(() => lex(text));
    expect(error.code).toBe('query-syntax');
    expect(error.facts.offset).toBe(offset);
    expect(error.problem).toContain(problem);
  });

  test('an error shows the line it stands in, with a caret below the token', () => {
    const { problem } = refusal(() => lex("a = 1\n\tAND b = 'x"));
    expect(problem).toBe("This string is not closed.\n  \tAND b = 'x\n  \t        ^\n");
  });
});

describe('the value of a literal is the one SQLite reads', () => {
  const value = (text: string) => {
    const literal = lex(text).literals[0]!;
    return exactOf(literal.value, CLASS_OF_TAG[literal.tag]);
  };
  const inSqlite = (text: string) => {
    const [type, cell] = driver.get(`SELECT typeof(${text}), ${text}`) ?? [];
    return exactOf(cell!, type as 'integer');
  };

  test.each(
    (
      '0 1 007 1_000 9007199254740991 9007199254740993 9223372036854775807 9223372036854775808 18446744073709551615 0x10 ' +
      "0xffffffffffffffff 0x7FFFFFFFFFFFFFFF 1.5 .5 1. 1e3 1E+3 1e-3 1.e2 1e999 1_0.2_5e1_0 '' 'it''s' x'' x'00fF'"
    ).split(' '),
  )('%s', (text) => {
    expect(value(text)).toEqual(inSqlite(text));
  });

  test('of any short decimal', () => {
    const digits = fc.integer({ min: 0, max: 999_999_999_999_999 });
    const literal = fc.tuple(digits, fc.integer({ min: -21, max: 7 }), fc.nat(14)).map(([n, exponent, point]) => {
      const all = String(n).padStart(point + 1, '0');
      return `${all.slice(0, all.length - point)}.${all.slice(all.length - point)}e${exponent}`;
    });
    fc.assert(
      fc.property(literal, (text) => {
        fc.pre(!lex(text).literals[0]!.doubtful);
        expect(value(text)).toBe(inSqlite(text));
      }),
      { numRuns: runs(20_000), seed: seedFor('lexer') },
    );
  });

  test('a real of many digits or a great exponent is marked, to be asked of SQLite', () => {
    const doubtful = (text: string) => lex(text).literals[0]!.doubtful;
    expect(['1.234567890123456', '1e23', '1e-23', '99999999999999999999'].map(doubtful)).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(['1.23456789012345', '1e22', '1e-22', '1.5'].map(doubtful)).toEqual([false, false, false, false]);
  });

  test('a lone surrogate becomes U+FFFD, as in UTF-8', () => {
    expect(value("'a\ud800'")).toBe('a\ufffd');
    expect(classOf(value("'😀'"))).toBe('text');
  });
});

describe('the key', () => {
  test.each([
    ["a = 1 AND b = 'x'", "a = 25 AND b = 'it''s'"],
    ['a = 1', 'a\n  = /* one */ 2'],
    ['a IN (1, 2)', 'a IN (3, 4)'],
    ["a = x'00'", "a = x''"],
  ])('%j and %j share one', (one, other) => {
    expect(lex(one).key).toBe(lex(other).key);
  });

  test.each([
    ['a = 1', 'a = 1.0'],
    ['a = 1', "a = '1'"],
    ['a = 1', 'a = ?'],
    ['a = 9223372036854775808', 'a = 9223372036854775809'],
    ['a = -0x7FFFFFFFFFFFFFFF', 'a = -0x8000000000000000'],
    ['a = 1', 'a = -1'],
    ['a = 1', '"a" = 1'],
    ['a = 1', '"a = \u0001i"'],
    ['a b', 'ab'],
    ['a IN (1, 2)', 'a IN (1, 2, 3)'],
  ])('%j and %j do not', (one, other) => {
    expect(lex(one).key).not.toBe(lex(other).key);
  });
});

describe('the length of a text', () => {
  const text = (bytes: number, fill: string) =>
    `a='${fill.repeat((bytes - 4) / new TextEncoder().encode(fill).length)}'`;

  test.each(['x', 'é', '😀'])('%s: at the limit it is read, one byte past it is refused there', (fill) => {
    expect(lex(text(MAX_STATEMENT_BYTES, fill)).kinds).toHaveLength(4);
    const error = refusal(() => lex(`${text(MAX_STATEMENT_BYTES, fill)} `));
    expect(error.code).toBe('limit-exceeded');
    expect(error.facts).toMatchObject({ bytes: MAX_STATEMENT_BYTES + 1, limit: MAX_STATEMENT_BYTES });
    expect(error.facts.offset).toBe(text(MAX_STATEMENT_BYTES, fill).length);
  });
});
