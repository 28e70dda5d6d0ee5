import t from 'tap'
import { type IdentityQuestion, resumeIdentity } from '../../../lib/protocol/layout/resume-identity.ts'
import type { Member, MemberState } from '../../../lib/protocol/membership/member.ts'
import type { NodeId } from '../../../lib/vocabulary/ids.ts'
import { nodeId, starter } from './first-layout-world.ts'

// ada, bob and cyd are the layout; the node with an empty directory was given ada's name.
t.test('a node with an empty directory and the name of a member', async (t) => {
  t.test('asks that member first', async (t) => {
    t.same(verdict({ answersProbe: undefined }), { type: 'wait', namesake: ada(), for: 'probe' })
  })
  t.test('does not take a name that answers, whatever the others believe', async (t) => {
    t.same(verdict({ answersProbe: true, opinions: said('dead', 'dead') }), { type: 'name-in-use', namesake: ada() })
  })
  t.test('becomes that member once a majority of the layout calls it dead or left', async (t) => {
    t.same(verdict({ opinions: said('dead', 'left') }), { type: 'resume', id: ada() })
  })
  t.test('does not trust its own probe alone: it may be the one cut off', async (t) => {
    const waits = { type: 'wait', namesake: ada(), for: 'majority' }
    t.same(verdict({ opinions: said() }), waits)
    t.same(verdict({ opinions: said('dead') }), waits)
    t.same(verdict({ opinions: said('dead', 'alive') }), waits)
    t.same(verdict({ opinions: said('dead', 'suspect') }), waits, 'suspected is not dead')
  })
  t.test('does not count what nodes outside the layout say, nor the namesake itself', async (t) => {
    const opinions = new Map<NodeId, MemberState>([
      [bob(), 'dead'],
      [nodeId(8), 'dead'],
      [ada(), 'left'],
    ])
    t.equal(verdict({ opinions }).type, 'wait')
  })
})

t.test('in a layout of two the other one decides; in a layout of one nobody else can', async (t) => {
  t.equal(verdict({ layoutNodes: [ada(), bob()], opinions: said() }).type, 'wait')
  t.equal(verdict({ layoutNodes: [ada(), bob()], opinions: said('dead') }).type, 'resume')
  t.equal(verdict({ layoutNodes: [ada()] }).type, 'resume')
})

t.test('in a layout of four three must agree', async (t) => {
  const layoutNodes = [ada(), bob(), cyd(), nodeId(4)]
  t.equal(verdict({ layoutNodes, opinions: said('dead', 'dead') }).type, 'wait')
  t.equal(verdict({ layoutNodes, opinions: said('dead', 'dead', 'dead') }).type, 'resume')
})

t.test('a name that no layout member has is the node\u2019s own', async (t) => {
  t.same(verdict({ ownName: 'new-name' }), { type: 'none' })
  t.same(verdict({ layoutNodes: [bob(), cyd()] }), { type: 'none' }, 'a member by that name outside the layout')
  t.same(verdict({ freshNodeId: ada() }), { type: 'none' }, 'oneself')
})

function verdict(question: Partial<IdentityQuestion>) {
  return resumeIdentity({
    ownName: 'node-1',
    freshNodeId: nodeId(9),
    layoutNodes: [ada(), bob(), cyd()],
    members: [1, 2, 3, 9].map((number): Member => starter(number, 0)),
    opinions: new Map(),
    answersProbe: false,
    ...question,
  })
}

/** What bob, cyd and then dan say of ada. */
function said(...states: MemberState[]): ReadonlyMap<NodeId, MemberState> {
  return new Map(states.map((state, index) => [nodeId(index + 2), state]))
}

function ada(): NodeId {
  return nodeId(1)
}

function bob(): NodeId {
  return nodeId(2)
}

function cyd(): NodeId {
  return nodeId(3)
}
