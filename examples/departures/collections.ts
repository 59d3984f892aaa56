/** What the example keeps: airports, and flights that know the name of where they go. */
import { collection, integer, type RowOf, real, ref, text, timestamp } from '../../index.ts';

export const Airport = collection('airport', {
  iata: text(),
  name: text(),
  city: text().optional(),
  state: text().optional(),
  latitude: real(),
  longitude: real(),
});
export type Airport = RowOf<typeof Airport>;

export const Flight = collection(
  'flight',
  {
    origin: text(),
    destination: text(),
    /** The airport's name, so that a board can ask for a prefix of it. */
    destinationName: text().optional(),
    airport: ref(Airport),
    departs: timestamp(),
    distance: integer(),
    delay: integer().optional(),
    /** Who wrote it last, and when, in milliseconds since 1970: so whoever is told can measure how long that took. */
    writtenBy: text('server', 'desk'),
    writtenAt: real(),
  },
  { indexes: [['origin', 'departs'], ['delay']] },
);
export type Flight = RowOf<typeof Flight>;
