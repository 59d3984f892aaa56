/** Property rule: what the engine knows of a property, whatever its JavaScript type. */
import type { ColumnType, SqlValue } from '../query/index.ts';

export type PropertyType = 'text' | 'integer' | 'bigint' | 'real' | 'boolean' | 'timestamp' | 'blob' | 'json' | 'ref';

export interface PropertyRule {
  readonly type: PropertyType;
  readonly nullable: boolean;
  /** The members of an enumeration; null where any text will do. */
  readonly choices: readonly string[] | null;
  /** The name of the collection that a `ref` points into. */
  readonly target: string | null;
  /** What it reads while never set: its default, or null. */
  readonly unset: SqlValue;
}

/** SQLite's type of the column that holds it. */
export function columnTypeOf(type: PropertyType): ColumnType {
  switch (type) {
    case 'text':
    case 'timestamp':
    case 'json':
    case 'ref':
      return 'text';
    case 'integer':
    case 'bigint':
    case 'boolean':
      return 'integer';
    case 'real':
      return 'real';
    case 'blob':
      return 'blob';
  }
}
