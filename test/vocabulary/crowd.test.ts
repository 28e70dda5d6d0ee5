import t from 'tap'
import { addressGroup } from '../../lib/vocabulary/address-group.ts'
import { Crowd, type Guest, type Standing } from '../../lib/vocabulary/crowd.ts'
import fc from '../fixtures/fast-check.ts'

t.test('an address counts as whoever can have it', async (t) => {
  const cases: readonly [address: string, group: string][] = [
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['', ''],
  ]
  for (const [address, group] of cases) t.equal(addressGroup(address), group, address)
})

t.test('when all places are taken', async (t) => {
  t.test(
    'the address with the most gives one up: an idle one before a slow one, who came first before others',
    async (t) => {
      const crowd = crowdOf('a busy', 'a slow', 'a idle', 'a idle', 'b idle')
      t.match(crowd.whoGoesFor('c'), { address: 'a', standing: 'idle', number: 2 })
      t.match(crowd.whoGoesFor('b'), { address: 'a', number: 2 })
      t.match(crowdOf('a busy', 'a slow', 'b idle').whoGoesFor('c'), { address: 'a', standing: 'slow' })
    },
  )
  t.test('whoever has most themselves makes room among their own', async (t) => {
    t.match(crowdOf('b idle', 'a idle').whoGoesFor('a'), { address: 'a' })
    t.match(crowdOf('b idle', 'a idle', 'a idle').whoGoesFor('a'), { address: 'a' })
  })
  t.test('nobody goes who is being served', async (t) => {
    t.equal(crowdOf('a busy', 'a busy', 'b idle').whoGoesFor('c'), undefined)
    t.equal(crowdOf().whoGoesFor('c'), undefined)
  })
  t.test('one who holds all but one place keeps nobody else out, however many come', async (t) => {
    const crowd = crowdOf(...Array.from({ length: 100 }, () => 'flood idle'))
    for (let number = 0; number < 40; number += 1) {
      const gone = crowd.whoGoesFor(`c${number}`)
      t.equal(gone?.address, 'flood')
      if (gone !== undefined) crowd.delete(gone)
      crowd.add({ address: `c${number}`, standing: 'busy', number: 1000 + number })
    }
    t.equal(crowd.from('flood'), 60)
  })
})

t.test('a crowd is who came and has not gone', async (t) => {
  const steps = fc.array(fc.record({ comes: fc.boolean(), address: fc.nat({ max: 5 }), at: fc.nat({ max: 50 }) }))
  fc.assert(
    fc.property(steps, (given) => {
      const crowd = crowdOf()
      const here: Member[] = []
      for (const [number, { comes, address, at }] of given.entries()) {
        if (comes) {
          const member: Member = { address: `${address}`, standing: 'idle', number }
          here.push(member)
          crowd.add(member)
        } else {
          const [gone] = here.splice(at % Math.max(1, here.length), 1)
          if (gone !== undefined) crowd.delete(gone)
          if (gone !== undefined) crowd.delete(gone)
        }
      }
      t.equal(crowd.size, here.length)
      t.equal(new Set(crowd).size, here.length)
      t.equal(crowd.from('3'), here.filter((member) => member.address === '3').length)
    }),
  )
})

interface Member extends Guest {
  readonly standing: Standing
  readonly number: number
}

function crowdOf(...members: readonly string[]): Crowd<Member> {
  const crowd = new Crowd<Member>(({ standing }) => standing)
  for (const [number, member] of members.entries()) {
    const [address = '', standing = 'idle'] = member.split(' ')
    crowd.add({ address, standing: standing as Standing, number })
  }
  return crowd
}
