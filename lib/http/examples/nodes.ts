import type { Example } from './example.ts'

/** What is done to one node. */
export const nodesExamples: readonly Example[] = [
  {
    operation: 'recovered',
    name: 'whole',
    summary: 'A node that has lost nothing',
    body: { acceptLoss: true },
    answer: { status: 200, mediaType: 'application/json', body: { partitions: 0 } },
  },
  {
    operation: 'recovered',
    name: 'unsaid',
    summary: 'Without saying so',
    body: {},
    answer: {
      status: 400,
      mediaType: 'application/problem+json',
      body: {
        type: '/docs#error-invalid-body',
        title: 'The body is malformed',
        status: 400,
        detail: 'the body must say {"acceptLoss": true}',
        code: 'invalid-body',
        aftermath: 'nothing-changed',
        retryable: false,
        requestId: '01dc8044-25',
        hint: 'What no other owner holds any more is lost by this.',
      },
    },
  },
  {
    operation: 'drain',
    name: 'idle',
    summary: 'A node with nothing to finish',
    answer: { status: 200, mediaType: 'application/json', body: { inFlight: 0 } },
  },
]
