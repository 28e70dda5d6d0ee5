import t from 'tap'
import { json, starling, started, text } from './fixtures/run-starling.ts'

t.test('the properties of a bucket are shown and set', async (t) => {
  const node = await started(t)
  const at = ['--endpoint', node.url]

  await t.test('one property is changed, and the others stay', async (t) => {
    const first = await starling(['bucket', 'set', 'carts', 'conflict=lww', 'ttlSeconds=3600', 'w=all', ...at])
    t.equal(first.code, 0)
    t.match(text(first), /^r +quorum\nw +all\npr +0\n/)
    t.match(text(first), /^conflict +lww$/m)
    t.match(text(first), /^version +1$/m)
    const second = await starling(['bucket', 'set', 'carts', 'r=1', 'ttlSeconds=', '--json', ...at])
    t.match(json(second), {
      apiVersion: 'v1',
      kind: 'Bucket',
      bucket: 'carts',
      r: 1,
      w: 'all',
      conflict: 'lww',
      ttlSeconds: null,
      version: 2,
    })
    t.match(node.properties.get('carts'), { r: 1, w: 'all', conflict: 'lww', ttlSeconds: null })
    t.match(node.properties.get('carts'), { readRepairOfNode: true }, 'what nobody has set stays open')
    await starling(['bucket', 'set', 'payments', 'readRepair=blocking', ...at])
    t.match(node.properties.get('payments'), { readRepair: 'blocking', readRepairOfNode: false })
    node.properties.delete('payments')
  })

  await t.test('show and list print what is in force', async (t) => {
    const [shown, unset, listed, asJson] = await Promise.all([
      starling(['bucket', 'show', 'carts', ...at]),
      starling(['bucket', 'show', 'a/b', '--json', ...at]),
      starling(['bucket', 'list', ...at]),
      starling(['bucket', 'list', '--json', ...at]),
    ])
    t.match(text(shown), /^conflict +lww$/m)
    t.match(text(shown), /^ttlSeconds +-$/m)
    t.match(unset, { code: 0 })
    t.match(json(unset), { kind: 'Bucket', bucket: 'a/b', conflict: 'siblings', version: 0 })
    t.match(text(listed), /^BUCKET +R +W .*VERSION\ncarts +1 +all .* 2\n$/)
    t.match(json(asJson), { kind: 'BucketList', buckets: [{ bucket: 'carts', r: 1, version: 2 }] })
  })

  await t.test('a dry run changes nothing, and says what would', async (t) => {
    const before = node.properties.get('carts')
    const dry = await starling(['bucket', 'set', 'carts', 'r=2', 'durability=disk', '--dry-run', ...at])
    t.match(dry, { code: 0, stderr: 'nothing was changed\n' })
    t.equal(text(dry), 'r: 1 -> 2\ndurability: os -> disk\n')
    t.equal(node.properties.get('carts'), before)
    const whole = json(await starling(['bucket', 'set', 'carts', 'r=2', '--dry-run', '--json', ...at]))
    t.match(whole, { kind: 'Bucket', r: 2, w: 'all', dryRun: true })
  })
})

t.test('what cannot be set has its exit code', async (t) => {
  const node = await started(t)
  const at = ['--endpoint', node.url]
  const [nothing, noSign, unknown, twice, refused, reserved, none] = await Promise.all([
    starling(['bucket', 'set', 'carts', ...at]),
    starling(['bucket', 'set', 'carts', 'lww', ...at]),
    starling(['bucket', 'set', 'carts', 'durabilty=disk', ...at]),
    starling(['bucket', 'set', 'carts', 'r=1', 'r=2', ...at]),
    starling(['bucket', 'set', 'carts', 'r=7', ...at]),
    starling(['bucket', 'show', '$starling', ...at]),
    starling(['bucket', 'list', ...at]),
  ])
  t.equal(nothing.code, 2)
  t.match(noSign, { code: 2, stderr: /"lww" is not NAME=VALUE/ })
  t.match(unknown, { code: 2, stderr: /did you mean durability\?/ })
  t.match(twice, { code: 2, stderr: /r is given twice/ })
  t.equal(refused.code, 2, 'the node says what is wrong')
  t.equal(reserved.code, 2)
  t.match(none, { code: 0, stderr: /no bucket holds keys/ })
  t.equal(text(none), '')
  t.equal(node.properties.size, 0)

  node.properties.set('carts', { version: 4 })
  node.answers.set('/v1/buckets/carts', {
    status: 412,
    body: { code: 'precondition-failed', detail: 'fixed by the first write', aftermath: 'nothing-changed' },
  })
  t.match(await starling(['bucket', 'set', 'carts', 'r=1', ...at]), { code: 6, stderr: /fixed by the first write/ })
})
