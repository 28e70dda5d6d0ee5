import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { billOfMaterials } from './bill-of-materials.ts'
import { packageRoot } from './packed.ts'

// npm alone takes seconds on a busy machine.
t.setTimeout(120_000)

t.test(
  'the bill of materials lists what is installed with the package, in the locked versions, and nothing else',
  async (t) => {
    const manifest = readJson('package.json')
    const { packages } = readJson('package-lock.json')
    const { bomFormat, metadata, components, dependencies } = billOfMaterials()
    t.equal(bomFormat, 'CycloneDX')
    t.match(metadata.component, { 'bom-ref': `${manifest.name}@${manifest.version}`, name: manifest.name })
    const listed = components.map((component) => component['bom-ref'])
    const refOf = (name: string): string => `${name}@${packages[`node_modules/${name}`].version}`
    for (const name of Object.keys(manifest.dependencies)) t.ok(listed.includes(refOf(name)), name)
    for (const name of Object.keys(manifest.devDependencies)) {
      if (manifest.peerDependencies[name] === undefined) t.notOk(listed.includes(refOf(name)), `not ${name}`)
    }
    t.ok(listed.length > 50, 'and what those need in turn')
    t.same(
      dependencies.flatMap(({ dependsOn }) => dependsOn).filter((ref) => !listed.includes(ref)),
      [],
      'nothing needs what is not listed',
    )
  },
)

function readJson(name: string) {
  return JSON.parse(readFileSync(join(packageRoot(), name), 'utf8'))
}
