import type { Example } from './example.ts'

/** What a node says of itself and its API. */
export const documentsExamples: readonly Example[] = [
  {
    operation: 'node',
    name: 'self',
    summary: 'The node that answers',
    answer: {
      status: 200,
      mediaType: 'application/json',
      body: {
        id: 'a20a92963360c91438bcbf539b6d3be6',
        name: 'n1',
        cluster: 'starling',
        clusterId: '6e1d03b9dbb8dbfa',
        version: '0.1.0',
        startNumber: 1,
        storeGeneration: 3750322787,
        peer: '127.0.0.1:7071',
        http: '127.0.0.1:7070',
        zone: 'default',
        weight: 1,
        insecure: false,
        state: 'serving',
        recoveringPartitions: 0,
        clockOffsetMs: 0,
        uptimeSeconds: 10.342438410000003,
      },
    },
  },
  {
    operation: 'livez',
    name: 'alive',
    summary: 'It serves',
    answer: { status: 200, mediaType: 'text/plain', body: 'ok\n' },
  },
  {
    operation: 'readyz',
    name: 'ready',
    summary: 'It wants requests',
    answer: { status: 200, mediaType: 'text/plain', body: 'ok\n' },
  },
  {
    operation: 'metrics',
    name: 'text',
    summary: 'The first lines of some',
    answer: {
      status: 200,
      mediaType: 'text/plain',
      body: '# HELP starling_members Members by state, as this node sees them\n# TYPE starling_members gauge\nstarling_members{state="alive"} 3\nstarling_members{state="suspect"} 0\nstarling_members{state="dead"} 0\nstarling_members{state="left"} 0\n# HELP starling_layout_version Newest decided layout version; 0: none\n# TYPE starling_layout_version gauge\nstarling_layout_version 1\n',
      isExcerpt: true,
    },
  },
  {
    operation: 'openapi',
    name: 'document',
    summary: 'The beginning of the document',
    answer: {
      status: 200,
      mediaType: 'application/json',
      body: {
        openapi: '3.1.0',
        info: {
          title: 'Starling',
          version: '1',
          description: 'A leaderless, eventually consistent key-value database. Any node answers any request.',
        },
      },
      isExcerpt: true,
    },
  },
  {
    operation: 'docs',
    name: 'page',
    summary: 'The beginning of the page',
    answer: { status: 200, mediaType: 'text/html', body: '<!doctype html>\n<html lang="en">\n', isExcerpt: true },
  },
  {
    operation: 'docs-style',
    name: 'style',
    summary: 'The beginning of the style',
    answer: {
      status: 200,
      mediaType: 'text/css',
      body: ':root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent); }\nbody { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 0 auto; padding: 1rem; }\n',
      isExcerpt: true,
    },
  },
]
