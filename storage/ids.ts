/** Identifiers: branded ULIDs (strict: 26 upper-case Crockford characters, first 0-7) and branded numbers. */
declare const brand: unique symbol;
type BrandedUlid<Name extends string> = string & { readonly [brand]: Name };

export type OperationId = BrandedUlid<'OperationId'>;
export type EntityId = BrandedUlid<'EntityId'>;
export type TransactionId = BrandedUlid<'TransactionId'>;
export type NodeId = BrandedUlid<'NodeId'>;
export type SystemId = BrandedUlid<'SystemId'>;
export type EpochId = BrandedUlid<'EpochId'>;

/** Arrival number of a transaction in one log: 1, 2, 3, ...; 0 is "before the first". Never compared with an id. */
export type Position = number & { readonly [brand]: 'Position' };
