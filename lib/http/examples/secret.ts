import type { Example } from './example.ts'

const nodes = [
  ['a20a92963360c91438bcbf539b6d3be6', 'n1'],
  ['2deb0e20c441ca83c4a46bb121df50f2', 'n2'],
  ['b0c8bcb0b3ce1f2d0e5b7e8f4f2f6a11', 'n3'],
] as const

function keysOfAll(sendsWith: string, ...others: readonly string[]) {
  return nodes.map(([node, name]) => ({ node, name, sendsWith, keys: [sendsWith, ...others], problem: null }))
}

/** The secret that nodes share. */
export const secretExamples: readonly Example[] = [
  {
    operation: 'secret',
    name: 'one key',
    summary: 'All nodes have the same key',
    answer: {
      status: 200,
      mediaType: 'application/json',
      body: { agreed: true, nodes: keysOfAll('c7cf9d1c') },
    },
  },
  {
    operation: 'change-secret',
    name: 'add',
    summary: 'A new key, which everybody can read from now on',
    body: { action: 'add' },
    answer: {
      status: 200,
      mediaType: 'application/json',
      body: { action: 'add', key: '84b1e60a', complete: true, nodes: keysOfAll('c7cf9d1c', '84b1e60a') },
    },
  },
  {
    operation: 'change-secret',
    name: 'too early',
    summary: 'The old key is still in use',
    body: { action: 'remove', key: 'c7cf9d1c' },
    answer: {
      status: 409,
      mediaType: 'application/problem+json',
      body: {
        type: '/docs#error-plan-refused',
        title: 'The plan would endanger data',
        status: 409,
        detail: 'the key c7cf9d1c is not removed: in use at n1, n2, n3: use another one first',
        code: 'plan-refused',
        aftermath: 'nothing-changed',
        retryable: false,
        requestId: '01dc8044-21',
        hint: 'use another key everywhere, and start who is away or take it out of the cluster; with force those who are named may be cut off until their secret files are changed by hand',
        checks: [
          { name: 'one-at-a-time', ok: true, detail: 'nobody else changes keys now' },
          { name: 'everybody-answers', ok: true, detail: 'every member has said which keys it has' },
          { name: 'nobody-sends-with-it', ok: false, detail: 'in use at n1, n2, n3: use another one first' },
        ],
      },
    },
  },
]
