/**
 * The public data behind the example, both from the npm package `vega-datasets`: 3,376 airports as CSV (US Bureau of
 * Transportation Statistics), 3,000,000 flights of 2001 as Parquet (the same, "On-Time Performance"), by date.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';

const FOLDER = new URL('../../node_modules/vega-datasets/data/', import.meta.url);
/** Rows decoded at a time: about 20 MB of objects. */
const CHUNK_ROWS = 50_000;

export interface AirportRecord {
  readonly iata: string;
  readonly name: string;
  readonly city: string;
  readonly state: string;
  readonly latitude: number;
  readonly longitude: number;
}

export interface FlightRecord {
  readonly origin: string;
  readonly destination: string;
  readonly departs: Date;
  readonly distance: number;
  readonly delay: number;
}

export async function readAirports(): Promise<readonly AirportRecord[]> {
  const [, ...lines] = (await readFile(new URL('airports.csv', FOLDER), 'utf8')).trim().split(/\r?\n/);
  return lines.map((line) => {
    const [iata = '', name = '', city = '', state = '', , latitude = '', longitude = ''] = csvFields(line);
    return { iata, name, city, state, latitude: Number(latitude), longitude: Number(longitude) };
  });
}

/** The first `count` flights in the order of their departure. */
export async function* readFlights(count: number): AsyncGenerator<FlightRecord> {
  const file = await asyncBufferFromFile(fileURLToPath(new URL('flights-3m.parquet', FOLDER)));
  for (let start = 0; start < count; start += CHUNK_ROWS) {
    const rowEnd = Math.min(start + CHUNK_ROWS, count);
    for (const row of await parquetReadObjects({ file, compressors, rowStart: start, rowEnd })) {
      yield {
        origin: String(row.origin),
        destination: String(row.destination),
        departs: row.date as Date,
        distance: Number(row.distance),
        delay: Number(row.delay),
      };
    }
  }
}

/** One line of RFC 4180 CSV without line breaks inside fields. */
function csvFields(line: string): string[] {
  return [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].map(([, field = '']) =>
    field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field,
  );
}
