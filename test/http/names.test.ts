import t from 'tap'
import { keyParameters } from '../../lib/http/parameters.ts'
import { QueryReader } from '../../lib/http/query.ts'
import { bucketOf, keyOf, originForm, queryOf, routingPath } from '../../lib/http/target.ts'
import { InvalidBucket, InvalidKey, InvalidParameter } from '../../lib/vocabulary/errors.ts'
import { bucketProblem, keyProblem } from '../../lib/vocabulary/key.ts'
import fc from '../fixtures/fast-check.ts'

const anyText = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 })
const bucketName = anyText.filter((text) => bucketProblem(text) === undefined)
const keyName = anyText.filter((text) => keyProblem(text) === undefined)

t.test('names come out of the path as they were encoded into it', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(bucketName, keyName, fc.constantFrom('', '?r=1', '?x=/v1/kv/'), (bucket, key, query) => {
        for (const encode of [encodeURIComponent, encodeEveryByte]) {
          const target = `/v1/kv/${encode(bucket)}/${encode(key)}${query}`
          for (const sent of [target, `http://node:7070${target}`]) {
            if (bucketOf(sent) !== bucket || keyOf(sent) !== key || routingPath(sent) !== '/v1/kv/-/-') return false
          }
        }
        return true
      }),
    ),
  )
})

t.test('any path is a name or refused as one, never anything else', async (t) => {
  const character = fc.oneof(
    fc.constantFrom('%', '/', '.', '?', '#', '%2e', '%2F', '%00', '%ff', '%C3', '%A4', '$'),
    fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 1 }),
  )
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.array(character, { maxLength: 20 }), (characters) => {
        const target = `/v1/kv/${characters.join('')}`
        const bucket = nameOr(InvalidBucket, () => bucketOf(target))
        if (bucket !== undefined && bucketProblem(bucket) !== undefined) return false
        if (routingPath(target) !== '/v1/kv/-/-') return routingPath(target) === '/v1/kv/-'
        const key = nameOr(InvalidKey, () => keyOf(target))
        return key === undefined || keyProblem(key) === undefined
      }),
    ),
  )
})

t.test('a target may name its scheme and host', async (t) => {
  t.equal(originForm('http://host:1/v1/node?x=1'), '/v1/node?x=1')
  t.equal(originForm('http://host:1'), '/')
  t.equal(originForm('http://host?x=1'), '/?x=1')
  t.equal(originForm('*'), '/*')
  t.equal(routingPath('/v1/kv/%2e%2e/..'), '/v1/kv/-/-')
  t.equal(routingPath('/v1/node?x=/v1/kv/a/b'), '/v1/node')
  t.equal(queryOf('/a?b?c'), 'b?c')
})

t.test('any query is read or refused', async (t) => {
  const reader = new QueryReader(keyParameters)
  const name = fc.oneof(fc.constantFrom(...Object.keys(keyParameters), '__proto__', 'constructor'), anyText)
  const value = fc.oneof(fc.constantFrom('1', 'one', 'true', 'full', '0', '60000', ''), anyText)
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 4 }), fc.boolean(), (pairs, isEncoded) => {
        const query = pairs
          .map(([one, other]) => (isEncoded ? `${safely(one)}=${safely(other)}` : `${one}=${other}`))
          .join('&')
        try {
          const read = reader.read(query)
          return (
            Object.keys(read).join() === Object.keys(keyParameters).join() &&
            read.timeout >= 1 &&
            read.timeout <= 60_000 &&
            (read.r === undefined || typeof read.r === 'string' || read.r >= 1) &&
            typeof read.sloppy === 'boolean'
          )
        } catch (error) {
          return error instanceof InvalidParameter
        }
      }),
    ),
  )
  t.same(reader.read('timeout=5&r=all'), { ...reader.read(''), timeout: 5, r: 'all' })
})

function nameOr<Name>(refusal: typeof InvalidBucket | typeof InvalidKey, read: () => Name): Name | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof refusal) return undefined
    throw error
  }
}

function encodeEveryByte(text: string): string {
  return [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
}

function safely(text: string): string {
  return text.isWellFormed() ? encodeURIComponent(text) : 'x'
}
