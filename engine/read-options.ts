/** Where a read is answered from: `local` from what this node holds, be it all or not. */
export interface ReadOptions {
  readonly from?: 'local';
}
