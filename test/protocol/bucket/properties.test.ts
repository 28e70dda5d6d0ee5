import t from 'tap'
import { checkProperties, propertiesDefault, propertyNames } from '../../../lib/protocol/bucket/properties.ts'

const mebibyte = 1024 * 1024

t.test('the properties of a bucket', async (t) => {
  t.test('are the defaults where nothing is said', async (t) => {
    t.same(checked({}), {
      r: 'quorum',
      w: 'quorum',
      pr: 0,
      pw: 0,
      conflict: 'siblings',
      durability: 'os',
      readRepair: undefined,
      ttlSeconds: undefined,
      siblingsMax: 100,
      valueBytesMax: 8 * mebibyte,
      version: 0,
    })
    const nothing = Object.fromEntries(propertyNames.map((name) => [name, null]))
    t.same(checked(nothing), propertiesDefault, 'null says nothing: it is how "none" is shown')
  })

  t.test('are what was said', async (t) => {
    const given = {
      r: 1,
      w: 'all',
      pr: 'one',
      pw: 3,
      conflict: 'lww',
      durability: 'disk',
      readRepair: 'off',
      ttlSeconds: 60,
      siblingsMax: 1,
      valueBytesMax: 1,
    }
    t.same(checked(given), { ...given, version: 0 })
  })

  t.test('may be sent back as they were shown: their version is then the one to be replaced', async (t) => {
    const result = checkProperties({ r: 1, version: 7 }, 3)
    t.match(result, { ifVersion: 7, properties: { r: 1, version: 0 } })
    t.equal(checkProperties({ r: 1 }, 3).problem, undefined)
    t.match(problem({ version: -1 }), /version/)
  })
})

t.test('a property out of its range is refused by its name, with the range', async (t) => {
  const levels = 'an integer from 1 to 3, or one, quorum or all'
  const ownLevels = 'an integer from 0 to 3, or one, quorum or all'
  const ttl = 'an integer from 1 to 3155760000'
  for (const [name, value, expected] of [
    ['r', 0, levels],
    ['r', 4, levels],
    ['r', 1.5, levels],
    ['r', '2', levels],
    ['w', -1, levels],
    ['w', 'most', levels],
    ['w', true, levels],
    ['pr', -1, ownLevels],
    ['pr', 4, ownLevels],
    ['pw', Number.NaN, ownLevels],
    ['pw', [1], ownLevels],
    ['conflict', 'LWW', 'siblings or lww'],
    ['conflict', 1, 'siblings or lww'],
    ['durability', 'memory', 'os or disk'],
    ['readRepair', 'on', 'blocking, async or off'],
    ['ttlSeconds', 0, ttl],
    ['ttlSeconds', 0.5, ttl],
    ['ttlSeconds', 3_155_760_001, ttl],
    ['siblingsMax', 0, 'an integer from 1 to 100'],
    ['siblingsMax', 101, 'an integer from 1 to 100'],
    ['valueBytesMax', 0, `an integer from 1 to ${8 * mebibyte}`],
    ['valueBytesMax', 8 * mebibyte + 1, `an integer from 1 to ${8 * mebibyte}`],
  ] as const) {
    const message = problem({ r: 1, [name]: value })
    t.ok(message?.startsWith(`the property "${name}" must be ${expected}, not `), `${name}=${value}: ${message}`)
  }
})

t.test('a level asks for no more replicas than the cluster keeps', async (t) => {
  t.equal(checkProperties({ r: 5, pw: 5 }, 5).problem, undefined)
  t.match(checkProperties({ r: 2 }, 1).problem?.message, /from 1 to 1/)
})

t.test('an unknown property is refused with the nearest known one', async (t) => {
  t.match(checkProperties({ durabilty: 'disk' }, 3).problem, {
    message: 'there is no property "durabilty"',
    hint: /"durability"/,
  })
  t.match(checkProperties({ read_repair: 'off' }, 3).problem?.hint, /"readRepair"/)
  for (const name of ['__proto__', 'constructor', 'toString']) {
    t.match(checkProperties(JSON.parse(`{"${name}": 1}`), 3).problem?.message, name)
  }
})

function checked(given: Readonly<Record<string, unknown>>) {
  const result = checkProperties(given, 3)
  return result.problem === undefined ? result.properties : result.problem
}

function problem(given: Readonly<Record<string, unknown>>): string | undefined {
  return checkProperties(given, 3).problem?.message
}
