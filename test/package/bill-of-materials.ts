import { execFileSync } from 'node:child_process'
import { packageRoot } from './packed.ts'

/** The parts of CycloneDX that are looked at; the others are handed on as they are. */
export interface BillOfMaterials {
  readonly bomFormat: string
  readonly metadata: { readonly component: { readonly 'bom-ref': string; readonly name: string } }
  readonly components: readonly Component[]
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[]
}

interface Component {
  readonly 'bom-ref': string
  readonly properties?: readonly { readonly name: string; readonly value: string }[]
}

const developmentMark = 'cdx:npm:package:development'

/**
 * What is installed with the package, from the lock file alone, as npm lists it. Without what only its developers install:
 * taken out here, since `npm sbom --omit=dev` (npm 11) takes out as well what they share with it.
 */
export function billOfMaterials(): BillOfMaterials {
  const words = ['sbom', '--package-lock-only', '--sbom-format=cyclonedx', '--sbom-type=application']
  const said = execFileSync('npm', words, {
    cwd: packageRoot(),
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const whole = JSON.parse(said) as BillOfMaterials
  const ours = whole.metadata.component
  const components = whole.components.filter(({ properties }) => !properties?.some((it) => it.name === developmentMark))
  const kept = new Set([ours['bom-ref'], ...components.map((component) => component['bom-ref'])])
  return {
    ...whole,
    // npm calls it by the directory that it stands in.
    metadata: {
      ...whole.metadata,
      component: { ...ours, name: ours['bom-ref'].slice(0, ours['bom-ref'].lastIndexOf('@')) },
    },
    components,
    dependencies: whole.dependencies
      .filter(({ ref }) => kept.has(ref))
      .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((other) => kept.has(other)) })),
  }
}
