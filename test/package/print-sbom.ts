import { billOfMaterials } from './bill-of-materials.ts'

/** `npm run --silent sbom > starling-kv.cdx.json`: goes with a release. */
console.log(JSON.stringify(billOfMaterials(), null, 2))
