import { table } from './print.ts'

/** What of a .cpuprofile is read here: V8's format. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  /** The node on top of the stack at each sample, and the microseconds since the one before. */
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

export interface Dearest {
  readonly name: string
  readonly file: string
  /** Microseconds in the function itself, not in what it calls, over all profiles. */
  readonly selfMicros: number
  /** Of the time in which anything ran. */
  readonly share: number
}

const idle = '(idle)'
/** Functions may bear any name, that of a method of objects too. */
const notJavaScript: ReadonlyMap<string, string> = new Map([
  ['(garbage collector)', 'V8: scavenges and marking on the main thread'],
  ['(program)', 'native code outside of any function: reading and writing sockets, libuv'],
])

/** Functions of all profiles together by their own time, the dearest first. */
export function dearestOf(profiles: readonly CpuProfile[]): readonly Dearest[] {
  const found = new Map<string, { name: string; file: string; selfMicros: number }>()
  for (const { nodes, samples, timeDeltas } of profiles) {
    const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
    for (const [index, id] of samples.entries()) {
      const frame = frames.get(id)
      if (frame === undefined || isNobodys(frame)) continue
      const name = frame.functionName === '' ? `(anonymous, line ${frame.lineNumber + 1})` : frame.functionName
      const file = notJavaScript.get(name) ?? fileOf(frame.url)
      const entry = found.get(`${name} ${file}`) ?? { name, file, selfMicros: 0 }
      // The clock may step back between two samples.
      entry.selfMicros += Math.max(0, timeDeltas[index] ?? 0)
      found.set(`${name} ${file}`, entry)
    }
  }
  const all = [...found.values()].sort((one, other) => other.selfMicros - one.selfMicros)
  const sum = all.reduce((total, { selfMicros }) => total + selfMicros, 0)
  return all.map((each) => ({ ...each, share: sum === 0 ? 0 : each.selfMicros / sum }))
}

/**
 * What is no JavaScript comes behind the functions. Shares, not times: samples are taken by the clock, so that on a busy
 * machine a function is also charged for the time in which its process was not running.
 */
export function printDearest(all: readonly Dearest[], count: number): string {
  const isNative = ({ name }: Dearest): boolean => notJavaScript.has(name)
  const shown = [...all.filter((each) => !isNative(each)).slice(0, count), ...all.filter(isNative)]
  return table(
    ['function', 'file', 'share'],
    shown.map(({ name, file, share }) => [`\`${name}\``, file, `${(share * 100).toFixed(1)} %`]),
  )
}

/** Time in which nothing ran, and that of the inspector itself when it starts and stops a profile. */
function isNobodys({ functionName, url }: CpuProfile['nodes'][number]['callFrame']): boolean {
  return functionName === idle || (functionName === 'dispatch' && url === '')
}

/** From the root of the compiled copy, or of a package. */
function fileOf(url: string): string {
  if (url === '') return 'native'
  const behindPackages = url.split('/node_modules/').at(-1)
  if (behindPackages !== undefined && behindPackages !== url) return behindPackages
  return /\/((?:lib|bin|bench)\/.*)$/.exec(url)?.[1]?.replace(/\.js$/, '.ts') ?? url
}
