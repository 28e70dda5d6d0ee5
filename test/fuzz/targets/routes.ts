import { examples, examplesOf } from '../../../lib/http/examples/examples.ts'
import type { JsonSchema } from '../../../lib/http/json-schema.ts'
import { undocumentedIn } from '../../http/documented.ts'
import { must, type Target, type Trial } from '../target.ts'
import { Choices } from './choices.ts'
import { mustBeAnswer } from './http.ts'
import { answersIn } from './http-answers.ts'
import { type ApiOperation, operations, written } from './http-requests.ts'
import { HttpStage } from './http-stage.ts'
import { bytesOf, textOf } from './text.ts'

/** What values look like that nobody thought of. */
const odd = [
  ...[
    '',
    '0',
    '1',
    '-1',
    '1.5',
    '1e3',
    '999999999999999999999',
    'NaN',
    'true',
    'null',
    'one',
    'quorum',
    'all',
    '*',
    '"x"',
  ],
  ...[
    '.',
    '..',
    '%',
    '%zz',
    '%00',
    '%ff',
    '%2F',
    'é',
    '\u{1f426}',
    'x'.repeat(300),
    '$starling',
    'a,b',
    'W/"0"',
    '"',
    "'",
  ],
  ...['__proto__', 'constructor', ' ', '\t', 'Bearer x', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
]
const oddJson: readonly unknown[] = [
  ...[null, true, 0, -1, 1.5, 1e300, '', 'x', [], {}, [[]], { op: 'get' }, 'x'.repeat(2000), '\ud800', '$starling'],
  ...[2 ** 53, -0, '\0', '../..', ['a', 'a'], { __proto__: 1 }, { toString: 1 }, 'AAA=', '%'],
]

/** Requests as the OpenAPI document describes them, and nearly so. The input decides what is in them. */
export const routes: Target = {
  name: 'routes',
  summary: 'requests made of the OpenAPI document: never 500, and every answer is one that the document knows',
  seeds: () =>
    operations.flatMap((_operation, index) => [0, 3, 90].map((byte) => Uint8Array.of(index, ...Array(12).fill(byte)))),
  bytesMax: 512,
  stepsMax: { base: 50_000_000, each: 100_000 },
  isOfNodes: true,
  inputsInTests: 1_500,
  open,
}

async function open(): Promise<Trial> {
  const stage = await HttpStage.open()
  return {
    async run(input) {
      await stage.begin()
      const { method, target, bytes } = drawn(new Choices(input))
      const exchanged = await stage.exchange(bytes)
      const answers = answersIn(exchanged.bytes, method === 'HEAD', exchanged.isEnded)
      for (const answer of answers) mustBeAnswer(answer)
      stage.mustBeSound()
      const answer = answers.at(-1)
      if (answer === undefined || answer.status === 421) return
      const undocumented = undocumentedIn(method, target, answer)
      must(
        undocumented === undefined,
        `${method} ${target} ${answer.status}: the document does not know ${undocumented}`,
      )
    },
    close: () => stage.close(),
  }
}

interface Drawn {
  readonly method: string
  readonly target: string
  readonly bytes: Uint8Array
}

function drawn(choices: Choices): Drawn {
  const operation = choices.of(operations)
  const { id, method, path, parameters } = operation
  const example = choices.of([undefined, ...examplesOf(id)])
  const query: string[] = []
  const headers: Record<string, string> = {}
  const names: Record<string, string> = {}
  for (const { name, in: place, required, schema } of parameters) {
    const shown = example?.[place === 'header' ? 'headers' : place]?.[name]
    if (place === 'path') names[name] = encoded(choices, shown ?? 'k')
    else if (place === 'query') {
      const value = maybe(choices, shown, schema, required)
      if (value !== undefined)
        query.push(`${name}=${choices.below(4) === 0 ? value : encodeURIComponent(wellFormed(value))}`)
    } else {
      const value = maybe(choices, shown, schema, required)
      if (value !== undefined) headers[name] = value.replaceAll(/[^\t -~]/g, '')
    }
  }
  if (choices.below(16) === 1) query.push(`${choices.of(odd)}=${choices.of(odd)}`)
  const target =
    path.replaceAll(/\{(\w+)\}/g, (_all, name) => names[name] ?? 'k') + (query.length > 0 ? `?${query.join('&')}` : '')
  const sent = target.replaceAll(/[^!-~]/g, (character) => encodeURIComponent(wellFormed(character)))
  const body = bodyOf(choices, operation, example?.body)
  if (operation.takesJson)
    headers['Content-Type'] ??= choices.of(['application/json', 'application/json; charset=utf-8', 'text/plain'])
  return { method, target: sent, bytes: written(method, sent, headers, body) }
}

/** Nothing, what the example shows, or something that the schema allows or nobody does. */
function maybe(
  choices: Choices,
  shown: string | undefined,
  schema: JsonSchema,
  isRequired: boolean,
): string | undefined {
  switch (choices.below(8)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return shown ?? (isRequired ? 'k' : undefined)
    case 4:
      return schema.enum === undefined ? String(schema.minimum ?? 1) : String(choices.of(schema.enum))
    case 5:
      return textOf(choices.raw(20))
    default:
      return choices.of(odd)
  }
}

function encoded(choices: Choices, shown: string): string {
  switch (choices.below(6)) {
    case 0:
      return choices.of(odd).replaceAll('/', '%2F').replaceAll('?', '%3F').replaceAll('#', '%23')
    case 1:
      return encodeURIComponent(wellFormed(textOf(choices.raw(12))))
    default:
      return encodeURIComponent(shown)
  }
}

function bodyOf(choices: Choices, operation: ApiOperation, shown: string | object | undefined): Uint8Array | undefined {
  if (operation.takesValue) return choices.below(4) === 1 ? undefined : choices.raw(40)
  if (!operation.takesJson) return choices.below(16) === 1 ? bytesOf('{}') : undefined
  const body =
    shown ?? examples.find(({ operation: id, body }) => id === operation.id && typeof body === 'object')?.body ?? {}
  if (choices.below(12) === 1) return choices.raw(60)
  return bytesOf(JSON.stringify(spoilt(choices, body)))
}

/** The same, in which something is missing, double, or something else. */
function spoilt(choices: Choices, value: unknown): unknown {
  if (choices.isOver) return value
  if (choices.below(10) === 1) return choices.of(oddJson)
  if (Array.isArray(value)) return value.flatMap((item) => (choices.below(12) === 1 ? [] : [spoilt(choices, item)]))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).flatMap(([name, item]) =>
    choices.below(12) === 1 ? [] : [[choices.below(24) === 1 ? choices.of(odd) : name, spoilt(choices, item)] as const],
  )
  if (choices.below(16) === 1) entries.push([choices.of(odd), choices.of(oddJson)])
  return Object.fromEntries(entries)
}

function wellFormed(text: string): string {
  return text.toWellFormed()
}
